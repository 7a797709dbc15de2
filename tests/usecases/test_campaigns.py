"""Campaigns: what was confirmed is what is sent, once, when it may be (promise 1)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from bot.app.core import Core, build_core
from bot.app.desks import Desks, build_desks
from bot.campaigns.campaign import Author, Campaign, CampaignError, CampaignUnknown, PauseReason
from bot.campaigns.content import Content, ContentKind, Entity, LinkButton
from bot.campaigns.policy import CampaignRefused, RefusalKind
from bot.campaigns.schedule import GRACE, Moment, parse
from bot.campaigns.states import CampaignState, DeliveryState
from bot.consent.acts import Act, Choice, Method, Shown
from bot.consent.purposes import Advisory, Catalogue, Controller, Kind, Purpose
from bot.consent.rules import PurposeId, Reach
from bot.delivery.flights import Flights
from bot.privacy.profile import Profile
from bot.settings import Settings
from bot.usecases.campaign_drafts import ContentCluttered, ContentEmpty, ContentTooLong
from bot.usecases.campaigns import OUTAGE, CampaignDesk
from bot.usecases.people import Person
from bot.usecases.publication import publish
from storage import deliveries, keystore
from storage import schema as tables
from storage.database import Database
from storage.prompts import Step

AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MOSCOW = ZoneInfo("Europe/Moscow")
BOTH = {"ru": "текст", "en": "text"}
OWNER = Author(account="1", locale="en")
HELLO = Content(kind=ContentKind.TEXT, text="Hello")
ADVISORY = Advisory(id="RU-38FZ-5-10.7", accepted_by="O. Chaikina", accepted_on=date(2026, 11, 24))
CATALOGUE = Catalogue(
    locales=("ru", "en"),
    controller=Controller(
        name={"ru": "ООО «Чайная лавка»", "en": "Tea Shop LLC"},
        address=BOTH,
        country="RU",
        contact="privacy@tea.example",
        inn="7707083893",
    ),
    advisories=(ADVISORY,),
    purposes=(
        Purpose(id="data", kind=Kind.PROCESSING, title=BOTH, summary=BOTH, notice=BOTH),
        Purpose(id="orders", kind=Kind.INFORMATIONAL, title=BOTH, summary=BOTH, notice=BOTH),
        Purpose(
            id="offers",
            kind=Kind.ADVERTISING,
            title=BOTH,
            summary=BOTH,
            notice=BOTH,
            requires=("data",),
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """One database and its keys, seen by one process after the other."""

    core: Core
    desks: Desks

    @property
    def desk(self) -> CampaignDesk:
        return self.desks.campaigns

    async def restarted(self, catalogue: Catalogue = CATALOGUE) -> "Office":
        return await office_of(self.core, catalogue)

    async def agree(self, account: int, *purposes: str, choice: Choice = Choice.AGREE) -> Person:
        profile = Profile(account=str(account), language="en")
        person = await self.desks.people.meet(profile, AT)
        for purpose in purposes:
            shown = Shown(text="?", entities=(), buttons=())
            desk = self.desks.consents
            nonce = await desk.ask(person, PurposeId(purpose), Step.ANSWER, shown, AT)
            await desk.answer(person, nonce, choice, Act(method=Method.CALLBACK), AT)
        return person

    async def draft(self, purpose: str = "orders", content: Content = HELLO) -> Campaign:
        return await self.desk.draft(purpose, content, OWNER, AT)

    async def scheduled(self, purpose: str = "orders", at: datetime = AT + MINUTE) -> Campaign:
        draft = await self.draft(purpose)
        return await self.desk.schedule(draft.id, moment(at), OWNER.account, AT)

    async def started(self, purpose: str = "orders") -> Campaign:
        draft = await self.draft(purpose)
        return await self.desk.start(draft.id, OWNER.account, AT)

    async def all(self, table: Any) -> list[Any]:
        async with self.core.database.snapshot() as tx:
            return list(await tx.execute(select(table)))


def moment(at: datetime) -> Moment:
    local = at.astimezone(MOSCOW)
    return Moment(at=at, wall_time=local.strftime("%Y-%m-%d %H:%M"), is_ambiguous=False)


async def office_of(core: Core, catalogue: Catalogue) -> Office:
    publication = await publish(core.database, core.journal, catalogue, AT)
    settings = Settings(_env_file=None, default_locale="en")
    return Office(
        core=core, desks=build_desks(settings, core, publication, Flights(), lambda: None)
    )


@pytest.fixture
async def office(database: Database, tmp_path: Path) -> Office:
    opened = keystore.create(tmp_path / "assent.keystore.json", b"k" * 32, "assent/tea", AT)
    return await office_of(build_core(database, opened), CATALOGUE)


def changed(purpose: str, **facts: Any) -> Catalogue:
    return replace(
        CATALOGUE,
        purposes=tuple(
            replace(one, **facts) if one.id == purpose else one for one in CATALOGUE.purposes
        ),
    )


# --- writing


async def test_a_draft_is_kept_whole_and_sealed(office: Office) -> None:
    content = Content(
        kind=ContentKind.PHOTO,
        text="Half price 🫖",
        entities=(Entity(type="text_link", offset=0, length=4, url="https://tea.example"),),
        file_id="file7",
        buttons=(LinkButton(text="Shop", url="https://tea.example"),),
    )
    draft = await office.draft("offers", content)
    read = await office.desk.get(draft.id)
    assert (read.content, read.author, read.state) == (content, OWNER, CampaignState.DRAFT)
    label = "Реклама. ООО «Чайная лавка», ИНН 7707083893"
    assert read.content_sha256 == content.sha256(label)
    (row,) = await office.all(tables.campaign)
    assert b"Half price" not in row.sealed
    assert b"tea.example" not in row.sealed


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (Content(kind=ContentKind.TEXT, text=" "), ContentEmpty),
        (Content(kind=ContentKind.TEXT, text="a" * 4097), ContentTooLong),
        (Content(kind=ContentKind.PHOTO, text="a" * 1025, file_id="f"), ContentTooLong),
        (
            Content(
                kind=ContentKind.TEXT,
                text="a",
                entities=(Entity(type="bold", offset=0, length=1),) * 101,
            ),
            ContentCluttered,
        ),
    ],
)
async def test_what_telegram_would_refuse_is_refused_and_not_kept(
    office: Office, content: Content, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await office.draft("orders", content)
    assert await office.all(tables.campaign) == []


async def test_the_label_counts_and_the_erid_too(office: Office) -> None:
    label = office.desk.label("offers", "en", None)
    room = 4096 - len(label or "") - 2
    draft = await office.draft("offers", Content(kind=ContentKind.TEXT, text="a" * room))
    with pytest.raises(ContentTooLong) as refused:
        await office.desk.revise(draft, draft.content, "2VtzqvaBCDe", AT)
    assert (refused.value.over, refused.value.limit) == (len(". erid: 2VtzqvaBCDe"), 4096)


async def test_a_revision_has_a_number_and_a_hash_of_its_own(office: Office) -> None:
    draft = await office.draft("offers")
    text = replace(HELLO, text="Hello!")
    second = await office.desk.revise(draft, text, None, AT)
    third = await office.desk.revise(second, text, "2VtzqvaBCDe", AT)
    assert [draft.revision, second.revision, third.revision] == [1, 2, 3]
    assert len({draft.content_sha256, second.content_sha256, third.content_sha256}) == 3
    assert (third.content, third.erid) == (text, "2VtzqvaBCDe")


@pytest.mark.parametrize("state", ["started", "scheduled"])
async def test_what_is_confirmed_is_not_revised(office: Office, state: str) -> None:
    campaign = await getattr(office, state)()
    with pytest.raises(CampaignError):
        await office.desk.revise(campaign, replace(HELLO, text="Other"), None, AT)
    assert (await office.desk.get(campaign.id)).content == HELLO


# --- refusals


async def test_nothing_is_written_under_a_purpose_of_kind_processing(office: Office) -> None:
    with pytest.raises(CampaignRefused) as refused:
        await office.draft("data")
    assert refused.value.refusals[0].kind is RefusalKind.NOTHING_UNDER_PROCESSING


async def test_a_purpose_that_is_not_in_the_file_is_no_purpose(office: Office) -> None:
    with pytest.raises(CampaignUnknown):
        await office.draft("parties")


@pytest.mark.parametrize("verb", ["draft", "start", "schedule", "resume"])
async def test_without_the_advisory_no_step_of_advertising_is_taken(
    office: Office, verb: str
) -> None:
    draft = await office.draft("offers")
    resting = await office.scheduled("offers")
    await office.desk.pause(resting.id, AT)
    later = await office.restarted(replace(CATALOGUE, advisories=()))
    steps: dict[str, Callable[[], Any]] = {
        "draft": lambda: later.draft("offers"),
        "start": lambda: later.desk.start(draft.id, "1", AT),
        "schedule": lambda: later.desk.schedule(draft.id, moment(AT + MINUTE), "1", AT),
        "resume": lambda: later.desk.resume(resting.id, AT),
    }
    with pytest.raises(CampaignRefused) as refused:
        await steps[verb]()
    assert [one.advisory_id for one in refused.value.refusals] == ["RU-38FZ-5-10.7"]
    assert (await later.desk.get(draft.id)).state is CampaignState.DRAFT
    assert (await later.desk.get(resting.id)).state is CampaignState.PAUSED


@pytest.mark.parametrize(
    "catalogue",
    [
        replace(CATALOGUE, advisories=()),
        replace(CATALOGUE, controller=replace(CATALOGUE.controller, inn=None)),
    ],
)
async def test_advertising_that_may_not_go_on_as_confirmed_rests_at_the_next_start(
    office: Office, catalogue: Catalogue
) -> None:
    running = await office.started("offers")
    orders = await office.started("orders")
    later = await office.restarted(catalogue)
    await later.desk.settle_former_process(AT)
    rests = await later.desk.get(running.id)
    assert (rests.state, rests.pause_reason) == (CampaignState.PAUSED, PauseReason.NOTICE_CHANGED)
    assert (await later.desk.get(orders.id)).state is CampaignState.RUNNING


# --- starting


async def test_a_start_pressed_twice_starts_once(office: Office) -> None:
    draft = await office.draft()
    first = await office.desk.start(draft.id, OWNER.account, AT)
    second = await office.desk.start(draft.id, OWNER.account, AT + MINUTE)
    assert (first.state, first.number) == (second.state, second.number) == ("running", 1)
    assert len(await office.all(tables.occurrence)) == 1


async def test_starts_at_the_same_time_start_once(office: Office) -> None:
    draft = await office.draft()
    await asyncio.gather(*(office.desk.start(draft.id, "1", AT) for _ in range(5)))
    assert len(await office.all(tables.occurrence)) == 1
    entries = [row.entry for row in await office.all(tables.log_entry)]
    assert sum(b"staff.campaign_confirmed" in entry for entry in entries) == 1


async def test_a_press_that_comes_again_after_the_end_is_answered_kindly(office: Office) -> None:
    campaign = await office.started()
    async with office.core.database.transaction() as tx:
        await tx.execute(update(tables.campaign).values(state="finished"))
    assert (await office.desk.start(campaign.id, "1", AT)).state is CampaignState.FINISHED


@pytest.mark.parametrize("verb", ["start", "schedule"])
async def test_a_cancelled_draft_is_never_sent(office: Office, verb: str) -> None:
    draft = await office.draft()
    assert await office.desk.cancel(draft.id, AT)
    steps: dict[str, Callable[[], Any]] = {
        "start": lambda: office.desk.start(draft.id, "1", AT),
        "schedule": lambda: office.desk.schedule(draft.id, moment(AT + MINUTE), "1", AT),
    }
    with pytest.raises(CampaignError):
        await steps[verb]()
    assert await office.all(tables.occurrence) == []


async def test_the_log_says_who_let_what_be_sent(office: Office) -> None:
    draft = await office.draft("offers")
    draft = await office.desk.revise(draft, replace(HELLO, text="Last"), None, AT)
    await office.desk.start(draft.id, "77", AT)
    payload = await confirmation(office)
    assert payload == {
        "staff": "77",
        "campaign": draft.id,
        "revision": 2,
        "content_sha256": draft.content_sha256,
        "purpose": "offers",
        "advisories": [
            {
                "id": "RU-38FZ-5-10.7",
                "accepted_by": "O. Chaikina",
                "accepted_on": "2026-11-24",
            }
        ],
    }


async def confirmation(office: Office) -> dict[str, Any]:
    """The payload of the last entry, opened."""
    from bot.usecases.journal import opened

    last = (await office.all(tables.log_entry))[-1]
    sealed = (await office.all(tables.log_payload))[-1]
    async with office.core.database.transaction() as tx:
        key = await office.core.journal.house_key(tx)
    payload: dict[str, Any] = opened(sealed.sealed, key.secret, last.entry)["payload"]
    return payload


async def test_a_label_that_changed_since_the_preview_is_not_sent_unseen(office: Office) -> None:
    draft = await office.draft("offers")
    other = replace(CATALOGUE.controller, name={"ru": "ООО «Кофе»", "en": "Coffee"})
    later = await office.restarted(replace(CATALOGUE, controller=other))
    for step in (
        later.desk.start(draft.id, "1", AT),
        later.desk.schedule(draft.id, moment(AT + MINUTE), "1", AT),
    ):
        with pytest.raises(CampaignError):
            await step
    assert (await later.desk.get(draft.id)).state is CampaignState.DRAFT
    seen = await later.desk.revise(draft, draft.content, None, AT)
    assert (await later.desk.start(seen.id, "1", AT)).state is CampaignState.RUNNING


async def test_confirmed_campaigns_are_numbered_as_they_were_confirmed(office: Office) -> None:
    dropped, first, second = [await office.draft() for _ in range(3)]
    await office.desk.cancel(dropped.id, AT)
    await office.desk.schedule(second.id, moment(AT + MINUTE), "1", AT)
    await office.desk.start(first.id, "1", AT)
    assert (await office.desk.get(second.id)).number == 1
    assert (await office.desk.get(first.id)).number == 2
    await office.desk.start_due(AT + MINUTE)
    assert (await office.desk.get(second.id)).number == 1
    page = await office.desk.newest(limit=1)
    rest = await office.desk.newest(before_number=2, limit=10)
    assert [c.number for c, _ in page + rest] == [2, 1]


# --- scheduling


async def test_a_scheduled_campaign_starts_when_its_time_has_come(office: Office) -> None:
    campaign = await office.scheduled(at=AT + MINUTE)
    await office.desk.start_due(AT + MINUTE - timedelta(milliseconds=1))
    assert (await office.desk.get(campaign.id)).state is CampaignState.SCHEDULED
    await office.desk.start_due(AT + MINUTE)
    assert (await office.desk.get(campaign.id)).state is CampaignState.RUNNING
    await office.desk.start_due(AT + 2 * MINUTE)
    (occurrence,) = await office.all(tables.occurrence)
    assert occurrence.wall_time == "2026-11-24 13:01"


async def test_the_same_time_confirmed_twice_is_one_confirmation(office: Office) -> None:
    draft = await office.draft()
    first = await office.desk.schedule(draft.id, moment(AT + MINUTE), "1", AT)
    second = await office.desk.schedule(draft.id, moment(AT + MINUTE), "1", AT)
    assert first == second
    entries = [row.entry for row in await office.all(tables.log_entry)]
    assert sum(b"staff.campaign_confirmed" in entry for entry in entries) == 1
    with pytest.raises(CampaignError):
        await office.desk.schedule(draft.id, moment(AT + 2 * MINUTE), "1", AT)


async def test_a_typed_time_is_the_time_of_the_start(office: Office) -> None:
    draft = await office.draft()
    typed = parse("завтра в 10:00", AT, MOSCOW)
    campaign = await office.desk.schedule(draft.id, typed, "1", AT)
    assert campaign.starts_at == datetime(2026, 11, 25, 7, tzinfo=UTC)
    assert campaign.wall_time == "2026-11-25 10:00"
    assert (await confirmation(office))["wall_time"] == "2026-11-25 10:00"


@pytest.mark.parametrize(
    ("late", "state", "reason"),
    [
        (GRACE, CampaignState.RUNNING, None),
        (GRACE + timedelta(milliseconds=1), CampaignState.PAUSED, PauseReason.MISSED),
    ],
)
async def test_a_campaign_that_comes_too_late_asks_before_it_starts(
    office: Office, late: timedelta, state: CampaignState, reason: PauseReason | None
) -> None:
    campaign = await office.scheduled()
    await office.desk.start_due(AT + MINUTE + late)
    found = await office.desk.get(campaign.id)
    assert (found.state, found.pause_reason) == (state, reason)
    if reason is not None:
        assert await office.desk.resume(campaign.id, AT + MINUTE + late)
        assert (await office.desk.get(campaign.id)).state is CampaignState.RUNNING


@pytest.mark.parametrize(
    "catalogue",
    [
        changed("offers", notice={"ru": "новый", "en": "new"}),
        changed("offers", notice={"ru": "новый", "en": "new"}, reask=False),
        replace(CATALOGUE, purposes=CATALOGUE.purposes[:2]),
        replace(CATALOGUE, advisories=()),
        replace(
            CATALOGUE,
            controller=replace(CATALOGUE.controller, name={"ru": "ООО «Кофе»", "en": "Coffee"}),
        ),
    ],
    ids=["text", "wording", "retired", "advisory", "advertiser"],
)
async def test_what_changed_between_confirmation_and_start_is_asked_about(
    office: Office, catalogue: Catalogue
) -> None:
    campaign = await office.scheduled("offers")
    later = await office.restarted(catalogue)
    await later.desk.start_due(AT + MINUTE)
    found = await later.desk.get(campaign.id)
    assert (found.state, found.pause_reason) == (CampaignState.PAUSED, PauseReason.NOTICE_CHANGED)
    assert await later.all(tables.occurrence) == []


async def test_a_changed_text_is_sent_only_to_those_who_agreed_to_it(office: Office) -> None:
    await office.agree(100, "data", "offers")
    campaign = await office.scheduled("offers")
    later = await office.restarted(changed("offers", notice={"ru": "новый", "en": "new"}))
    await later.desk.start_due(AT + MINUTE)
    assert await later.desk.resume(campaign.id, AT + MINUTE)
    audience = await later.desk.audience("offers", AT)
    assert (audience.reached, audience.excluded) == (0, {"older_text": 1})


async def test_one_campaign_that_cannot_start_does_not_keep_the_others(office: Office) -> None:
    first = await office.scheduled("offers", AT + MINUTE)
    second = await office.scheduled("orders", AT + MINUTE)
    later = await office.restarted(replace(CATALOGUE, purposes=CATALOGUE.purposes[:2]))
    await later.desk.start_due(AT + MINUTE)
    assert (await later.desk.get(first.id)).state is CampaignState.PAUSED
    assert (await later.desk.get(second.id)).state is CampaignState.RUNNING


# --- pause, resume, cancel


async def test_a_scheduled_campaign_paused_and_resumed_in_time_keeps_its_time(
    office: Office,
) -> None:
    campaign = await office.scheduled()
    assert await office.desk.pause(campaign.id, AT)
    await office.desk.start_due(AT + MINUTE)
    assert (await office.desk.get(campaign.id)).state is CampaignState.PAUSED
    assert await office.desk.resume(campaign.id, AT)
    assert (await office.desk.get(campaign.id)).state is CampaignState.SCHEDULED
    await office.desk.start_due(AT + MINUTE)
    assert (await office.desk.get(campaign.id)).state is CampaignState.RUNNING


async def test_a_running_campaign_resumed_goes_on_where_it_was(office: Office) -> None:
    campaign = await office.started()
    assert await office.desk.pause(campaign.id, AT)
    paused = await office.desk.get(campaign.id)
    assert (paused.state, paused.pause_reason) == (CampaignState.PAUSED, PauseReason.OPERATOR)
    assert not await office.desk.pause(campaign.id, AT)
    assert await office.desk.resume(campaign.id, AT)
    assert not await office.desk.resume(campaign.id, AT)
    resumed = await office.desk.get(campaign.id)
    assert (resumed.state, resumed.pause_reason) == (CampaignState.RUNNING, None)
    assert len(await office.all(tables.occurrence)) == 1


@pytest.mark.parametrize("state", list(DeliveryState))
async def test_cancelling_ends_what_is_not_begun_and_touches_nothing_else(
    office: Office, state: DeliveryState
) -> None:
    person = await office.agree(100, "orders")
    campaign = await office.started()
    async with office.core.database.transaction() as tx:
        (running,) = await deliveries.running(tx)
        await deliveries.add_ready(tx, running.occurrence_id, [("d1", person.id)], AT)
        await tx.execute(update(tables.delivery).values(state=state))
    assert await office.desk.cancel(campaign.id, AT)
    assert not await office.desk.cancel(campaign.id, AT)
    is_begun = state not in {DeliveryState.PLANNED, DeliveryState.READY, DeliveryState.LEASED}
    _, report = await office.desk.report(campaign.id)
    assert report.by_state == {state if is_begun else DeliveryState.SUPPRESSED: 1}
    if not is_begun:
        assert report.suppressed_by_reason == {"cancelled": 1}
    (occurrence,) = await office.all(tables.occurrence)
    assert (occurrence.state, occurrence.ended_at) == ("ended", AT)


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
async def test_what_is_over_stays_over(office: Office, verb: str) -> None:
    campaign = await office.started()
    await office.desk.cancel(campaign.id, AT)
    assert await getattr(office.desk, verb)(campaign.id, AT) is False
    assert (await office.desk.get(campaign.id)).state is CampaignState.CANCELLED


# --- after an outage


async def test_after_a_day_of_silence_advertising_waits_for_an_operator(office: Office) -> None:
    """Also what is only scheduled: a withdrawal lost in the outage is lost at its time too."""
    running, orders = await office.started("offers"), await office.started("orders")
    soon = await office.scheduled("offers")
    await office.desk.after_silence(AT - OUTAGE, AT)
    await office.desk.start_due(AT + MINUTE)
    for campaign in (running, soon):
        found = await office.desk.get(campaign.id)
        assert (found.state, found.pause_reason) == (CampaignState.PAUSED, PauseReason.OUTAGE)
    assert (await office.desk.get(orders.id)).state is CampaignState.RUNNING
    assert {c.id for c, _ in await office.desk.to_announce()} >= {running.id, soon.id}
    assert await office.desk.resume(running.id, AT)
    assert (await office.desk.get(running.id)).state is CampaignState.RUNNING


@pytest.mark.parametrize("last_fetched", [None, AT, AT - OUTAGE + timedelta(milliseconds=1)])
async def test_less_than_a_day_of_silence_holds_nothing(
    office: Office, last_fetched: datetime | None
) -> None:
    campaign = await office.started("offers")
    await office.desk.after_silence(last_fetched, AT)
    assert (await office.desk.get(campaign.id)).state is CampaignState.RUNNING


# --- counting


async def test_the_numbers_of_an_audience_add_up_to_everybody(office: Office) -> None:
    await office.agree(100, "data", "offers")
    await office.agree(101)
    await office.agree(102, "data")
    await office.agree(103, "data", "offers", choice=Choice.DECLINE)
    blocked = await office.agree(104, "data", "offers")
    await office.desks.people.set_reach(blocked.id, Reach.BLOCKED)
    lacking = await office.agree(105, "data", "offers")
    act = Act(method=Method.COMMAND)
    await office.desks.consents.leave_all(lacking, act, AT)
    everybody = len(await office.all(tables.subject))
    for purpose in ("orders", "offers"):
        audience = await office.desk.audience(purpose, AT)
        assert audience.reached + sum(audience.excluded.values()) == everybody
    assert (audience.reached, audience.excluded) == (
        1,
        {"never_asked": 2, "refused": 1, "blocked": 1, "withdrawn": 1},
    )
    assert audience.seconds(0.5) == 2


async def test_a_report_counts_every_delivery_once(office: Office) -> None:
    people = [await office.agree(100 + number, "orders") for number in range(9)]
    campaign = await office.started()
    kinds = [
        ("sent", None),
        ("sent", None),
        ("failed", "blocked"),
        ("failed", "content_refused"),
        ("suppressed", "withdrawn"),
        ("suppressed", "withdrawn"),
        ("uncertain", "restart"),
        ("ready", None),
        ("sending", None),
    ]
    async with office.core.database.transaction() as tx:
        (running,) = await deliveries.running(tx)
        taken = [(f"d{number}", one.id) for number, one in enumerate(people)]
        await deliveries.add_ready(tx, running.occurrence_id, taken, AT)
        for number, (state, reason) in enumerate(kinds):
            row = update(tables.delivery).where(tables.delivery.c.id == f"d{number}")
            await tx.execute(row.values(state=state, reason=reason))
    act = Act(method=Method.CALLBACK, delivery_id="d0")
    await office.desks.consents.withdraw(people[0], PurposeId("orders"), act, AT)
    _, report = await office.desk.report(campaign.id)
    assert (report.total, report.open, report.left) == (9, 2, 1)
    assert report.count(DeliveryState.SENT) == 2
    assert report.suppressed_by_reason == {"withdrawn": 2}
    assert report.failed_by_reason == {"blocked": 1, "content_refused": 1}


async def test_an_author_is_told_once_of_each_state(office: Office) -> None:
    campaign = await office.started()
    assert [c.id for c, _ in await office.desk.to_announce()] == [campaign.id]
    await office.desk.announced(campaign.id, CampaignState.RUNNING, 41)
    assert await office.desk.to_announce() == []
    assert (await office.desk.get(campaign.id)).progress_message_id == 41
    await office.desk.pause(campaign.id, AT, PauseReason.CONTENT_REFUSED)
    assert [c.id for c, _ in await office.desk.to_announce()] == [campaign.id]


async def test_a_campaign_that_does_not_exist_is_unknown(office: Office) -> None:
    with pytest.raises(CampaignUnknown):
        await office.desk.get("0" * 32)
    with pytest.raises(CampaignUnknown):
        await office.desk.report("0" * 32)
