"""What is asked next, and whom nobody bothers again."""

from hypothesis import assume, given
from hypothesis import strategies as st

from bot.consent.asking import UNANSWERED, next_question
from bot.consent.rules import PurposeId, Standing

ORDER = [PurposeId(name) for name in ("data", "orders", "offers", "events")]
standings = st.fixed_dictionaries({name: st.sampled_from(Standing) for name in ORDER})


@st.composite
def prerequisites(draw: st.DrawFn) -> dict[PurposeId, list[PurposeId]]:
    """What each purpose requires; always something that stands before it in the file."""
    return {
        name: draw(st.lists(st.sampled_from(ORDER[:place]), unique=True)) if place else []
        for place, name in enumerate(ORDER)
    }


@given(standings=standings, requires=prerequisites())
def test_nobody_is_asked_again_what_they_refused_or_left(
    standings: dict[PurposeId, Standing], requires: dict[PurposeId, list[PurposeId]]
) -> None:
    asked = next_question(ORDER, standings, requires)
    assume(asked is not None)
    assert asked is not None
    left_in_peace = {Standing.REFUSED, Standing.WITHDRAWN, Standing.LIVE, Standing.PREREQUISITE}
    assert standings[asked] not in left_in_peace


@given(standings=standings, requires=prerequisites())
def test_nothing_is_asked_whose_prerequisite_does_not_hold(
    standings: dict[PurposeId, Standing], requires: dict[PurposeId, list[PurposeId]]
) -> None:
    asked = next_question(ORDER, standings, requires)
    assume(asked is not None)
    assert asked is not None
    assert all(standings[required] is Standing.LIVE for required in requires[asked])


@given(standings=standings, requires=prerequisites())
def test_questions_come_in_the_order_of_the_file_until_all_are_answered(
    standings: dict[PurposeId, Standing], requires: dict[PurposeId, list[PurposeId]]
) -> None:
    askable = [
        name
        for name in ORDER
        if standings[name] in UNANSWERED
        and all(standings[required] is Standing.LIVE for required in requires[name])
    ]
    assert next_question(ORDER, standings, requires) == (askable[0] if askable else None)


@given(refused=st.sampled_from([Standing.REFUSED, Standing.WITHDRAWN]))
def test_a_no_to_a_prerequisite_ends_the_questions_that_hang_on_it(refused: Standing) -> None:
    standings = dict.fromkeys(ORDER, Standing.NEVER_ASKED) | {ORDER[0]: refused}
    requires = {name: [ORDER[0]] if name != ORDER[0] else [] for name in ORDER}
    assert next_question(ORDER, standings, requires) is None
