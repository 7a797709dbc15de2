"""The page that a person opens: one proof and its receipt, embedded."""

import base64
from typing import Final

NOTE: Final = "To check this proof: python -m bot verify FILE"


def page(proof: bytes | None = None, receipt: bytes | None = None) -> bytes:
    """Return one HTML file with the proof and the receipt in it, as base64."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Proof</title></head>'
        f"<body><p>{NOTE}</p>"
        f"{_embedded('embedded-proof', proof)}{_embedded('embedded-receipt', receipt)}"
        "</body></html>\n"
    ).encode()


def _embedded(name: str, data: bytes | None) -> str:
    content = base64.b64encode(data or b"").decode()
    return f'<script type="application/octet-stream" id="{name}">{content}</script>'
