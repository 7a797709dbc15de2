"""Somebody with a phone: writes, presses, blocks; sees what the chat shows now."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox.formatting import detect
from bot.sandbox.world import Account, Chat, Query, World

WAIT_SECONDS: Final = 10.0
WORD: Final = re.compile(r"[^\W_].*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as the person sees it."""

    facts: dict[str, Any]

    @property
    def id(self) -> int:
        return int(self.facts["message_id"])

    @property
    def text(self) -> str:
        """The text or the caption."""
        return str(self.facts.get("text") or self.facts.get("caption") or "")

    @property
    def entities(self) -> list[dict[str, Any]]:
        return list(self.facts.get("entities") or self.facts.get("caption_entities") or [])

    @property
    def is_from_bot(self) -> bool:
        return bool(self.facts.get("from", {}).get("is_bot"))

    @property
    def buttons(self) -> list[dict[str, Any]]:
        rows = self.facts.get("reply_markup", {}).get("inline_keyboard", [])
        return [button for row in rows for button in row]

    @property
    def labels(self) -> list[str]:
        return [button["text"] for button in self.buttons]

    @property
    def file_id(self) -> str | None:
        if "document" in self.facts:
            return str(self.facts["document"]["file_id"])
        return str(self.facts["photo"][-1]["file_id"]) if "photo" in self.facts else None

    def button(self, label: str) -> dict[str, Any] | None:
        """Find a button by its words: any case, an emoji may stand before them."""
        for button in self.buttons:
            words = WORD.search(button["text"])
            if words and words[0].strip().lower() == label.lower():
                return button
        return None


class NoSuchButton(LookupError):
    """No message shows a button with these words."""


class NeverHappened(AssertionError):
    """What was waited for did not come; `str` shows what the chat had instead."""


@dataclass(frozen=True, slots=True)
class Person:
    """One account, its private chat with the bot, and what a thumb can do."""

    world: World
    account: Account

    @property
    def id(self) -> int:
        return self.account.id

    @property
    def chat(self) -> Chat:
        return self.world.private_chat(self.id)

    @property
    def messages(self) -> list[Seen]:
        return [Seen(facts) for facts in list(self.chat.messages.values())]

    @property
    def received(self) -> list[Seen]:
        return [message for message in self.messages if message.is_from_bot]

    # --- writing ------------------------------------------------------------------------------

    async def start(self, payload: str = "") -> Seen:
        return await self.send(f"/start {payload}".strip())

    async def send(
        self, text: str, *, entities: list[dict[str, Any]] | None = None, chat: Chat | None = None
    ) -> Seen:
        body: dict[str, Any] = {"text": text}
        if found := detect(text, entities or []):
            body["entities"] = found
        return await self.send_body(body, chat)

    async def send_body(self, body: dict[str, Any], chat: Chat | None = None) -> Seen:
        """Send a message of any kind, given as the Bot API describes it."""
        place = chat or self.chat
        if chat is None:
            self.account.has_started = True
        message = self.world.add_message(place, self.account.user(), body)
        await self.world.tell_bot("message", dict(message))
        return Seen(message)

    async def send_photo(self, content: bytes, caption: str = "", **more: Any) -> Seen:
        return await self._send_file(content, "photo.jpg", "image/jpeg", caption, more)

    async def send_document(
        self, content: bytes, name: str, caption: str = "", mime: str = "application/pdf"
    ) -> Seen:
        return await self._send_file(content, name, mime, caption, {})

    async def _send_file(
        self, content: bytes, name: str, mime: str, caption: str, more: dict[str, Any]
    ) -> Seen:
        file = self.world.store_file(content, name, mime)
        body = self.world.file_facts(file, as_photo=name == "photo.jpg") | more
        return await self.send_body(body | ({"caption": caption} if caption else {}))

    async def edit(self, message: Seen, text: str) -> None:
        message.facts["text"] = text
        message.facts.pop("entities", None)
        if found := detect(text, []):
            message.facts["entities"] = found
        message.facts["edit_date"] = int(time.time())
        await self.world.tell_bot("edited_message", dict(message.facts))

    # --- pressing -----------------------------------------------------------------------------

    async def press(self, label: str, message: Seen | None = None) -> dict[str, Any]:
        """Press a button by its words, on the newest message that has it unless one is given.

        Returns the answer of the bot: text, show_alert.
        """
        place = message or self._newest_with(label)
        button = place.button(label)
        if button is None or "callback_data" not in button:
            raise NoSuchButton(f"{label!r} is not on this message: {place.labels}")
        return await self.press_data(button["callback_data"], place)

    def _newest_with(self, label: str) -> Seen:
        for message in reversed(self.received):
            if message.button(label):
                return message
        shown = [label for message in self.received[-5:] for label in message.labels]
        raise NoSuchButton(f"no message shows {label!r}; the last ones show {shown}")

    async def press_data(
        self, data: str, message: Seen | None = None, *, is_gone: bool = False
    ) -> dict[str, Any]:
        """Press with any data, as a forger can; wait for the answer."""
        query = Query(
            id=secrets.token_hex(8),
            person=self.id,
            at=time.time(),
            answer=asyncio.get_running_loop().create_future(),
        )
        self.world.queries[query.id] = query
        await self.world.tell_bot(
            "callback_query", self._query_body(query, data, message, is_gone=is_gone)
        )
        async with asyncio.timeout(WAIT_SECONDS):
            return await query.answer

    def _query_body(
        self, query: Query, data: str, message: Seen | None, *, is_gone: bool
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": query.id,
            "from": self.account.user(),
            "chat_instance": "1",
            "data": data,
        }
        if message is not None:
            facts = message.facts
            gone = {"chat": facts["chat"], "message_id": facts["message_id"], "date": 0}
            body["message"] = gone if is_gone else dict(facts)
        return body

    # --- the account --------------------------------------------------------------------------

    async def block(self) -> None:
        self.account.has_blocked = True
        await self._member("member", "kicked")

    async def unblock(self) -> None:
        self.account.has_blocked = False
        await self._member("kicked", "member")

    async def _member(self, old: str, new: str) -> None:
        member = {"user": self.world.bot}
        await self.world.tell_bot(
            "my_chat_member",
            {
                "chat": self.world.chat_facts(self.chat),
                "from": self.account.user(),
                "date": int(time.time()),
                "old_chat_member": _member_facts(member, old),
                "new_chat_member": _member_facts(member, new),
            },
        )

    # --- watching -----------------------------------------------------------------------------

    async def wait(
        self,
        wanted: str | Callable[[Seen], bool],
        *,
        after: int = 0,
        seconds: float = WAIT_SECONDS,
    ) -> Seen:
        """Wait for a message of the bot, by a part of its text or a condition; the newest fits."""

        def fits(message: Seen) -> bool:
            if isinstance(wanted, str):
                return wanted.lower() in message.text.lower()
            return wanted(message)

        def found() -> Seen | None:
            fitting = [m for m in reversed(self.received) if m.id > after and fits(m)]
            return fitting[0] if fitting else None

        try:
            async with asyncio.timeout(seconds), self.world.changed:
                await self.world.changed.wait_for(lambda: found() is not None)
        except TimeoutError:
            shown = "\n---\n".join(message.text for message in self.received[-6:])
            raise NeverHappened(f"waited for {wanted!r}; the chat shows:\n{shown}") from None
        seen = found()
        assert seen is not None  # noqa: S101 the condition held
        return seen

    def file(self, message: Seen) -> bytes:
        """Open the file of a message."""
        assert message.file_id is not None, "no file in this message"  # noqa: S101
        return self.world.files[message.file_id].content


def _member_facts(member: dict[str, Any], status: str) -> dict[str, Any]:
    return {**member, "status": status, **({"until_date": 0} if status == "kicked" else {})}
