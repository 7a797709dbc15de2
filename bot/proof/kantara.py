"""The same receipt in the older form of the Kantara Consent Receipt Specification 1.1.

That form knows consent only: a refusal or a withdrawal has no receipt of this kind. What it
requires and the log does not say is an empty text.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bot.proof.entry import Entry
from bot.proof.note import VerifierKey
from bot.proof.receipt_words import Words

VERSION: Final = "KI-CR-v1.1.0"
CATEGORIES: Final = {
    "processing": "1 - Core Function",
    "informational": "2 - Contracted Service",
    "advertising": "6 - Marketing",
}
"""Of the specification's list of purpose categories, by the kind of a purpose."""
EXPLICIT: Final = "EXPLICIT"
PHONE: Final = frozenset("+0123456789 ()-")


def receipt(
    payload: Mapping[str, Any],
    text: Mapping[str, Any],
    entry: Entry,
    key: VerifierKey,
    words: Words,
) -> dict[str, Any]:
    """Compose the receipt of a consent that was given. The principal is our random id."""
    controller = text.get("controller", {})
    return {
        "version": VERSION,
        "jurisdiction": controller.get("country", ""),
        "consentTimestamp": int(datetime.fromisoformat(entry.time).timestamp()),
        "collectionMethod": words.methods.get(str(payload.get("method")), words.other_method),
        "consentReceiptID": entry.id,
        "publicKey": str(key),
        "language": str(payload.get("locale", "")),
        "piiPrincipalId": str(payload.get("subject", "")),
        "piiControllers": [_controller(controller)],
        "policyUrl": "",
        "services": [
            {"service": controller.get("name", ""), "purposes": [_purpose(payload, text, words)]}
        ],
        # The purposes file does not mark special categories of data.
        "sensitive": False,
        "spiCat": [],
    }


def _controller(controller: Mapping[str, Any]) -> dict[str, Any]:
    contact = controller.get("contact", "")
    return {
        "piiController": controller.get("name", ""),
        "contact": contact,
        "address": {
            "streetAddress": controller.get("address", ""),
            "addressCountry": controller.get("country", ""),
        },
        "email": contact if "@" in contact else "",
        "phone": contact if contact and PHONE.issuperset(contact) else "",
    }


def _purpose(payload: Mapping[str, Any], text: Mapping[str, Any], words: Words) -> dict[str, Any]:
    recipients = list(text.get("recipients", ()))
    category = CATEGORIES.get(str(payload.get("kind")))
    passed_on = {"thirdPartyName": ", ".join(recipients)} if recipients else {}
    return {
        "purpose": text.get("title", str(payload.get("purpose", ""))),
        "purposeCategory": [] if category is None else [category],
        "consentType": EXPLICIT,
        "piiCategory": list(text.get("data", ())),
        "termination": payload.get("expires") or text.get("valid_for") or words.until_withdrawn,
        "thirdPartyDisclosure": bool(recipients),
        **passed_on,
    }
