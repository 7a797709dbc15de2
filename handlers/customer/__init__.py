"""The customer's conversation: asked purpose by purpose, free to leave at any point."""
