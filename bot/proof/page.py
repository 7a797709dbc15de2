"""The verifier page: one HTML file that checks proofs and bundles in a browser, offline."""

import base64
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("verifier.html")
PLACE: Final = '<script type="application/octet-stream" id="embedded-{name}">'


def page(proof: bytes | None = None, receipt: bytes | None = None) -> bytes:
    """Return the page with a person's proof and receipt in it; without them, empty, for bundles.

    In base64, so that no byte of a proof can be taken for HTML.
    """
    html = SOURCE.read_bytes()
    for name, data in (("proof", proof), ("receipt", receipt)):
        if data is not None:
            place = PLACE.format(name=name).encode()
            html = html.replace(place, place + base64.b64encode(data), 1)
    return html
