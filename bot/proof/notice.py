"""What is hashed of a notice and of what was shown, so that a stranger can compute it again."""

from collections.abc import Mapping
from typing import Any, Final

from bot.proof import canonical
from bot.proof.errors import UnusableFile

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
SHOWN_KEYS: Final = frozenset({"text", "entities", "buttons"})


def notice_canonical(facts: Mapping[str, Any]) -> bytes:
    """Return the bytes whose SHA-256 identifies a notice."""
    if facts.keys() != NOTICE_KEYS:
        raise UnusableFile("a notice with other facts than it must have")
    return canonical.canonical_bytes(dict(facts))


def shown_sha256(shown: Mapping[str, Any]) -> str:
    """Hash what was before a person's eyes: text, entities, labels of the buttons."""
    if shown.keys() != SHOWN_KEYS:
        raise UnusableFile("what was shown has other parts than it must have")
    return canonical.sha256_hex(canonical.canonical_bytes(dict(shown)))
