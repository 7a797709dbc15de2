"""Purposes, notices, and the rules of asking and answering. Pure: no I/O but reading the file."""
