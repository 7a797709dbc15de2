"""Deep links: `?start=` brings a source, or something of ours (contract, "Payloads")."""

import re
from typing import Final

OURS: Final = "s_"
SOURCE: Final = re.compile(r"/start(?:@\w+)?\s+([A-Za-z0-9_-]{1,64})\s*")


def source_of(text: str | None) -> str:
    """Return where a /start says that the person comes from; empty: it says nothing."""
    found = SOURCE.fullmatch(text or "")
    return found[1] if found and not found[1].startswith(OURS) else ""
