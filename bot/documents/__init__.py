"""Papers for people outside of the chat: composed of facts, in a language, and nothing else."""
