"""The words in a bundle or a proof: what it proves, and what it does not."""

from collections import Counter
from html import escape
from typing import Final

ONE_PROVEN: Final = (
    "This entry is in the log of which the checkpoint was signed, at this place.",
    "The payload is exactly what the entry committed to when it was written.",
    "The text that it names, and what was shown where something was, are so to the letter.",
)
"""What a single proof shows; of the rest of the log it shows nothing."""
PROVEN: Final = (
    (
        "Every entry of the log up to the checkpoint is here, in its order; none was added, "
        "changed or removed after the checkpoint was signed."
    ),
    "Each opened payload is exactly what its entry committed to when it was written.",
    "The text that a person agreed to is the one that is named, to the letter.",
)
_NEVER_PROVEN: Final = (
    "Who sat behind the account.",
    "That the person understood the text.",
    "That the operator's clock was right (nothing here is stamped by a time authority).",
    "That the signing key is the operator's: compare its fingerprint by another way.",
)
ONE_NOT_PROVEN: Final = (
    *_NEVER_PROVEN,
    "What came before and after: a later withdrawal is an entry of its own.",
)
NOT_PROVEN: Final = (
    *_NEVER_PROVEN,
    (
        "Whose the closed entries are: those of erased people and those that were not selected "
        "look alike."
    ),
)
README: Final = (
    "This bundle is the consent log of the operator named in checkpoint.note.\n\n"
    "To check it:   python -m bot verify FILE\n"
    "To look at it: summary.html, consents.csv (names of columns in its first line)\n\n"
    "What it proves\n"
    + "".join(f"- {line}\n" for line in PROVEN)
    + "\nWhat it does not prove\n"
    + "".join(f"- {line}\n" for line in NOT_PROVEN)
    + "\nFiles\n"
    "- entries.jsonl: the hashed entries, one a line, from 0 on (RFC 8785)\n"
    "- payloads.jsonl: salt and payload of the opened ones; commit = HMAC-SHA256(salt,\n"
    '  "assent/commit/v1" NUL payload in RFC 8785)\n'
    "- notices.jsonl: every published text with the entry that published it\n"
    "- checkpoint.note: size and root of the tree (RFC 6962), signed (C2SP tlog-checkpoint)\n"
    "- public-key.txt: the key, as name+hash+key (C2SP signed-note)\n"
    "- manifest.json, manifest.note: size and SHA-256 of every other file, signed\n"
    "- consents.csv, consents.jsonl: the opened events as tables; each line is checked against\n"
    "  its entry, and that none is missing\n"
    "- summary.html: for reading; it is signed, but proves nothing\n"
)
STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;"
    "color:#1c1e21;background:#fff}table{border-collapse:collapse;width:100%}"
    "td,th{padding:.35rem .6rem;border-bottom:1px solid #ddd;text-align:left}"
    "td.n{text-align:right}rect{fill:#3390ec}"
    "@media(prefers-color-scheme:dark){body{background:#17212b;color:#f5f5f5}"
    "td,th{border-color:#2b3a48}}"
)
BAR_WIDTH: Final = 220


def summary_page(origin: str, created: str, counts: Counter[tuple[str, str]]) -> str:
    """Compose a page that opens offline: counts with a bar each, what is proven and what not."""
    largest = max(counts.values(), default=1)
    rows = "".join(
        f"<tr><td>{escape(purpose or '(whole person)')}</td><td>{escape(event)}</td>"
        f'<td class="n">{count}</td><td>{_bar(count, largest)}</td></tr>'
        for (purpose, event), count in sorted(counts.items())
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Consent log: {escape(origin)}</title><style>{STYLE}</style></head><body>"
        f"<h1>Consent log</h1><p><b>{escape(origin)}</b>, {escape(created)}</p>"
        "<table><thead><tr><th>Purpose</th><th>Event</th><th>Count</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        f"<h2>What it proves</h2><ul>{_items(PROVEN)}</ul>"
        f"<h2>What it does not prove</h2><ul>{_items(NOT_PROVEN)}</ul>"
        "</body></html>\n"
    )


def _bar(count: int, largest: int) -> str:
    width = max(2, round(BAR_WIDTH * count / largest))
    return (
        f'<svg width="{BAR_WIDTH}" height="14" role="img" aria-label="{count}">'
        f'<rect width="{width}" height="14" rx="3"/></svg>'
    )


def _items(lines: tuple[str, ...]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)
