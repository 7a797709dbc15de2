"""A sealed value opens with its key, in its place, unchanged; in no other case."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from bot.privacy.envelope import NONCE_BYTES, SealBroken, open_json, open_sealed, seal, seal_json

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
HERE = b"subject/7"
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FACTS = st.dictionaries(TEXT, TEXT | st.integers() | st.none() | st.booleans())


@given(plain=st.binary(), place=st.binary())
def test_what_is_sealed_opens_in_its_place(plain: bytes, place: bytes) -> None:
    assert open_sealed(KEY, seal(KEY, plain, place), place) == plain


@given(facts=FACTS)
def test_facts_come_back_as_they_were(facts: dict[str, Any]) -> None:
    assert open_json(KEY, seal_json(KEY, facts, HERE), HERE) == facts


def test_a_sealed_value_is_plain_aes_256_gcm_behind_its_nonce() -> None:
    sealed = seal(KEY, b"tea", HERE)
    assert AESGCM(KEY).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], HERE) == b"tea"


@given(place=st.integers(0, 30), flip=st.integers(1, 255))
def test_no_changed_byte_opens(place: int, flip: int) -> None:
    sealed = bytearray(seal(KEY, b"tea", HERE))
    sealed[place] ^= flip
    with pytest.raises(SealBroken):
        open_sealed(KEY, bytes(sealed), HERE)


@given(length=st.integers(0, 30))
def test_no_shortened_value_opens(length: int) -> None:
    with pytest.raises(SealBroken):
        open_sealed(KEY, seal(KEY, b"tea", HERE)[:length], HERE)


def test_a_value_moved_to_another_person_does_not_open() -> None:
    with pytest.raises(SealBroken):
        open_sealed(KEY, seal(KEY, b"tea", HERE), b"subject/8")


def test_a_value_under_another_key_does_not_open() -> None:
    with pytest.raises(SealBroken):
        open_sealed(OTHER_KEY, seal(KEY, b"tea", HERE), HERE)


def test_the_same_words_never_look_the_same() -> None:
    assert len({seal(KEY, b"tea", HERE) for _ in range(100)}) == 100


def test_a_broken_seal_tells_nothing_of_what_was_sealed() -> None:
    with pytest.raises(SealBroken) as caught:
        open_sealed(OTHER_KEY, seal(KEY, b"canary", HERE), HERE)
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r}"
