"""How long a proof is kept: any term, any moment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.consent.purposes import Period
from bot.consent.retention import STEP, Term, ended_at
from bot.consent.rules import Consent, ConsentState, EntryId, PurposeId

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
periods = st.sampled_from(["P3Y", "P1M", "P90D", "P2W", "PT1H", "P1Y6M", "P1Y1M1DT1H"]).map(Period)
moments = st.integers(0, 10**12 * 3).map(
    lambda ms: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
CONSENT = Consent(
    purpose_id=PurposeId("offers"),
    state=ConsentState.GRANTED,
    entry_id=EntryId("0" * 32),
    notice_version=1,
    locale="en",
    since=AT,
    expires_at=AT - timedelta(days=2),
)


@given(period=periods, at=moments)
@example(period=Period("P1M"), at=datetime(2026, 2, 28, tzinfo=UTC))
@example(period=Period("P1Y"), at=datetime(2025, 2, 28, tzinfo=UTC))
def test_the_latest_end_is_over_and_a_millisecond_later_is_not(
    period: Period, at: datetime
) -> None:
    term = Term(period)
    latest = term.latest_end(at)
    assert term.is_over(latest, at)
    assert not term.is_over(latest + STEP, at)


@given(period=periods, ended=moments, at=moments)
def test_what_ended_no_later_than_the_latest_end_is_over(
    period: Period, ended: datetime, at: datetime
) -> None:
    term = Term(period)
    assert term.is_over(ended, at) == (ended <= term.latest_end(at))


def test_the_end_of_a_term_is_exclusive() -> None:
    term = Term(Period("P90D"))
    assert not term.is_over(AT, AT + timedelta(days=90) - STEP)
    assert term.is_over(AT, AT + timedelta(days=90))


@pytest.mark.parametrize("state", ConsentState)
def test_a_consent_that_holds_has_no_end_and_every_other_one_has(state: ConsentState) -> None:
    ended = ended_at(replace(CONSENT, state=state))
    assert (ended is None) == (state is ConsentState.GRANTED)


def test_a_consent_expired_when_its_time_was_over_not_when_it_was_noticed() -> None:
    expired = replace(CONSENT, state=ConsentState.EXPIRED)
    assert ended_at(expired) == AT - timedelta(days=2)
    assert ended_at(replace(expired, expires_at=None)) == AT
    assert ended_at(replace(CONSENT, state=ConsentState.WITHDRAWN)) == AT
