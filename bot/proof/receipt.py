"""A person's receipt in the form of ISO/IEC TS 27560, as JSON-LD with the terms of DPV.

Names of fields are those of the W3C DPV Community Group's guide for ISO/IEC TS 27560:2023
(`guides/consent-27560.html`). A receipt says nothing that the log entry, its payload and its
notice do not say: the same facts always give the same bytes, so whoever holds the proof file can
write the receipt again and compare.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any, Final

from bot.proof import kantara
from bot.proof.entry import Entry
from bot.proof.note import VerifierKey
from bot.proof.receipt_words import Words, words_of

GUIDE: Final = "https://w3id.org/dpv/schema/dpv-27560"
"""What receipt (`#receipt`) and record (`#record`) conform to."""
IRI: Final = {"@type": "@id"}
CONTEXT: Final[dict[str, Any]] = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "loc": "https://w3id.org/dpv/loc#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "dct:conformsTo": IRI,
    "dct:replaces": IRI,
    "dpv:hasJurisdiction": IRI,
    "dpv:hasLegalBasis": IRI,
    "dpv:isIndicatedBy": IRI,
    "schema:recipient": IRI,
    "skos:broader": IRI,
    "spdx:algorithm": IRI,
    # Facts for which there is no vocabulary are carried whole (JSON-LD 1.1 §4.2.2).
    "dct:hasFormat": {"@type": "@json"},
    "dct:provenance": {"@type": "@json"},
}
KINDS: Final = {
    "processing": "dpv:Purpose",
    "informational": "dpv:CommunicationManagement",
    "advertising": "dpv:DirectMarketing",
}
STATUSES: Final = {
    "granted": ("dpv:ConsentGiven", "dpv:ExpressedConsent"),
    "confirmed": ("dpv:ConsentGiven", "dpv:ExpressedConsent"),
    "refused": ("dpv:ConsentRefused",),
    "withdrawn": ("dpv:ConsentWithdrawn",),
    "expired": ("dpv:ConsentExpired",),
    "superseded": ("dpv:ConsentStatusInvalidForProcessing",),
    "imported": ("dpv:ConsentUnknown",),
}
"""An import never creates consent, so it is no consent that is given."""
GIVEN: Final = frozenset({"granted", "confirmed"})
CLOCK: Final = "clock"


def document(facts: Mapping[str, Any]) -> bytes:
    """Write a receipt as the file that a person gets: JSON that can be read, UTF-8."""
    return (json.dumps(facts, ensure_ascii=False, indent=2) + "\n").encode()


def receipt(
    payload: Mapping[str, Any],
    notice: Mapping[str, Any] | None,
    entry: Entry,
    index: int,
    key: VerifierKey,
) -> dict[str, Any]:
    """Compose the receipt of one consent event, in the locale of its text.

    `dct:created` is the time of the entry, not of handing out. What is not known is left out.
    """
    text = notice or {}
    words = words_of(payload.get("locale"))
    controller = _controller(payload, text)
    made = {
        "@context": CONTEXT,
        "@id": f"{_urn(entry.id)}#receipt",
        "@type": "dpv:ConsentReceipt",
        "dct:identifier": f"receipt-{entry.id}",
        "dct:conformsTo": f"{GUIDE}#receipt",
        "dct:created": entry.time,
        "dct:language": payload.get("locale"),
        "dct:title": words.title.format(title=text.get("title", payload.get("purpose"))),
        "dct:publisher": controller.get("schema:name"),
        "schema:recipient": "dpv:DataSubject",
        "dpv:hasRecordOfActivity": _record(payload, text, entry, controller, words),
        "dct:provenance": _proof(entry, index, key),
        "skos:scopeNote": {"dct:title": words.not_proven_title, "rdf:value": words.not_proven},
    }
    if payload.get("event") in GIVEN:
        made["dct:hasFormat"] = kantara.receipt(payload, text, entry, key, words)
    return _known(made)


def _record(
    payload: Mapping[str, Any],
    text: Mapping[str, Any],
    entry: Entry,
    controller: Mapping[str, Any],
    words: Words,
) -> dict[str, Any]:
    country = text.get("controller", {}).get("country")
    contact = text.get("controller", {}).get("contact", "")
    place = words.withdraw_at.format(contact=contact)
    previous = payload.get("previous")
    return _known(
        {
            "@id": _urn(entry.id),
            "@type": "dpv:ConsentRecord",
            "dct:identifier": entry.id,
            "dct:conformsTo": f"{GUIDE}#record",
            "dct:replaces": None if previous is None else _urn(previous),
            "dpv:hasDataSubject": _subject(payload),
            "dpv:hasDataController": controller,
            "dpv:hasJurisdiction": None if country is None else f"loc:{country}",
            "dpv:hasLegalBasis": "dpv:Consent",
            "dpv:hasProcess": _process(payload, text, words),
            "dpv:hasConsentControl": {
                "@type": ["dpv:ProvideConsent", "dpv:WithdrawConsent"],
                "dpv:isExercisedAt": place,
            },
            "dpv:hasRight": {
                "@type": ["dpv:DataSubjectRight"],
                "dct:title": words.withdraw_title,
                "dpv:isExercisedAt": place,
            },
            "dpv:hasNotice": _notice(payload, text, entry),
            "dpv:hasConsentStatus": [_status(payload, entry, words)],
        }
    )


def _subject(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Our random id, and the account in the channel where the consent holds."""
    subject = payload.get("subject")
    return _known(
        {
            "@id": None if subject is None else _urn(subject),
            "skos:broader": "dpv:DataSubject",
            "dct:identifier": subject,
            "schema:identifier": _known(
                {
                    "@type": "schema:PropertyValue",
                    "schema:propertyID": payload.get("channel"),
                    "schema:value": payload.get("account"),
                }
            ),
        }
    )


def _controller(payload: Mapping[str, Any], text: Mapping[str, Any]) -> dict[str, Any]:
    named = {**payload.get("controller", {}), **text.get("controller", {})}
    return _known(
        {
            "@type": "dpv:DataController",
            "schema:name": named.get("name"),
            "schema:address": named.get("address"),
            "schema:identifier": named.get("registration"),
            "schema:contactPoint": named.get("contact"),
        }
    )


def _process(payload: Mapping[str, Any], text: Mapping[str, Any], words: Words) -> dict[str, Any]:
    return {
        "@type": "dpv:Process",
        "dpv:hasPurpose": _known(
            {
                "skos:broader": KINDS.get(str(payload.get("kind")), "dpv:Purpose"),
                "dct:identifier": payload.get("purpose"),
                "dct:title": text.get("title"),
                "dct:description": text.get("summary"),
            }
        ),
        "dpv:hasPersonalData": [
            {"skos:broader": "dpv:PersonalData", "dct:title": word} for word in text.get("data", ())
        ],
        "dpv:hasRecipient": [
            {"@type": "dpv:Recipient", "schema:name": word} for word in text.get("recipients", ())
        ],
        "dpv:hasStorageCondition": [
            {"@type": "dpv:StorageDuration", "dpv:hasDuration": _duration(payload, text, words)}
        ],
    }


def _duration(
    payload: Mapping[str, Any], text: Mapping[str, Any], words: Words
) -> str | dict[str, Any]:
    expires = payload.get("expires")
    if expires is not None:
        return {"@type": "dpv:UntilTimeDuration", "rdf:value": expires}
    valid_for = text.get("valid_for")
    if valid_for is not None:
        return str(valid_for)
    return {"@type": "dpv:UntilEventDuration", "rdf:value": words.until_withdrawn}


def _notice(payload: Mapping[str, Any], text: Mapping[str, Any], entry: Entry) -> dict[str, Any]:
    published, valid_for = payload.get("notice_entry"), text.get("valid_for")
    is_span = valid_for is not None and payload.get("event") in GIVEN
    return _known(
        {
            "@id": None if published is None else _urn(published),
            "@type": "dpv:ConsentNotice",
            "dct:identifier": published,
            "dct:hasVersion": payload.get("notice_version"),
            "dct:language": payload.get("locale"),
            "dct:coverage": f"{entry.time}/{valid_for}" if is_span else None,
            "spdx:checksum": {
                "spdx:algorithm": "spdx:checksumAlgorithm_sha256",
                "spdx:checksumValue": payload.get("notice_sha256"),
            },
        }
    )


def _status(payload: Mapping[str, Any], entry: Entry, words: Words) -> dict[str, Any]:
    method = str(payload.get("method"))
    return {
        "@type": list(STATUSES.get(str(payload.get("event")), ("dpv:ConsentUnknown",))),
        "dpv:isIndicatedBy": "dpv:DataController" if method == CLOCK else "dpv:DataSubject",
        "dpv:hasIndicationMethod": words.methods.get(method, words.other_method),
        "dpv:isIndicatedAtTime": entry.time,
    }


def _proof(entry: Entry, index: int, key: VerifierKey) -> dict[str, Any]:
    """Say where in which log the entry stands, and how that is checked."""
    file = f"proof-{entry.id[:8]}.tlog-proof"
    return {
        "log": key.name,
        "key": str(key),
        "index": index,
        "entry_id": entry.id,
        "type": entry.type,
        "commit": entry.commitment,
        "leaf_sha256": entry.leaf.hex(),
        "file": file,
        "check": f"python -m bot verify {file}",
    }


def _urn(hexadecimal: str) -> str:
    """Write one of our 128-bit ids as an IRI that is nobody's address (RFC 9562)."""
    try:
        return uuid.UUID(hexadecimal).urn
    except ValueError:
        return f"urn:uuid:{hexadecimal}"


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what there is nothing to say about."""
    return {name: value for name, value in facts.items() if value not in (None, {})}
