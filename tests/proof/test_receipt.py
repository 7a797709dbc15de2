"""The receipt has the fields of the W3C guide, says what the log says, and nothing else."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from small_log import ANNA, ANNA_LEFT, BORIS, KEY, LOG, Line, notice_facts

from bot.proof import receipt
from bot.proof.receipt_words import ENGLISH, RUSSIAN

VECTORS = Path(__file__).parents[1] / "data" / "vectors" / "iso27560-dpv"
RECORD = "dpv:hasRecordOfActivity"
UNSAID = {"dpv:hasDataProcessor", "dpv:hasApplicableLaw", "dpv:hasLocation", "dct:date"}
"""Fields of the guide's example about which a log entry and its notice say nothing."""
CONTROLLER = {
    "name": "ООО «Чайная лавка»",
    "address": "Москва",
    "country": "RU",
    "registration": "7707083893",
    "contact": "privacy@tea.example",
}
TEXT = notice_facts(
    controller=CONTROLLER, locale="ru", title="Новости чая", recipients=["Почта"], valid_for="P1Y"
)


def receipt_of(each: Line, notice: Mapping[str, Any] | None = None, **facts: Any) -> dict[str, Any]:
    payload = {**each.payload, **facts}
    return receipt.receipt(payload, notice or notice_facts(), each.entry, LOG.index(each), KEY)


def fields_missing(vector: Any, ours: Any, where: str = "") -> list[str]:
    """Name the fields of an example that ours has not, level by level."""
    if isinstance(vector, list):
        vector, ours = vector[0], ours[0] if isinstance(ours, list) else ours
    if not isinstance(vector, dict) or not isinstance(ours, dict):
        return []
    missing = [f"{where}{name}" for name in vector if name not in ours and name not in UNSAID]
    for name in vector.keys() & ours.keys():
        missing += fields_missing(vector[name], ours[name], f"{where}{name}/")
    return missing


@pytest.mark.parametrize(
    ("name", "elsewhere"),
    [
        ("consent-receipt.json", []),
        # Ours has its purpose inside dpv:hasProcess, as the whole example has.
        ("consent-receipt-minimal.json", [f"{RECORD}/dpv:hasPurpose"]),
    ],
)
def test_it_has_every_field_of_the_guide_that_a_log_can_fill(
    name: str, elsewhere: list[str]
) -> None:
    vector = json.loads((VECTORS / name).read_text())
    ours = receipt_of(ANNA, TEXT, locale="ru")
    assert fields_missing(vector, ours) == elsewhere
    assert ours["@type"] == vector["@type"]
    assert ours["schema:recipient"] == vector["schema:recipient"]


def test_it_names_the_same_schema_as_the_guide() -> None:
    vector = json.loads((VECTORS / "consent-receipt.json").read_text())
    ours = receipt_of(ANNA)
    assert ours["dct:conformsTo"] == vector["dct:conformsTo"]
    for name in ("@type", "dct:conformsTo"):
        assert ours[RECORD][name] == vector[RECORD][name]
    assert (
        ours[RECORD]["dpv:hasConsentControl"]["@type"]
        == (vector[RECORD]["dpv:hasConsentControl"]["@type"])
    )


def test_every_prefix_that_it_uses_is_in_its_context() -> None:
    ours = receipt_of(ANNA, TEXT, locale="ru", expires="2027-11-24T12:00:00.000Z")
    prefixes = {
        term.split(":")[0]
        for term in terms(ours)
        if ":" in term and not term.startswith(("urn:", "http"))
    }
    assert prefixes <= ours["@context"].keys()
    assert "dpv" in prefixes


def terms(facts: Any) -> list[str]:
    """Every key, every type, every @id; facts that are carried whole are left out."""
    if isinstance(facts, list):
        return [term for each in facts for term in terms(each)]
    if not isinstance(facts, dict):
        return []
    found = []
    for name, value in facts.items():
        if name in {"@context", "dct:provenance", "dct:hasFormat"}:
            continue
        found.append(name)
        if name in {"@type", "skos:broader", "dpv:hasLegalBasis", "dpv:isIndicatedBy"}:
            found += value if isinstance(value, list) else [value]
        found += terms(value)
    return found


def test_it_says_who_what_when_and_where_it_is_proven() -> None:
    ours = receipt_of(ANNA, TEXT, locale="ru", account="700100200", valid="")
    record = ours[RECORD]
    assert record["dpv:hasDataSubject"]["dct:identifier"] == "anna"
    assert record["dpv:hasDataSubject"]["schema:identifier"]["schema:value"] == "700100200"
    assert record["dpv:hasDataController"]["schema:name"] == CONTROLLER["name"]
    assert record["dpv:hasDataController"]["schema:identifier"] == "7707083893"
    assert record["dpv:hasJurisdiction"] == "loc:RU"
    assert record["dpv:hasLegalBasis"] == "dpv:Consent"
    process = record["dpv:hasProcess"]
    assert process["dpv:hasPurpose"]["dct:identifier"] == "news"
    assert process["dpv:hasPurpose"]["skos:broader"] == "dpv:DirectMarketing"
    assert [one["dct:title"] for one in process["dpv:hasPersonalData"]] == ["telegram-account"]
    assert [one["schema:name"] for one in process["dpv:hasRecipient"]] == ["Почта"]
    notice = record["dpv:hasNotice"]
    assert notice["dct:identifier"] == ANNA.payload["notice_entry"]
    assert notice["spdx:checksum"]["spdx:checksumValue"] == ANNA.payload["notice_sha256"]
    assert notice["dct:coverage"] == f"{ANNA.entry.time}/P1Y"
    (status,) = record["dpv:hasConsentStatus"]
    assert status["dpv:isIndicatedAtTime"] == ANNA.entry.time
    assert ours["dct:provenance"] == {
        "log": KEY.name,
        "key": str(KEY),
        "index": 1,
        "entry_id": ANNA.entry.id,
        "type": "consent.granted",
        "commit": ANNA.entry.commitment,
        "leaf_sha256": ANNA.entry.leaf.hex(),
        "file": "proof-00000000.tlog-proof",
        "check": "python -m bot verify proof-00000000.tlog-proof",
    }


@pytest.mark.parametrize(
    ("each", "status"),
    [
        (ANNA, "dpv:ConsentGiven"),
        (BORIS, "dpv:ConsentRefused"),
        (ANNA_LEFT, "dpv:ConsentWithdrawn"),
    ],
)
def test_each_answer_is_named_as_what_it_is(each: Line, status: str) -> None:
    (found,) = receipt_of(each)[RECORD]["dpv:hasConsentStatus"]
    assert status in found["@type"]


def test_an_import_is_never_a_consent_that_was_given() -> None:
    (found,) = receipt_of(ANNA, event="imported")[RECORD]["dpv:hasConsentStatus"]
    assert found["@type"] == ["dpv:ConsentUnknown"]


def test_what_only_the_clock_did_nobody_is_said_to_have_done() -> None:
    record = receipt_of(ANNA_LEFT, event="expired", method="clock")[RECORD]
    (found,) = record["dpv:hasConsentStatus"]
    assert found["dpv:isIndicatedBy"] == "dpv:DataController"


def test_a_withdrawal_names_the_answer_that_it_ends() -> None:
    assert receipt_of(ANNA_LEFT)[RECORD]["dct:replaces"].endswith(ANNA.id[-12:])
    assert "dct:replaces" not in receipt_of(ANNA)[RECORD]


@pytest.mark.parametrize(("locale", "words"), [("en", ENGLISH), ("ru", RUSSIAN)])
def test_what_it_does_not_prove_stands_in_it_in_the_language_of_the_consent(
    locale: str, words: Any
) -> None:
    ours = receipt_of(ANNA, locale=locale)
    assert ours["dct:language"] == locale
    assert ours["skos:scopeNote"]["rdf:value"] == words.not_proven
    assert len(words.not_proven) >= 5


def test_the_languages_say_the_same_things() -> None:
    assert ENGLISH.methods.keys() == RUSSIAN.methods.keys()
    assert len(ENGLISH.not_proven) == len(RUSSIAN.not_proven)


def test_the_same_facts_always_give_the_same_bytes_and_they_are_json() -> None:
    first, second = (receipt.document(receipt_of(ANNA, TEXT)) for _ in range(2))
    assert first == second
    assert json.loads(first)["@id"] == f"urn:uuid:{'0' * 8}-0000-0000-0000-{'1':0>12}#receipt"
    assert "Новости чая".encode() in first, "people read it, too"


HOSTILE = '<b>&"\u202e</script>\u0000'


def test_hostile_texts_stay_texts() -> None:
    written = receipt.document(receipt_of(ANNA, notice_facts(title=HOSTILE)))
    purpose = json.loads(written)[RECORD]["dpv:hasProcess"]["dpv:hasPurpose"]
    assert purpose["dct:title"] == HOSTILE


@pytest.mark.parametrize(
    ("facts", "duration"),
    [
        ({"expires": "2027-11-24T12:00:00.000Z"}, "dpv:UntilTimeDuration"),
        ({}, "dpv:UntilEventDuration"),
    ],
)
def test_how_long_it_holds_is_said(facts: dict[str, str], duration: str) -> None:
    (condition,) = receipt_of(ANNA, **facts)[RECORD]["dpv:hasProcess"]["dpv:hasStorageCondition"]
    assert condition["dpv:hasDuration"]["@type"] == duration


# --- Kantara Consent Receipt 1.1 --------------------------------------------------------------
# Names and types as the specification's JSON Schema has them (CR_v1_1, draft 6). The schema
# itself has no licence to be copied, so the fields are written down here.

KANTARA = {
    "version": str,
    "jurisdiction": str,
    "consentTimestamp": int,
    "collectionMethod": str,
    "consentReceiptID": str,
    "publicKey": str,
    "language": str,
    "piiPrincipalId": str,
    "piiControllers": list,
    "services": list,
    "policyUrl": str,
    "sensitive": bool,
    "spiCat": list,
}
KANTARA_CONTROLLER = {
    "piiController": str,
    "contact": str,
    "address": dict,
    "email": str,
    "phone": str,
}
KANTARA_PURPOSE = {
    "purpose": str,
    "consentType": str,
    "purposeCategory": list,
    "piiCategory": list,
    "termination": str,
    "thirdPartyDisclosure": bool,
}


def assert_shape(found: Mapping[str, Any], shape: Mapping[str, type]) -> None:
    assert {name: type(value) for name, value in found.items()} == shape


def test_the_kantara_form_has_the_fields_and_types_of_its_schema() -> None:
    made = receipt_of(ANNA, TEXT, locale="ru")["dct:hasFormat"]
    assert_shape(made, KANTARA)
    (controller,) = made["piiControllers"]
    assert_shape(controller, KANTARA_CONTROLLER)
    (service,) = made["services"]
    assert_shape(service, {"service": str, "purposes": list})
    (purpose,) = service["purposes"]
    assert_shape(purpose, KANTARA_PURPOSE | {"thirdPartyName": str})
    assert made["version"] == "KI-CR-v1.1.0"
    assert made["consentReceiptID"] == ANNA.id
    assert made["consentTimestamp"] == int(ANNA.at.timestamp())
    assert controller["email"] == "privacy@tea.example"
    assert (purpose["consentType"], purpose["purposeCategory"]) == ("EXPLICIT", ["6 - Marketing"])


def test_without_recipients_the_kantara_form_discloses_to_nobody() -> None:
    (service,) = receipt_of(ANNA)["dct:hasFormat"]["services"]
    (purpose,) = service["purposes"]
    assert_shape(purpose, KANTARA_PURPOSE)
    assert purpose["thirdPartyDisclosure"] is False


@pytest.mark.parametrize("each", [BORIS, ANNA_LEFT])
def test_a_no_has_no_receipt_in_a_form_that_knows_only_yes(each: Line) -> None:
    assert "dct:hasFormat" not in receipt_of(each)
