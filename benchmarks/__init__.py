"""Reproducible measurements, each with its baseline in the same run; ratios, not seconds."""
