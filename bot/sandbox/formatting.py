"""Text as Telegram takes it: HTML to entities, lengths in UTF-16 units, limits."""

import html
import re
from dataclasses import dataclass, field
from typing import Any, Final

from bot.sandbox.refusal import Refusal, bad_request

TEXT_LIMIT: Final = 4096
CAPTION_LIMIT: Final = 1024
TAGS: Final = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
    "tg-spoiler": "spoiler",
}
TOKEN: Final = re.compile(r"<(/?)([a-zA-Z-]+)([^<>]*)>|(&[a-zA-Z]+;|&#\d+;|&#x[0-9a-fA-F]+;)|([<])")
HREF: Final = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)')""")
FOUND: Final = re.compile(r"(?P<bot_command>(?<!\S)/[a-zA-Z0-9_]{1,32})|(?P<url>https?://\S+)")

Entity = dict[str, Any]


def units(text: str) -> int:
    """Count UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(slots=True)
class _Reader:
    text: str = ""
    entities: list[Entity] = field(default_factory=list)
    opened: list[tuple[str, int, Entity]] = field(default_factory=list)


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """Read HTML style (Bot API, "HTML style"); refuse what Telegram refuses."""
    reader = _Reader()
    at = 0
    for token in TOKEN.finditer(source):
        reader.text += source[at : token.start()]
        at = token.end()
        closing, tag, rest, escape, lone = token.groups()
        if escape:
            reader.text += html.unescape(escape)
        elif lone:
            offset = len(source[: token.start()].encode())
            raise _unparsable(f'Unsupported start tag "" at byte offset {offset}')
        else:
            _tag(reader, closing, tag.lower(), rest, len(source[: token.start()].encode()))
    reader.text += source[at:]
    if reader.opened:
        tag = reader.opened[-1][0]
        raise _unparsable(f'Can\'t find end tag corresponding to start tag "{tag}"')
    return reader.text, sorted(reader.entities, key=lambda e: (e["offset"], -e["length"]))


def _tag(reader: _Reader, closing: str, tag: str, rest: str, offset: int) -> None:
    if tag not in TAGS:
        raise _unparsable(f'Unsupported start tag "{tag}" at byte offset {offset}')
    if not closing:
        entity: Entity = {"type": TAGS[tag]}
        if tag == "a":
            found = HREF.search(rest)
            entity["url"] = html.unescape(found[1] or found[2] or "") if found else ""
        if tag == "blockquote" and "expandable" in rest:
            entity["type"] = "expandable_blockquote"
        reader.opened.append((tag, units(reader.text), entity))
        return
    if not reader.opened or reader.opened[-1][0] != tag:
        raise _unparsable(f"Unexpected end tag at byte offset {offset}")
    _, start, entity = reader.opened.pop()
    length = units(reader.text) - start
    if length and entity.get("url", "x"):
        reader.entities.append({**entity, "offset": start, "length": length})


def _unparsable(why: str) -> Refusal:
    return bad_request(f"can't parse entities: {why}")


def check_entities(text: str, entities: list[Entity]) -> list[Entity]:
    """Accept entities that a bot names itself, as the Bot API does."""
    end = units(text)
    kept = []
    for entity in entities:
        offset, length = entity.get("offset"), entity.get("length")
        if not isinstance(offset, int) or not isinstance(length, int) or "type" not in entity:
            raise bad_request("can't parse entities: entity is not in form")
        if offset < 0 or length < 0 or offset + length > end:
            raise bad_request(f"can't parse entities: entity beyond the end of text at {offset}")
        if entity["type"] == "text_link" and not entity.get("url"):
            raise bad_request("can't parse entities: text_link without url")
        if length:
            kept.append(dict(entity))
    return sorted(kept, key=lambda e: (e["offset"], -e["length"]))


def trim(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Cut white space at both ends and move the entities along, as Telegram does."""
    left = units(text) - units(text.lstrip())
    trimmed = text.strip()
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
    found = [
        {"type": match.lastgroup, "offset": units(text[: match.start()]), "length": units(match[0])}
        for match in FOUND.finditer(text)
    ]
    taken = {entity["offset"] for entity in entities}
    fresh = [entity for entity in found if entity["offset"] not in taken]
    return sorted([*entities, *fresh], key=lambda e: (e["offset"], -e["length"]))


def formatted(
    text: str, parse_mode: str | None, entities: list[Entity] | None, limit: int, what: str
) -> tuple[str, list[Entity]]:
    """Return the text and entities as they will be stored and shown."""
    if parse_mode and not entities:
        if parse_mode.lower() != "html":
            raise bad_request("unsupported parse_mode")
        text, entities = parse_html(text)
    text, entities = trim(text, check_entities(text, entities or []))
    if units(text) > limit:
        raise bad_request(f"message {what} is too long" if what else "message is too long")
    return text, detect(text, entities)
