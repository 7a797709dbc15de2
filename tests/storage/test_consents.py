"""The database counts and takes audiences by the very rule that `bot.consent.rules` states."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent import rules
from bot.consent.purposes import Kind
from bot.consent.rules import (
    Consent,
    ConsentState,
    EntryId,
    PurposeId,
    Reach,
    Standing,
    SubjectId,
    Terms,
)
from storage import consents, notices, subjects
from storage.database import Database

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
PURPOSES = tuple(PurposeId(name) for name in ("data", "orders", "offers"))
moments = st.sampled_from(
    [AT + timedelta(milliseconds=ms) for ms in (-86_400_000, -1, 0, 1, 86_400_000)]
)
"""Around AT, so that ends often are exactly the moment that is asked for."""
on_sqlite = pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)


def of_one_database(max_examples: int) -> settings:
    """Let all examples share the database: each is rolled back."""
    return settings(
        max_examples=max_examples,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@dataclass(frozen=True, kw_only=True)
class Someone:
    """A person, with whatever they answered."""

    id: SubjectId
    held: dict[PurposeId, Consent]
    reach: Reach
    suppressed: bool
    paused_until: datetime | None

    def expected(self, purpose_id: PurposeId, terms: dict[PurposeId, Terms], at: datetime) -> str:
        """Say how they stand, without the database."""
        standing = rules.standing(purpose_id, self.held, terms, at)
        if standing is not Standing.LIVE:
            return standing.value
        if self.suppressed:
            return consents.SUPPRESSED
        if self.reach is not Reach.REACHABLE:
            return consents.BLOCKED
        if self.paused_until is not None and at < self.paused_until:
            return consents.PAUSED
        return standing.value


@st.composite
def any_consent(draw: st.DrawFn, purpose_id: PurposeId, entry_id: EntryId) -> Consent:
    return Consent(
        purpose_id=purpose_id,
        # Mostly granted, or hardly anybody would ever be live.
        state=draw(st.just(ConsentState.GRANTED) | st.sampled_from(ConsentState)),
        entry_id=entry_id,
        notice_version=draw(st.just(3) | st.integers(min_value=1, max_value=3)),
        locale="en",
        since=AT,
        expires_at=draw(st.none() | moments),
    )


@st.composite
def anyone(draw: st.DrawFn, number: int) -> Someone:
    answered = draw(st.just(set(PURPOSES)) | st.sets(st.sampled_from(PURPOSES)))
    return Someone(
        id=SubjectId(f"{number:032x}"),
        held={
            purpose_id: draw(any_consent(purpose_id, EntryId(f"{number}-{purpose_id}")))
            for purpose_id in sorted(answered)
        },
        reach=draw(st.just(Reach.REACHABLE) | st.sampled_from(Reach)),
        suppressed=draw(st.sampled_from([False, False, True])),
        paused_until=draw(st.none() | moments),
    )


@st.composite
def people(draw: st.DrawFn) -> list[Someone]:
    return [draw(anyone(number)) for number in range(draw(st.integers(1, 5)))]


@st.composite
def any_terms(draw: st.DrawFn) -> dict[PurposeId, Terms]:
    """Terms of some of the purposes; a prerequisite may be one that is no longer offered."""
    offered = draw(st.just(set(PURPOSES)) | st.sets(st.sampled_from(PURPOSES), min_size=1))
    return {
        purpose_id: Terms(
            version=3,
            accepted=frozenset(draw(st.just({2, 3}) | st.sets(st.integers(1, 3), min_size=1))),
            requires=tuple(
                sorted(draw(st.sets(st.sampled_from([p for p in PURPOSES if p != purpose_id]))))
            ),
        )
        for purpose_id in sorted(offered)
    }


@asynccontextmanager
async def holding(database: Database, crowd: Sequence[Someone]) -> AsyncIterator[AsyncConnection]:
    """Store these people; nothing of it is kept."""
    async with database.engine.connect() as tx:
        for position, purpose_id in enumerate(PURPOSES):
            await notices.put_purpose(
                tx,
                purpose_id,
                kind=Kind.INFORMATIONAL,
                position=position,
                version=3,
                requires=(),
            )
        for one in crowd:
            await subjects.add(
                tx,
                subject_id=one.id,
                channel="telegram",
                lookup=one.id.encode(),
                sealed=b"",
                locale="en",
                at=AT,
                suppressed=one.suppressed,
            )
            await subjects.change(tx, one.id, reach=one.reach, paused_until=one.paused_until)
            for consent in one.held.values():
                await consents.put(tx, one.id, consent)
        yield tx
        await tx.rollback()


async def assert_the_same(
    database: Database,
    crowd: list[Someone],
    terms: dict[PurposeId, Terms],
    purpose_id: PurposeId,
    at: datetime,
) -> None:
    expected = {one.id: one.expected(purpose_id, terms, at) for one in crowd}
    ids = [one.id for one in crowd]
    live = [subject_id for subject_id in ids if expected[subject_id] == Standing.LIVE]
    async with holding(database, crowd) as tx:
        found = await consents.standings_of(tx, ids, purpose_id, terms, at)
        counts = await consents.count_by_standing(tx, purpose_id, terms, at)
        audience = await consents.audience(tx, purpose_id, terms, at, after=None, limit=99)
        pages = [
            await consents.audience(tx, purpose_id, terms, at, after=after, limit=1)
            for after in (None, *live)
        ]
    assert {subject_id: word for subject_id, (word, _) in found.items()} == expected
    for one in crowd:
        own = one.held.get(purpose_id)
        assert found[one.id][1] == (None if own is None else own.entry_id)
    assert counts.pop("erased") == 0
    assert counts == Counter(expected.values())
    assert audience == live
    assert pages == [*([subject_id] for subject_id in live), []]


@on_sqlite
@of_one_database(120)
@given(crowd=people(), terms=any_terms(), purpose_id=st.sampled_from(PURPOSES), at=moments)
async def test_the_database_judges_as_the_rules_do_on_sqlite(
    database: Database,
    crowd: list[Someone],
    terms: dict[PurposeId, Terms],
    purpose_id: PurposeId,
    at: datetime,
) -> None:
    await assert_the_same(database, crowd, terms, purpose_id, at)


@on_postgresql
@of_one_database(25)
@given(crowd=people(), terms=any_terms(), purpose_id=st.sampled_from(PURPOSES), at=moments)
async def test_the_database_judges_as_the_rules_do_on_postgresql(
    database: Database,
    crowd: list[Someone],
    terms: dict[PurposeId, Terms],
    purpose_id: PurposeId,
    at: datetime,
) -> None:
    await assert_the_same(database, crowd, terms, purpose_id, at)


@on_sqlite
@of_one_database(50)
@given(crowd=people(), at=moments)
async def test_what_is_due_to_expire_is_what_is_over_and_still_open(
    database: Database, crowd: list[Someone], at: datetime
) -> None:
    async with holding(database, crowd) as tx:
        due = await consents.due_to_expire(tx, at, 99)
    assert sorted(due) == [
        (one.id, purpose_id)
        for one in crowd
        for purpose_id, consent in sorted(one.held.items())
        if rules.is_over(consent, at)
    ]


def agreed(number: int, ends_at: datetime | None, paused_until: datetime | None = None) -> Someone:
    """Somebody who agreed to the first purpose and has said nothing else."""
    consent = Consent(
        purpose_id=PURPOSES[0],
        state=ConsentState.GRANTED,
        entry_id=EntryId(str(number)),
        notice_version=1,
        locale="en",
        since=AT - timedelta(days=30),
        expires_at=ends_at,
    )
    return Someone(
        id=SubjectId(f"{number:032x}"),
        held={PURPOSES[0]: consent},
        reach=Reach.REACHABLE,
        suppressed=False,
        paused_until=paused_until,
    )


async def test_consents_and_pauses_are_over_from_their_very_end_on(database: Database) -> None:
    later = AT + timedelta(milliseconds=1)
    crowd = [agreed(0, AT), agreed(1, later), agreed(2, None, AT), agreed(3, None, later)]
    terms = {PURPOSES[0]: Terms(version=1, accepted=frozenset({1}), requires=())}
    ids = [one.id for one in crowd]
    async with holding(database, crowd) as tx:
        found = await consents.standings_of(tx, ids, PURPOSES[0], terms, AT)
    words = [found[subject_id][0] for subject_id in ids]
    assert words == [Standing.EXPIRED, Standing.LIVE, Standing.LIVE, consents.PAUSED]


async def test_what_is_due_to_expire_comes_oldest_first_and_page_by_page(
    database: Database,
) -> None:
    crowd = [agreed(number, AT - timedelta(days=number)) for number in range(4)]
    async with holding(database, crowd) as tx:
        due = await consents.due_to_expire(tx, AT, 3)
    assert [subject_id for subject_id, _ in due] == [crowd[n].id for n in (3, 2, 1)]
