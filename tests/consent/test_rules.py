"""When a consent holds: tried for any moment, because the time is an argument."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.consent import rules
from bot.consent.rules import (
    Consent,
    ConsentState,
    EntryId,
    EventKind,
    PurposeId,
    Standing,
    Terms,
)

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
DATA, ORDERS, OFFERS = PurposeId("personal-data"), PurposeId("orders"), PurposeId("offers")
TERMS = {
    DATA: Terms(version=1, accepted=frozenset({1}), requires=()),
    ORDERS: Terms(version=1, accepted=frozenset({1}), requires=(DATA,)),
    OFFERS: Terms(version=3, accepted=frozenset({2, 3}), requires=(DATA, ORDERS)),
}
spans = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9999))
states = st.sampled_from(ConsentState)
versions = st.integers(min_value=1, max_value=4)


def consent(
    purpose_id: PurposeId,
    state: ConsentState = ConsentState.GRANTED,
    *,
    version: int | None = None,
    expires_at: datetime | None = None,
) -> Consent:
    return Consent(
        purpose_id=purpose_id,
        state=state,
        entry_id=EntryId("0" * 32),
        notice_version=TERMS[purpose_id].version if version is None else version,
        locale="en",
        since=AT,
        expires_at=expires_at,
    )


ALL = {purpose_id: consent(purpose_id) for purpose_id in TERMS}
"""Everything agreed to, in the texts of now."""


@st.composite
def any_consents(draw: st.DrawFn) -> dict[PurposeId, Consent]:
    """Whatever a person may have answered to some of the purposes."""
    held = draw(st.sets(st.sampled_from(sorted(TERMS))))
    return {
        purpose_id: consent(
            purpose_id,
            draw(states),
            version=draw(versions),
            expires_at=draw(st.none() | st.just(AT) | spans.map(lambda span: AT + span)),
        )
        for purpose_id in held
    }


@given(life=st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=9999)))
def test_a_consent_lives_until_the_last_moment_before_its_end(life: timedelta) -> None:
    held = consent(DATA, expires_at=AT + life)
    before_end = AT + life - timedelta(microseconds=1)
    assert rules.own_standing(held, TERMS[DATA], before_end) is Standing.LIVE


@given(late=spans)
def test_a_consent_has_expired_from_its_end_on(late: timedelta) -> None:
    held = consent(DATA, expires_at=AT)
    assert rules.own_standing(held, TERMS[DATA], AT + late) is Standing.EXPIRED


@given(late=spans)
def test_a_consent_without_an_end_never_expires(late: timedelta) -> None:
    assert rules.own_standing(consent(DATA), TERMS[DATA], AT + late) is Standing.LIVE


@given(held=any_consents(), late=spans)
def test_nobody_may_be_written_to_without_a_granted_consent_to_an_accepted_text(
    held: dict[PurposeId, Consent], late: timedelta
) -> None:
    at = AT + late
    for purpose_id, terms in TERMS.items():
        is_live = rules.standing(purpose_id, held, TERMS, at) is Standing.LIVE
        needed = [held.get(other) for other in (purpose_id, *terms.requires)]
        holds = all(
            one is not None
            and one.state is ConsentState.GRANTED
            and one.notice_version in TERMS[one.purpose_id].accepted
            and (one.expires_at is None or at < one.expires_at)
            for one in needed
        )
        assert is_live == holds


@given(held=any_consents())
def test_nothing_may_be_sent_under_a_purpose_that_is_no_longer_offered(
    held: dict[PurposeId, Consent],
) -> None:
    rest = {purpose_id: terms for purpose_id, terms in TERMS.items() if purpose_id != ORDERS}
    assert rules.standing(ORDERS, ALL | held, rest, AT) is Standing.OLDER_TEXT


def test_a_prerequisite_that_is_no_longer_offered_does_not_hold() -> None:
    rest = {purpose_id: terms for purpose_id, terms in TERMS.items() if purpose_id != DATA}
    assert rules.missing_prerequisite(OFFERS, ALL, rest, AT) == DATA
    assert rules.standing(OFFERS, ALL, rest, AT) is Standing.PREREQUISITE


@given(state=states.filter(lambda state: state is not ConsentState.GRANTED))
def test_a_prerequisite_of_a_prerequisite_must_hold_as_well(state: ConsentState) -> None:
    held = {**ALL, DATA: consent(DATA, state)}
    assert rules.standing(OFFERS, held, TERMS, AT) is Standing.PREREQUISITE
    assert rules.missing_prerequisite(OFFERS, held, TERMS, AT) == DATA


def test_the_first_missing_prerequisite_is_the_one_that_is_named() -> None:
    assert rules.missing_prerequisite(OFFERS, {}, TERMS, AT) == DATA
    assert rules.missing_prerequisite(OFFERS, {DATA: ALL[DATA]}, TERMS, AT) == ORDERS
    assert rules.missing_prerequisite(OFFERS, ALL, TERMS, AT) is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (ConsentState.PENDING, Standing.UNCONFIRMED),
        (ConsentState.REFUSED, Standing.REFUSED),
        (ConsentState.WITHDRAWN, Standing.WITHDRAWN),
        (ConsentState.EXPIRED, Standing.EXPIRED),
        (ConsentState.SUPERSEDED, Standing.OLDER_TEXT),
    ],
)
def test_each_end_is_told_as_what_it_is(state: ConsentState, expected: Standing) -> None:
    assert rules.own_standing(consent(DATA, state), TERMS[DATA], AT) is expected


@given(version=versions)
def test_a_consent_holds_exactly_for_the_accepted_versions(version: int) -> None:
    held = consent(OFFERS, version=version)
    expected = Standing.LIVE if version in {2, 3} else Standing.OLDER_TEXT
    assert rules.own_standing(held, TERMS[OFFERS], AT) is expected


def test_whoever_never_answered_was_never_asked() -> None:
    assert rules.standing(DATA, {}, TERMS, AT) is Standing.NEVER_ASKED


def test_only_a_confirmation_ends_the_wait_of_a_double_opt_in() -> None:
    granted, confirmed = EventKind.GRANTED, EventKind.CONFIRMED
    assert rules.state_after(granted, double_opt_in=True) is ConsentState.PENDING
    assert rules.state_after(confirmed, double_opt_in=True) is ConsentState.GRANTED
    assert rules.state_after(granted) is ConsentState.GRANTED


@given(event=st.sampled_from(sorted(rules.OUTCOMES)), double_opt_in=st.booleans())
def test_no_event_but_a_yes_leads_to_a_consent_that_allows(
    event: EventKind, *, double_opt_in: bool
) -> None:
    allows = rules.state_after(event, double_opt_in=double_opt_in) is ConsentState.GRANTED
    assert allows == (event is EventKind.CONFIRMED)


@given(state=states)
def test_a_no_withdraws_what_was_agreed_to_and_refuses_what_was_not(state: ConsentState) -> None:
    agreed = state in {ConsentState.GRANTED, ConsentState.PENDING}
    expected = EventKind.WITHDRAWN if agreed else EventKind.REFUSED
    assert rules.declining(consent(DATA, state)) is expected
    assert rules.is_open(consent(DATA, state)) == agreed


def test_a_no_to_what_was_never_answered_is_a_refusal() -> None:
    assert rules.declining(None) is EventKind.REFUSED
    assert not rules.is_open(None)
