"""A delivery as evidence: its leaf is what the reference says, a changed one leads elsewhere."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.proof import canonical, delivery
from bot.proof.errors import Contradiction, ProofError, UnusableFile

KEY = bytes(range(32))
AT = datetime(2026, 11, 24, 12, 0, 0, 5000, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "campaign": "c" * 32,
    "occurrence": "0" * 32,
    "delivery": "d" * 22,
    "purpose": "orders",
    "state": "sent",
    "at": AT,
    "subject": "5" * 32,
    "consent_entry": "e" * 32,
    "message_id": 77,
}
PAYLOAD = delivery.payload(**FACTS)
SALT = delivery.salt(KEY, FACTS["delivery"])


def test_the_leaf_is_computed_as_the_reference_says() -> None:
    salt = hmac.digest(KEY, b"assent/delivery-salt/v1\x00" + b"d" * 22, "sha256")
    text = (
        b'{"campaign":"cccccccccccccccccccccccccccccccc",'
        b'"consent_entry":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",'
        b'"delivery":"dddddddddddddddddddddd","message_id":"77",'
        b'"occurrence":"00000000000000000000000000000000","purpose":"orders","state":"sent",'
        b'"subject":"55555555555555555555555555555555","time":"2026-11-24T12:00:00.005Z"}'
    )
    commitment = hmac.digest(salt, b"assent/delivery/v1\x00" + text, "sha256")
    expected = hashlib.sha256(b"\x00" + commitment).digest()
    assert delivery.leaf(SALT, PAYLOAD) == expected
    assert delivery.check_opening(salt.hex(), canonical.parse(text)) == expected


def test_a_delivery_to_nobody_says_nothing_that_leads_to_somebody() -> None:
    payload = delivery.payload(**{**FACTS, "subject": None, "reason": "erased"})
    assert payload.keys() == {
        "campaign",
        "delivery",
        "occurrence",
        "purpose",
        "reason",
        "state",
        "time",
    }
    assert delivery.check_opening(SALT.hex(), payload) == delivery.leaf(SALT, payload)


def test_each_delivery_has_a_salt_of_its_own() -> None:
    assert len({delivery.salt(key, name) for key in (KEY, KEY[::-1]) for name in "ab"}) == 4


@pytest.mark.parametrize("name", sorted(PAYLOAD))
def test_every_fact_is_bound_by_the_leaf(name: str) -> None:
    other = {"state": "failed", "time": "2026-11-24T12:00:00.006Z", "message_id": "78"}
    changed = PAYLOAD | {name: other.get(name, PAYLOAD[name].replace(PAYLOAD[name][0], "a"))}
    assert changed != PAYLOAD
    assert delivery.check_opening(SALT.hex(), changed) != delivery.leaf(SALT, PAYLOAD)


def test_a_message_to_somebody_without_their_consent_contradicts_itself() -> None:
    without = {name: value for name, value in PAYLOAD.items() if name != "consent_entry"}
    with pytest.raises(Contradiction, match="sent without a consent"):
        delivery.check_opening(SALT.hex(), without)
    refused = without | {"state": "suppressed", "reason": "withdrawn"}
    assert delivery.check_opening(SALT.hex(), refused) == delivery.leaf(SALT, refused)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {},
        PAYLOAD | {"more": "x"},
        PAYLOAD | {"state": "sending"},
        PAYLOAD | {"message_id": 77},
        PAYLOAD | {"message_id": "٧"},
        PAYLOAD | {"time": "2026-11-24 12:00"},
        PAYLOAD | {"subject": None},
        PAYLOAD | {"delivery": "d" * 23},
        {name: value for name, value in PAYLOAD.items() if name != "occurrence"},
    ],
)
def test_what_is_no_delivery_is_refused(payload: Any) -> None:
    with pytest.raises(UnusableFile, match="not in form"):
        delivery.check_opening(SALT.hex(), payload)


@pytest.mark.parametrize("salt", [None, "", "0" * 63, "A" * 64, "0" * 62 + " 0", "0" * 64 + "\n"])
def test_a_salt_has_one_spelling(salt: Any) -> None:
    with pytest.raises(UnusableFile, match="salt is not in form"):
        delivery.check_opening(salt, PAYLOAD)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(salt=JSON | st.just(SALT.hex()), name=st.sampled_from(sorted(PAYLOAD)), value=JSON)
def test_foreign_openings_fail_in_our_own_way_only(salt: Any, name: str, value: Any) -> None:
    for payload in (value, PAYLOAD | {name: value}):
        try:
            delivery.check_opening(salt, payload)
        except ProofError:
            continue
        assert salt == SALT.hex()
        assert isinstance(payload[name], str)
