"""What people can say to the bot: parse, call one use-case, answer. No SQL, no rule."""
