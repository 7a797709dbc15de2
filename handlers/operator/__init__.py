"""The operator's conversation: write, look, send, see what became of it."""
