"""What a person is told about a changed text."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bot.consent.difference import LIMIT, Difference, difference

paragraphs = st.lists(st.sampled_from(["who", "what data", "why", "how long", "to whom"]))

NOTHING = Difference(removed="", added="")


def lines(text: str) -> Counter[str]:
    return Counter(text.split("\n") if text else [])


@given(old=paragraphs, new=paragraphs)
def test_every_removed_and_every_added_paragraph_is_shown(old: list[str], new: list[str]) -> None:
    found = difference("\n".join(old), "\n".join(new))
    gone, fresh = lines(found.removed), lines(found.added)
    assert not (Counter(old) - Counter(new)) - gone
    assert not (Counter(new) - Counter(old)) - fresh


@given(old=paragraphs, new=paragraphs)
def test_what_is_shown_turns_the_old_text_into_the_new_one(old: list[str], new: list[str]) -> None:
    found = difference("\n".join(old), "\n".join(new))
    kept = Counter(old) - lines(found.removed)
    assert kept + lines(found.added) == Counter(new)


@given(text=paragraphs)
def test_the_same_text_has_no_difference(text: list[str]) -> None:
    assert difference("\n".join(text), "\n".join(text)) == NOTHING


@given(old=paragraphs, new=paragraphs)
def test_only_a_text_of_the_same_paragraphs_in_the_same_order_has_no_difference(
    old: list[str], new: list[str]
) -> None:
    assert (difference("\n".join(old), "\n".join(new)) == NOTHING) == (old == new)


def test_empty_lines_and_spaces_at_the_ends_are_no_change() -> None:
    assert difference("who\n\nwhat", "  who\nwhat \n") == NOTHING


def test_a_long_change_is_cut_where_everybody_sees_it() -> None:
    found = difference("", "\n".join(f"paragraph {number}" for number in range(1000)))
    assert len(found.added) == LIMIT
    assert found.added.endswith("…")
    assert found.removed == ""


@given(size=st.integers(min_value=LIMIT - 2, max_value=LIMIT))
def test_a_change_that_fits_is_not_cut(size: int) -> None:
    assert difference("x" * size, "").removed == "x" * size
