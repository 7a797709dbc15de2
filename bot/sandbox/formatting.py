"""Text as Telegram takes it: entities, lengths in UTF-16 units, limits.

The rules and the words of refusal are those of the open Bot API server (tdlib/td,
MessageEntity.cpp; tdlib/telegram-bot-api, Client.cpp). Left out: Markdown, mentions, hashtags.
"""

import re
from bisect import bisect_left
from typing import Any, Final

from bot.sandbox.markup import SURROGATES, TAGS, Entity, in_order, link_fault, parse_html, units
from bot.sandbox.refusal import bad_request

TEXT_LIMIT: Final = 4096
CAPTION_LIMIT: Final = 1024
OWN_TYPES: Final = {
    *TAGS.values(),
    "expandable_blockquote",
    "text_mention",
    "custom_emoji",
    "date_time",
}
FOUND_TYPES: Final = {
    "mention",
    "hashtag",
    "cashtag",
    "bot_command",
    "url",
    "email",
    "phone_number",
    "bank_card_number",
}
"""Telegram finds these by itself; a bot may name them, and they are left to it."""
OPAQUE: Final = {"code", "pre", "text_link", "text_mention", "bot_command", "url"}
"""Nothing is found inside these."""
FOUND: Final = re.compile(
    r"(?P<bot_command>(?<![\w/<>])/[a-zA-Z0-9_]{1,64}(?:@[a-zA-Z0-9_]{3,32})?(?![\w/<>]))"
    r"|(?P<url>https?://[^\s<>]+)"
)
REMOVED: Final = "\r\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u0333\u033f\u030a"
UNKEPT: Final = re.compile(f"[\0-\t\v-\x1f{REMOVED}]")


def check_entities(text: str, entities: list[Any]) -> list[Entity]:
    """Accept entities that a bot names itself, as the Bot API does."""
    kept = [_check_entity(entity) for entity in entities]
    inside = _Units(text)
    for entity in kept:
        inside.check(entity)
    return in_order([e for e in kept if e["length"] and e["type"] not in FOUND_TYPES])


def _check_entity(entity: Any) -> Entity:
    if not isinstance(entity, dict):
        raise bad_request("can't parse MessageEntity: expected an Object")
    for name in ("offset", "length", "type"):
        if name not in entity:
            raise bad_request(f"can't parse MessageEntity: Can't find field \"{name}\"")
    for name in ("offset", "length"):
        if not isinstance(entity[name], int) or isinstance(entity[name], bool):
            raise bad_request(f'can\'t parse MessageEntity: Field "{name}" must be of type Number')
        if entity[name] < 0:
            raise bad_request(f"receive an entity with incorrect {name} {entity[name]}")
    if str(entity["type"]) not in OWN_TYPES | FOUND_TYPES:
        raise bad_request("can't parse MessageEntity: Unsupported type specified")
    if entity["type"] == "text_link":
        _check_link(entity.get("url"))
    return dict(entity)


def _check_link(url: Any) -> None:
    if not isinstance(url, str):
        raise bad_request("can't parse MessageEntity: Can't find field \"url\"")
    if fault := link_fault(url):
        raise bad_request(f"entity URL '{url}' is invalid: {fault}")


class _Units:
    """Where the characters of a text begin, in UTF-16 units and in bytes."""

    def __init__(self, text: str) -> None:
        self.size = units(text)
        self.halves = {}
        unit = byte = 0
        for character in text:
            byte += len(character.encode())
            unit += units(character)
            if units(character) > 1:
                self.halves[unit - 1] = byte

    def check(self, entity: Entity) -> None:
        offset, end = entity["offset"], entity["offset"] + entity["length"]
        if end > self.size:
            raise bad_request(
                f"entity beginning at UTF-16 offset {offset} ends after the end of the text "
                f"at UTF-16 offset {end}"
            )
        if offset in self.halves:
            raise bad_request(
                f"entity begins in a middle of a UTF-16 symbol at byte offset {self.halves[offset]}"
            )
        if end in self.halves:
            raise bad_request(
                f"entity beginning at UTF-16 offset {offset} ends in a middle of a UTF-16 symbol "
                f"at byte offset {self.halves[end]}"
            )


def clean(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Take out what Telegram does not keep, and move the entities along.

    Control characters become spaces, except the line feed; returns, marks of direction and lines
    that run across other lines vanish.
    """
    removed = [
        units(text[: match.start()]) for match in UNKEPT.finditer(text) if match[0] in REMOVED
    ]
    cleaned = UNKEPT.sub(lambda match: "" if match[0] in REMOVED else " ", text)
    moved = []
    for entity in entities:
        start = entity["offset"] - bisect_left(removed, entity["offset"])
        end = entity["offset"] + entity["length"]
        length = end - bisect_left(removed, end) - start
        if length:
            moved.append({**entity, "offset": start, "length": length})
    return cleaned, moved


def trim(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Cut spaces and line ends at both ends and move the entities along, as Telegram does."""
    left = units(text) - units(text.lstrip(" \n"))
    trimmed = text.strip(" \n")
    end = units(trimmed)
    moved = []
    for entity in entities:
        start = max(entity["offset"] - left, 0)
        stop = min(entity["offset"] - left + entity["length"], end)
        if stop > start:
            moved.append({**entity, "offset": start, "length": stop - start})
    return trimmed, moved


def detect(text: str, entities: list[Entity]) -> list[Entity]:
    """Add what Telegram finds by itself: commands and links."""
    opaque = [
        range(entity["offset"], entity["offset"] + entity["length"])
        for entity in entities
        if entity["type"] in OPAQUE
    ]
    fresh = []
    for match in FOUND.finditer(text):
        offset, length = units(text[: match.start()]), units(match[0])
        if not any(place.start < offset + length and offset < place.stop for place in opaque):
            fresh.append({"type": match.lastgroup, "offset": offset, "length": length})
    return in_order([*entities, *fresh])


def formatted(
    text: str, parse_mode: str | None, entities: list[Entity] | None, limit: int, what: str
) -> tuple[str, list[Entity]]:
    """Return the text and entities as they will be stored and shown.

    A parse mode wins over entities, as there.
    """
    if SURROGATES.search(text):
        raise bad_request("strings must be encoded in UTF-8")
    if text and parse_mode and parse_mode.lower() != "none":
        if parse_mode.lower() != "html":
            raise bad_request("unsupported parse_mode")
        text, entities = parse_html(text)
    else:
        entities = check_entities(text, entities or [])
    text, entities = trim(*clean(text, entities))
    if units(text) > limit:
        raise bad_request(f"message {what} is too long" if what else "message is too long")
    return text, detect(text, entities)
