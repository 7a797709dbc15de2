"""What changed between two versions of a text, short enough to be read in a chat."""

import difflib
from dataclasses import dataclass
from typing import Final

LIMIT: Final = 1200
"""Characters of each side; beyond it the text is cut with an ellipsis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The paragraphs that are gone, and those that are new."""

    removed: str
    added: str


def difference(old: str, new: str) -> Difference:
    """Compare paragraph by paragraph."""
    before, after = _paragraphs(old), _paragraphs(new)
    removed: list[str] = []
    added: list[str] = []
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    for tag, from_old, to_old, from_new, to_new in matcher.get_opcodes():
        if tag != "equal":
            removed += before[from_old:to_old]
            added += after[from_new:to_new]
    return Difference(removed=_cut(removed), added=_cut(added))


def _paragraphs(text: str) -> list[str]:
    return [paragraph.strip() for paragraph in text.split("\n") if paragraph.strip()]


def _cut(paragraphs: list[str]) -> str:
    text = "\n".join(paragraphs)
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"
