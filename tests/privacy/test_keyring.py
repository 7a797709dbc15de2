"""A data key opens only under its own epoch; a blind index tells nothing without its key."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.privacy.keyring import KeyMissing, Keyring, WrappedKey
from bot.privacy.profile import Profile

# RFC 3394 §4.6: 256 bits of key data with a 256-bit KEK.
RFC_KEK = bytes(range(32))
RFC_DATA_KEY = bytes.fromhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F")
RFC_WRAPPED = bytes.fromhex(
    "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"
)
RING = Keyring(
    epochs={1: b"1" * 32, 2: RFC_KEK}, generation=2, index_key=b"i" * 32, signing_seed=b"s" * 32
)
ACCOUNTS = st.tuples(
    st.sampled_from(["telegram", "max", "sms"]), st.text("0123456789-", min_size=1)
)


def test_keys_are_wrapped_as_rfc_3394_says() -> None:
    assert RING.wrap(RFC_DATA_KEY) == WrappedKey(generation=2, wrapped=RFC_WRAPPED)


@given(data_key=st.binary(min_size=32, max_size=32))
def test_a_wrapped_key_opens_again(data_key: bytes) -> None:
    assert RING.unwrap(RING.wrap(data_key)) == data_key


def test_a_key_of_an_earlier_epoch_still_opens() -> None:
    before = replace(RING, generation=1).wrap(RFC_DATA_KEY)
    assert before.generation == 1
    assert RING.unwrap(before) == RFC_DATA_KEY


def test_a_key_whose_epoch_was_destroyed_opens_nothing() -> None:
    wrapped = replace(RING, generation=1).wrap(RFC_DATA_KEY)
    with pytest.raises(KeyMissing, match="epoch key 1"):
        replace(RING, epochs={2: RFC_KEK}).unwrap(wrapped)


def test_a_key_that_names_the_wrong_epoch_does_not_open() -> None:
    with pytest.raises(KeyMissing):
        RING.unwrap(WrappedKey(generation=1, wrapped=RFC_WRAPPED))


@given(place=st.integers(0, len(RFC_WRAPPED) - 1), flip=st.integers(1, 255))
def test_a_changed_wrapped_key_does_not_open(place: int, flip: int) -> None:
    changed = bytearray(RFC_WRAPPED)
    changed[place] ^= flip
    with pytest.raises(KeyMissing):
        RING.unwrap(WrappedKey(generation=2, wrapped=bytes(changed)))


@given(one=ACCOUNTS, other=ACCOUNTS)
def test_the_index_finds_an_account_and_no_other(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert (RING.account_lookup(*one) == RING.account_lookup(*other)) == (one == other)


def test_a_suppression_cannot_be_joined_with_the_index() -> None:
    assert RING.suppression_hash("telegram", "7") != RING.account_lookup("telegram", "7")


@pytest.mark.parametrize("keyed", [Keyring.account_lookup, Keyring.suppression_hash])
def test_guessing_ids_needs_the_index_key(keyed: object) -> None:
    assert callable(keyed)
    other = replace(RING, index_key=b"j" * 32)
    assert keyed(RING, "telegram", "7") != keyed(other, "telegram", "7")


def test_the_index_survives_a_new_epoch() -> None:
    turned = replace(RING, generation=1)
    assert turned.account_lookup("telegram", "7") == RING.account_lookup("telegram", "7")


def test_neither_keys_nor_people_can_be_printed_by_accident() -> None:
    person = Profile(account="700100200", first_name="Canary")
    shown = f"{RING} {RING!r} {person} {person!r}"
    assert "1111" not in shown
    assert "epochs" not in shown
    assert "700100200" not in shown
    assert "Canary" not in shown


def test_a_profile_comes_back_as_it_was() -> None:
    person = Profile(account="7", first_name="Анна", language="ru", source="shop")
    assert Profile.from_json(person.to_json()) == person
