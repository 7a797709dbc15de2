"""The web server: Telegram's webhook and a health check. Off unless it is configured."""
