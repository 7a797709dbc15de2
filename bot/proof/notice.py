"""What is hashed of a notice and of what was shown, so that a stranger can compute it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from bot.proof import canonical
from bot.proof.errors import Contradiction, UnusableFile

NOTICE_KEYS: Final = frozenset(
    {
        "controller",
        "purpose",
        "kind",
        "version",
        "locale",
        "title",
        "summary",
        "text",
        "data",
        "recipients",
        "valid_for",
    }
)
MAX_KNOWN: Final = 1_000
SHOWN_KEYS: Final = frozenset({"text", "entities", "buttons"})
NAMED: Final = {
    "purpose": "purpose",
    "kind": "kind",
    "notice_version": "version",
    "locale": "locale",
}
"""What a payload repeats of its notice, by the key in the payload."""
NAMES: Final = ("notice_sha256", *NAMED)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A text as a file holds it, and the hash that identifies it."""

    facts: Mapping[str, Any]
    sha256: str

    @cached_property
    def named(self) -> tuple[Any, ...]:
        """What a payload must say under NAMES."""
        return (self.sha256, *(self.facts[key] for key in NAMED.values()))


def read(facts: Any) -> Notice:
    """Take a notice out of a file. Raises UnusableFile for what has not its form."""
    if not isinstance(facts, dict):
        raise UnusableFile("a notice that is not in form")
    return Notice(facts=facts, sha256=canonical.sha256_hex(notice_canonical(facts)))


def check_named(index: int, payload: Mapping[str, Any], text: Notice) -> None:
    """Raise Contradiction unless this is the text that a payload names."""
    # Not == alone, to which 1 and true are the same.
    is_typed = type(payload.get("notice_version")) is type(text.facts["version"])
    if is_typed and tuple(map(payload.get, NAMES)) == text.named:
        return
    if text.sha256 != payload.get("notice_sha256"):
        raise Contradiction(
            f"entry {index}: the text has hash {text.sha256}, "
            f"agreed to was {payload.get('notice_sha256')}"
        )
    for name, key in NAMED.items():
        said, is_of = payload.get(name), text.facts[key]
        if type(said) is not type(is_of) or said != is_of:
            raise Contradiction(
                f"entry {index}: its {name} is {payload.get(name)!r}, "
                f"that of the text is {text.facts[key]!r}"
            )


def notice_canonical(facts: Mapping[str, Any]) -> bytes:
    """Return the bytes whose SHA-256 identifies a notice."""
    if facts.keys() != NOTICE_KEYS:
        raise UnusableFile("a notice with other facts than it must have")
    return canonical.canonical_bytes(dict(facts))


def shown_sha256(shown: Any) -> str:
    """Hash what was before a person's eyes: text, entities, labels of the buttons."""
    if not isinstance(shown, dict) or shown.keys() != SHOWN_KEYS:
        raise UnusableFile("what was shown has other parts than it must have")
    return canonical.sha256_hex(canonical.canonical_bytes(shown))


class ShownHashes:
    """Hashes of what was shown. Most people see the same, so that it is hashed once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def sha256(self, shown: Any) -> str:
        """Like `shown_sha256`, of facts that were read from JSON."""
        # Not ==, to which 1 and true are the same.
        form = repr(shown)
        found = self._known.get(form)
        if found is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            found = self._known[form] = shown_sha256(shown)
        return found
