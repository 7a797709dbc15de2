"""The chats of the simulator: people, messages, files, and the updates a bot is told of."""

import asyncio
import itertools
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

QUERY_SECONDS: Final = 900
"""A press can be answered this long (Telegram: "query is too old" about a quarter of an hour)."""


@dataclass(slots=True)
class StoredFile:
    """A file that somebody sent."""

    id: str
    content: bytes
    name: str
    mime: str


@dataclass(slots=True)
class Account:
    """Somebody with a phone, as Telegram knows them."""

    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    language_code: str = "en"
    has_started: bool = False
    has_blocked: bool = False
    is_deactivated: bool = False

    def user(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "id": self.id,
            "is_bot": False,
            "first_name": self.first_name,
            "language_code": self.language_code,
        }
        if self.last_name:
            facts["last_name"] = self.last_name
        if self.username:
            facts["username"] = self.username
        return facts


@dataclass(slots=True)
class Chat:
    """A conversation; the messages as they look now."""

    id: int
    type: str
    title: str = ""
    username: str = ""
    """Of a public channel: by which a bot may name it, with @ before it."""
    messages: dict[int, dict[str, Any]] = field(default_factory=dict)
    last_id: int = 0
    is_typing_until: float = 0.0
    has_kicked_bot: bool = False
    has_bot: bool = True
    """Of a channel: whether the bot is among its administrators."""
    may_bot_post: bool = True
    upgraded_to: int | None = None
    """The supergroup that this group became."""


@dataclass(slots=True)
class Query:
    """A press of an inline button that waits for its answer."""

    id: str
    person: int
    at: float
    answer: asyncio.Future[dict[str, Any]]


@dataclass(slots=True)
class World:
    """All that Telegram would know."""

    bot: dict[str, Any]
    accounts: dict[int, Account] = field(default_factory=dict)
    chats: dict[int, Chat] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)
    queries: dict[str, Query] = field(default_factory=dict)
    commands: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    """Name, description and short description, by kind and language."""
    pending: deque[dict[str, Any]] = field(default_factory=deque)
    allowed_updates: frozenset[str] = frozenset()
    """Kinds of updates that the bot asked for; empty: all that this world makes."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    version: int = 0
    _update_ids: Any = field(
        default_factory=lambda: itertools.count(int(time.time() * 100) % 10**9)
    )
    _other_ids: Any = field(default_factory=lambda: itertools.count(1))

    def next_id(self) -> int:
        return int(next(self._other_ids))

    async def touch(self) -> None:
        """Tell whoever watches that something changed."""
        self.version += 1
        async with self.changed:
            self.changed.notify_all()

    async def tell_bot(self, kind: str, body: dict[str, Any]) -> int:
        """Queue an update; return its id, 0 where the bot did not ask for this kind."""
        if self.allowed_updates and kind not in self.allowed_updates:
            await self.touch()
            return 0
        update_id = int(next(self._update_ids))
        self.pending.append({"update_id": update_id, kind: body})
        await self.touch()
        return update_id

    def chat_facts(self, chat: Chat) -> dict[str, Any]:
        if chat.type == "private":
            user = self.accounts[chat.id].user()
            names: dict[str, Any] = {
                key: user[key] for key in ("first_name", "last_name", "username") if key in user
            }
            return {"id": chat.id, "type": "private", **names}
        public = {"username": chat.username} if chat.username else {}
        return {"id": chat.id, "type": chat.type, "title": chat.title, **public}

    def named_chat(self, chat_id: Any) -> Chat | None:
        """Find a chat by its id, or a public channel by its @name, in any case."""
        if not isinstance(chat_id, str):
            return self.chats.get(chat_id)
        name = chat_id.removeprefix("@").lower()
        public = (chat for chat in self.chats.values() if chat.username and chat_id[:1] == "@")
        return next((chat for chat in public if chat.username.lower() == name), None)

    def private_chat(self, person: int) -> Chat:
        return self.chats.setdefault(person, Chat(id=person, type="private"))

    def add_message(
        self, chat: Chat, sender: dict[str, Any] | None, body: dict[str, Any]
    ) -> dict[str, Any]:
        """Put a message into a chat."""
        chat.last_id += 1
        message: dict[str, Any] = {
            "message_id": chat.last_id,
            "date": int(time.time()),
            "chat": self.chat_facts(chat),
            **body,
        }
        if chat.type == "channel":
            message["sender_chat"] = message["chat"]  # a post is the channel's, not its author's
        elif sender is not None:
            message["from"] = sender
        chat.messages[chat.last_id] = message
        return message

    def store_file(self, content: bytes, name: str, mime: str) -> StoredFile:
        file = StoredFile(f"file{self.next_id():08d}", content, name, mime)
        self.files[file.id] = file
        return file

    def file_facts(self, file: StoredFile, *, as_photo: bool) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "file_id": file.id,
            "file_unique_id": f"u{file.id}",
            "file_size": len(file.content),
        }
        if as_photo:
            return {"photo": [{**facts, "width": 640, "height": 480}]}
        return {"document": {**facts, "file_name": file.name, "mime_type": file.mime}}
