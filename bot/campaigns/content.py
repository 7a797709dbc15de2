"""What is sent: text with its formatting, one file, link buttons; counted as Telegram counts."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self
from urllib.parse import urlsplit

import rfc8785

from bot.errors import AssentError, phrase

TEXT_LIMIT: Final = 4096
"""UTF-16 units after entities (Bot API, sendMessage: text)."""
CAPTION_LIMIT: Final = 1024
"""UTF-16 units after entities (Bot API, sendPhoto: caption)."""
ENTITY_LIMIT: Final = 100
LINK_LIMIT: Final = 10
LINK_TEXT_LIMIT: Final = 64

KEPT_ENTITIES: Final = frozenset(
    {
        "bold",
        "italic",
        "underline",
        "strikethrough",
        "spoiler",
        "blockquote",
        "expandable_blockquote",
        "code",
        "pre",
        "text_link",
    }
)
"""Formatting that a bot may send; links, mentions and the like are found by Telegram anew."""
HOST: Final = re.compile(r"[^.]+(\.[^.]+)+\.?")
LINK_LINE: Final = re.compile(r"(?P<text>.+?)\s+[-–—:]\s+(?P<url>\S+)")


class ContentKind(StrEnum):
    """What a message consists of."""

    TEXT = "text"
    PHOTO = "photo"
    DOCUMENT = "document"


class LinkFault(AssentError):
    """A line that was meant to be a link button and is not. `detail` is the line's number."""

    message_key = phrase(
        "Line {line} is not a button. Write each on a line of its own, like this:\n"
        "Our shop - https://example.com"
    )


class ContentFault(StrEnum):
    """Why a message cannot be sent as it is."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    TOO_MANY_ENTITIES = "too_many_entities"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Formatting of a part of the text; offset and length in UTF-16 units (Bot API)."""

    type: str
    offset: int
    length: int
    url: str | None = None
    language: str | None = None

    def to_json(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "type": self.type,
            "offset": self.offset,
            "length": self.length,
        }
        if self.url is not None:
            facts["url"] = self.url
        if self.language is not None:
            facts["language"] = self.language
        return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkButton:
    """A button under the message that opens a page."""

    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One message as its author wrote it, before the label and the buttons of ours."""

    kind: ContentKind
    text: str = ""
    entities: tuple[Entity, ...] = ()
    file_id: str | None = None
    buttons: tuple[LinkButton, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "text": self.text,
            "entities": [entity.to_json() for entity in self.entities],
            "file_id": self.file_id,
            "buttons": [{"text": link.text, "url": link.url} for link in self.buttons],
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Self:
        return cls(
            kind=ContentKind(facts["kind"]),
            text=facts["text"],
            entities=tuple(Entity(**entity) for entity in facts["entities"]),
            file_id=facts["file_id"],
            buttons=tuple(LinkButton(**link) for link in facts["buttons"]),
        )

    def sha256(self, label: str | None) -> str:
        """Identify what was confirmed: the content and the label that the law asks for."""
        facts = {**self.to_json(), "label": label}
        return hashlib.sha256(rfc8785.dumps(facts)).hexdigest()


def utf16_length(text: str) -> int:
    """Count as Telegram does: UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def keep(entities: Iterable[dict[str, Any]]) -> tuple[Entity, ...]:
    """Take over the formatting that a bot may send again."""
    return tuple(
        Entity(
            type=entity["type"],
            offset=entity["offset"],
            length=entity["length"],
            url=entity.get("url"),
            language=entity.get("language"),
        )
        for entity in entities
        if entity["type"] in KEPT_ENTITIES
    )


def body(content: Content, label: str | None) -> tuple[str, tuple[Entity, ...]]:
    """Return the text as it is sent: the label is its last paragraph, offsets stay right."""
    if label is None:
        return content.text, content.entities
    separator = "\n\n" if content.text else ""
    return content.text + separator + label, content.entities


def length_limit(content: Content) -> int:
    return TEXT_LIMIT if content.kind is ContentKind.TEXT else CAPTION_LIMIT


def excess(content: Content, label: str | None) -> int:
    """By how many UTF-16 units the message is too long with its label; 0: it fits."""
    text, _ = body(content, label)
    return max(0, utf16_length(text) - length_limit(content))


def faults(content: Content, label: str | None) -> list[ContentFault]:
    """Name what keeps a message from being sent as it is."""
    found = []
    if content.kind is ContentKind.TEXT and not content.text.strip():
        found.append(ContentFault.EMPTY)
    if excess(content, label):
        found.append(ContentFault.TOO_LONG)
    if len(content.entities) > ENTITY_LIMIT:
        found.append(ContentFault.TOO_MANY_ENTITIES)
    return found


def parse_links(text: str) -> tuple[LinkButton, ...]:
    """Read link buttons, one a line: "Our shop - https://example.com". Raises LinkFault."""
    links: list[LinkButton] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        found = LINK_LINE.fullmatch(line.strip())
        if found is None or not _is_link(found["text"], found["url"]) or len(links) == LINK_LIMIT:
            raise LinkFault(str(number))
        links.append(LinkButton(text=found["text"], url=found["url"]))
    if not links:
        raise LinkFault("1")
    return tuple(links)


def _is_link(text: str, url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_page = parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:
        return False
    is_page = is_page and HOST.fullmatch(parts.hostname or "") is not None
    is_app = parts.scheme == "tg" and bool(parts.netloc)
    return (is_page or is_app) and 0 < utf16_length(text) <= LINK_TEXT_LIMIT
