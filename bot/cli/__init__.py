"""The commands: parse, call, print. One module for each group of them."""
