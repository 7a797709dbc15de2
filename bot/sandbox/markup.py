"""HTML style as Telegram reads it: one pass, four named escapes, its own words of refusal.

The rules are those of the open Bot API server (tdlib/td, MessageEntity.cpp). Left out: custom
emoji, and that Telegram writes links anew (`https://tea.example` gets a slash).
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from bot.sandbox.refusal import Refusal, bad_request

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
    "span": "spoiler",
}
ESCAPES: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
ESCAPE: Final = re.compile(r"&(?:#x([0-9a-fA-F]*)|#([0-9]*)|([a-zA-Z]*));?")
ESCAPE_LENGTH: Final = 10
LAST_CODE_POINT: Final = 0x10FFFF
PLAIN: Final = re.compile(r"[^<&]+")
NAME_TOKEN: Final = re.compile(r"[a-zA-Z0-9.-]*")
SPACES: Final = " \t\r\n\v\0"
SURROGATES: Final = re.compile("[\ud800-\udfff]")

Entity = dict[str, Any]


def units(text: str) -> int:
    """Count UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def in_order(entities: list[Entity]) -> list[Entity]:
    return sorted(entities, key=lambda e: (e["offset"], -e["length"]))


def link_fault(url: str) -> str | None:
    """Say what Telegram holds against a link; None where it takes it."""
    scheme, found, rest = url.partition("://")
    if not found:
        scheme, rest = "http", url
    if scheme.lower() in {"tg", "ton", "tonsite"}:
        return None
    if scheme.lower() not in {"http", "https"}:
        return "Unsupported URL protocol"
    place = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    host, _, port = place.partition(":") if not place.startswith("[") else (place, "", "")
    if not host:
        return "URL host is empty"
    if port and not port.isdecimal():
        return "Wrong port number specified in the URL"
    if ("." not in host and not host.startswith("[")) or re.search(r"\s", host):
        return "Wrong HTTP URL"
    return None


@dataclass(slots=True)
class _Opened:
    tag: str
    argument: str
    offset: int
    piece: int
    """How many pieces of text stood before it."""


@dataclass(slots=True)
class _Html:
    """One pass over the source, which ends with a NUL, as Telegram's reader sees it."""

    source: str
    at: int = 0
    pieces: list[str] = field(default_factory=list)
    offset: int = 0
    entities: list[Entity] = field(default_factory=list)
    opened: list[_Opened] = field(default_factory=list)

    def read(self) -> tuple[str, list[Entity]]:
        end = len(self.source) - 1
        while self.at < end:
            plain = PLAIN.match(self.source, self.at, end)
            if plain:
                self.at = plain.end()
                self._add(plain[0])
            elif self.source[self.at] == "&":
                self._add(self._escape())
            elif self.source[self.at + 1] == "/":
                self._close()
            else:
                self._open()
        if self.opened:
            tag = self.opened[-1].tag
            raise _unparsable(f'Can\'t find end tag corresponding to start tag "{tag}"')
        text = "".join(self.pieces)
        if SURROGATES.search(text):
            raise _unparsable(
                "Text contains invalid Unicode characters after decoding HTML entities, check "
                "for unmatched surrogate code units"
            )
        return text, in_order(self.entities)

    def _add(self, text: str) -> None:
        self.pieces.append(text)
        self.offset += units(text)

    def _escape(self) -> str:
        """Read what begins with &; what is no escape stands for itself."""
        found = ESCAPE.match(self.source, self.at)
        value = _unescaped(found) if found else None
        if found is None or value is None:
            self.at += 1
            return "&"
        self.at = found.end()
        return value

    def _until(self, stops: str) -> str:
        start = self.at
        while self.source[self.at] not in stops:
            self.at += 1
        return self.source[start : self.at]

    def _skip_spaces(self) -> None:
        while self._here in SPACES and not self._is_over:
            self.at += 1

    @property
    def _here(self) -> str:
        return self.source[self.at]

    @property
    def _is_over(self) -> bool:
        return self.at >= len(self.source) - 1

    def _bytes_before(self, at: int) -> int:
        return len(self.source[:at].encode())

    def _open(self) -> None:
        begin = self.at
        self.at += 1
        tag = self._until(SPACES + ">").lower()
        where = f"at byte offset {self._bytes_before(begin)}"
        if self._is_over:
            raise _unparsable(f"Unclosed start tag {where}")
        if tag not in TAGS:
            raise _unparsable(f'Unsupported start tag "{tag}" {where}')
        argument = ""
        while self._here != ">":
            self._skip_spaces()
            if self._here == ">":
                break
            name, value = self._attribute(tag, where)
            argument = _argument(tag, name, value) or argument
        self.at += 1
        if tag == "span" and argument != "spoiler":
            raise _unparsable(f'Tag "span" must have class "tg-spoiler" {where}')
        self.opened.append(_Opened(tag, argument, self.offset, len(self.pieces)))

    def _attribute(self, tag: str, where: str) -> tuple[str, str]:
        name = self._until(SPACES + "=>")
        if not name:
            raise _unparsable(f'Empty attribute name in the tag "{tag}" {where}')
        self._skip_spaces()
        if (tag, name) == ("blockquote", "expandable") and self._here != "=":
            return name, "1"
        if self._here != "=":
            raise _unparsable(
                f'Expected equal sign in declaration of an attribute of the tag "{tag}" {where}'
            )
        self.at += 1
        self._skip_spaces()
        if self._is_over:
            raise _unparsable(f'Unclosed start tag "{tag}" {where}')
        value = self._quoted() if self._here in "\"'" else self._token()
        if self._is_over:
            raise _unparsable(f"Unclosed start tag {where}")
        return name, value

    def _token(self) -> str:
        begin = self.at
        found = NAME_TOKEN.match(self.source, begin)
        value = found[0] if found else ""
        self.at += len(value)
        if self._here not in SPACES + ">":
            offset = self._bytes_before(begin)
            raise _unparsable(f"Unexpected end of name token at byte offset {offset}")
        return value.lower()

    def _quoted(self) -> str:
        quote = self._here
        self.at += 1
        value = ""
        while self._here != quote and not self._is_over:
            if self._here == "&":
                value += self._escape()
            else:
                value += self._here
                self.at += 1
        if not self._is_over:
            self.at += 1
        return value

    def _close(self) -> None:
        where = f"at byte offset {self._bytes_before(self.at)}"
        if not self.opened:
            raise _unparsable(f"Unexpected end tag {where}")
        self.at += 2
        name = self._until(SPACES + ">").lower()
        self._skip_spaces()
        if self._here != ">":
            raise _unparsable(f"Unclosed end tag {where}")
        self.at += 1
        last = self.opened.pop()
        if name and name != last.tag:
            raise _unparsable(
                f'Unmatched end tag {where}, expected "</{last.tag}>", found "</{name}>"'
            )
        if self.offset > last.offset:
            self._mark(last)

    def _mark(self, last: _Opened) -> None:
        place = {"offset": last.offset, "length": self.offset - last.offset}
        entity: Entity = {"type": TAGS[last.tag], **place}
        before = self.entities[-1] if self.entities else {}
        if last.tag == "a":
            url = last.argument or "".join(self.pieces[last.piece :])
            if link_fault(url) is None:
                self.entities.append({**entity, "url": url})
        elif last.tag == "blockquote" and last.argument:
            self.entities.append({**entity, "type": "expandable_blockquote"})
        elif last.tag == "code" and last.argument:
            self.entities.append({**entity, "language": last.argument})
        elif last.tag == "pre" and before == {**before, **place, "type": "code"}:
            self.entities[-1] = {**before, "type": "pre"}
        else:
            self.entities.append(entity)


def _unescaped(found: re.Match[str]) -> str | None:
    hexadecimal, decimal, name = found.groups()
    if name is not None:
        return ESCAPES.get(name)
    if len(found[0].rstrip(";")) >= ESCAPE_LENGTH:
        return None
    code = int(hexadecimal or "0", 16) if hexadecimal is not None else int(decimal or "0")
    return chr(code) if 0 < code < LAST_CODE_POINT else None


def _argument(tag: str, name: str, value: str) -> str:
    """Return what an attribute says about its tag, "" where it says nothing."""
    if (tag, name) in {("a", "href"), ("blockquote", "expandable")}:
        return value
    if (tag, name) == ("code", "class") and value.startswith("language-"):
        return value.removeprefix("language-")
    if (tag, name) == ("span", "class") and value.startswith("tg-"):
        return value.removeprefix("tg-")
    return ""


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """Read HTML style (Bot API, "HTML style"); refuse what Telegram refuses."""
    text, entities = _Html(f"{source}\0").read()
    for entity in entities:
        if entity["type"] == "code":
            entity.pop("language", None)  # a language is told only of a whole block
    return text, entities


def _unparsable(why: str) -> Refusal:
    return bad_request(f"can't parse entities: {why}")
