"""The fast way to the canonical form writes what the slow one does, and reads nothing else."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from bot.proof import canonical
from bot.proof.errors import ProofError, UnusableFile

TEXTS = st.text(max_size=6) | st.sampled_from(
    ["\ue000", "\U0001f600", "\ufe0f", "\x7f", "\\", "\0"]
)
LARGE = 2**53
FACTS = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGE, LARGE) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(FACTS)
@example({"\ue000": 1, "\U0001f600": 2})
@example({"a": {"\U0001f600": 2, "\uffff": 1}})
@example([1, True, 0, False, None, -0])
def test_it_is_what_rfc_8785_asks(facts: Any) -> None:
    try:
        expected = rfc8785.dumps(facts)
    except rfc8785.CanonicalizationError:
        with pytest.raises(UnusableFile):
            canonical.canonical_bytes(facts)
        return
    assert canonical.canonical_bytes(facts) == expected
    assert canonical.parse(expected) == facts


@given(FACTS)
@example({"\ue000": 1, "\U0001f600": 2})
def test_only_the_canonical_spelling_is_read(facts: Any) -> None:
    for spelled in (
        json.dumps(facts),
        json.dumps(facts, ensure_ascii=False, separators=(",", ":")),
        json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True),
        json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + " ",
    ):
        try:
            data = spelled.encode()
            expected = rfc8785.dumps(facts)
        except (UnicodeEncodeError, rfc8785.CanonicalizationError):
            continue
        if data == expected:
            assert canonical.parse(data) == facts
        else:
            with pytest.raises(UnusableFile):
                canonical.parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"1.0",
        b"1e3",
        b"-0",
        b"NaN",
        b"Infinity",
        b"9007199254740992",
        b"9" * 5000,
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b'"\\u0041"',
        b"\xef\xbb\xbf1",
        b" 1",
        b"1 ",
        b"1\n",
        b"",
        b"[" * 100_000,
    ],
    ids=range(18),
)
def test_other_spellings_are_refused(data: bytes) -> None:
    with pytest.raises(UnusableFile):
        canonical.parse(data)


@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_fail_clearly(data: bytes) -> None:
    try:
        facts = canonical.parse(data)
    except ProofError:
        return
    assert canonical.canonical_bytes(facts) == data
