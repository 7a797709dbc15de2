"""What may stand together in an album (Bot API, sendMediaGroup)."""

from typing import Any, Final

from bot.sandbox.refusal import bad_request

FEWEST: Final = 2
MOST: Final = 10
KINDS: Final = frozenset({"document", "photo"})
"""What this simulator knows of the kinds that Telegram takes."""


def checked_album(media: list[Any]) -> list[dict[str, Any]]:
    """Return the items of an album, or refuse as Telegram does.

    Stricter in one thing: Telegram lets an album of one pass, which its reference forbids.
    """
    if len(media) < FEWEST:
        raise bad_request("there are no messages to send")
    if len(media) > MOST:
        raise bad_request("too many messages to send as an album")
    for item in media:
        _check(item)
    if len({item["type"] for item in media}) > 1:
        raise bad_request("document can't be mixed with other media types")
    return media


def _check(item: Any) -> None:
    if not isinstance(item, dict):
        raise bad_request("can't parse InputMedia: expected an Object")
    if item.get("type") not in KINDS:
        raise bad_request(f"can't parse InputMedia: type {item.get('type')!r} is not known here")
    if not isinstance(item.get("media"), str | tuple):
        raise bad_request("can't parse InputMedia: media not found")
    if not isinstance(item.get("caption", ""), str):
        raise bad_request("can't parse InputMedia: caption must be of type String")
