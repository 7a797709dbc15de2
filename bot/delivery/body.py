"""What a recipient will see: the content, the label the law asks for, the two buttons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.campaigns.content import Content, ContentKind, body
from bot.delivery.channel import Prepared

LEAVE_PREFIX = "leave"
WHY_PREFIX = "why"
PREVIEW_ID = "preview"
"""Stands where a delivery's id stands, in what only the operator sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of the buttons under every message, in one locale."""

    unsubscribe: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A campaign's message, prepared once; only the recipient and the buttons are filled in."""

    content: Content
    label: str | None
    words: Mapping[str, Words]

    def to(self, account: str, locale: str, delivery_id: str) -> Prepared:
        text, entities = body(self.content, self.label)
        sent = [entity.to_json() for entity in entities]
        fields: dict[str, Any] = {
            "chat_id": int(account),
            "reply_markup": {"inline_keyboard": self._keyboard(locale, delivery_id)},
        }
        if self.content.kind is ContentKind.TEXT:
            return Prepared(
                method="sendMessage",
                fields={**fields, "text": text, "entities": sent},
            )
        fields |= {"caption": text, "caption_entities": sent}
        if self.content.kind is ContentKind.PHOTO:
            return Prepared(method="sendPhoto", fields={**fields, "photo": self.content.file_id})
        return Prepared(method="sendDocument", fields={**fields, "document": self.content.file_id})

    def _keyboard(self, locale: str, delivery_id: str) -> list[list[dict[str, str]]]:
        # A locale that is served no longer must not keep a message from being left.
        words = self.words.get(locale) or next(iter(self.words.values()))
        links = [[{"text": link.text, "url": link.url}] for link in self.content.buttons]
        return [
            *links,
            [
                {"text": words.unsubscribe, "callback_data": f"{LEAVE_PREFIX}:{delivery_id}"},
                {"text": words.why, "callback_data": f"{WHY_PREFIX}:{delivery_id}"},
            ],
        ]
