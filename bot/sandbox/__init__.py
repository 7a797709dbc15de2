"""A local Bot API server with a chat page: for the demo, rehearsals and tests.

It fakes Telegram only, never storage, and imports nothing of the product. `Sandbox` holds the
chats, `serve` puts it on a loopback port, `Person` plays somebody with a phone.
"""
