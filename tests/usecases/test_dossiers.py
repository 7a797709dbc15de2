"""A complaint answered: who, what was shown, what was sent under it, how soon a no counted."""

from datetime import timedelta

import pytest
from complaint import ACCOUNT, SECOND, STAFF, complaint, opened, seal, send
from sqlalchemy import event, insert
from tea_shop import AT, DATA, DAY, HOUR, MINUTE, OFFERS, ORDERS, PRESS, SHOWN, Shop

from bot.campaigns.states import DeliveryState
from bot.consent.acts import Act, Choice, Method
from bot.consent.rules import EntryId, EventKind, Standing, SubjectId
from bot.proof import proof_file
from bot.usecases.dossier_facts import (
    ByAccount,
    ByEntry,
    ByIndex,
    BySubject,
    ErasedEntry,
    NobodyKnown,
    NobodysEntry,
    NoSuchEntry,
    account_named,
    entry_named,
)
from storage.keystore import SignedTree, TreeRolledBack
from storage.schema import legal_hold

LEFT_AT = AT + 3 * HOUR + SECOND


# --- whom -------------------------------------------------------------------------------------


async def test_a_person_is_found_by_account_entry_number_and_our_own_id(either_shop: Shop) -> None:
    shop = either_shop
    known = await complaint(shop)
    await shop.agree_all(await shop.meet("700100201"))
    first = await opened(shop)
    number = next(one.index for one in first.happenings if one.entry_id == known.withdrawn)
    for wanted in (
        ByEntry(EntryId(known.withdrawn)),
        ByIndex(number),
        BySubject(known.person.id),
    ):
        assert (await opened(shop, wanted)).who == first.who
    assert first.who.profile.account == ACCOUNT


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("Entry no. 17: " + "0f" * 16, ByEntry(EntryId("0f" * 16))),
        ("Запись № 17: " + "0F" * 16, ByEntry(EntryId("0f" * 16))),
        ("1" * 32, ByEntry(EntryId("1" * 32))),
        ("no. 17", ByIndex(17)),
        ("№17", ByIndex(17)),
        ("#17", ByIndex(17)),
        ("17", None),
        ("a" * 64, None),
        ("no. " + "9" * 30, None),
        ("", None),
    ],
)
def test_an_entry_is_read_out_of_what_is_quoted_of_a_receipt(said: str, wanted: object) -> None:
    assert entry_named(said) == wanted


@pytest.mark.parametrize(
    ("said", "account"),
    [(" 700100200\n", "700100200"), ("+700", None), ("700 100", None), ("٧٠٠", None), ("", None)],
)
def test_an_account_is_a_number_that_stands_alone(said: str, account: str | None) -> None:
    assert account_named(said) == (None if account is None else ByAccount(account))


def test_whom_somebody_looks_for_does_not_show_in_a_log() -> None:
    assert ACCOUNT not in repr(ByAccount(ACCOUNT))


async def test_nobody_is_told_from_somebody_who_asked_never_to_be_written_to(
    either_shop: Shop,
) -> None:
    shop = either_shop
    desk = shop.core.dossiers
    size = await shop.log_size()
    for wanted in (ByAccount("1"), BySubject(SubjectId("0" * 32))):
        assert await desk.open(wanted, STAFF, AT) == NobodyKnown()
    assert await desk.open(ByEntry(EntryId("0" * 32)), STAFF, AT) == NoSuchEntry()
    assert await desk.open(ByIndex(10**17), STAFF, AT) == NoSuchEntry()
    found = await desk.open(ByIndex(0), STAFF, AT)
    assert isinstance(found, NobodysEntry)
    assert found.type == "notice.published"
    assert await shop.log_size() == size, "nobody was looked at"
    person = await shop.meet()
    await shop.records.erase(person, AT + HOUR, never_again=True)
    gone = await desk.open(ByAccount(ACCOUNT), STAFF, AT + DAY)
    assert gone == NobodyKnown(forbidden_since=AT + HOUR)


async def test_an_entry_of_somebody_erased_says_when_as_far_as_the_log_tells(
    either_shop: Shop,
) -> None:
    shop = either_shop
    known = await complaint(shop)
    other = await shop.meet("700100201")
    await shop.records.erase(known.person, AT + DAY, never_again=False)
    wanted = ByEntry(EntryId(known.granted))
    found = await shop.core.dossiers.open(wanted, STAFF, AT + 2 * DAY)
    assert isinstance(found, ErasedEntry)
    assert found.type == "consent.granted"
    assert found.erasures is not None
    assert (found.erasures.count, found.erasures.first) == (1, AT + DAY)
    await shop.records.erase(other, AT + 2 * DAY, never_again=False)
    found = await shop.core.dossiers.open(wanted, STAFF, AT + 3 * DAY)
    assert isinstance(found, ErasedEntry)
    assert found.erasures is not None
    assert (found.erasures.count, found.erasures.last) == (2, AT + 2 * DAY)


# --- that somebody looked ---------------------------------------------------------------------


async def test_who_looked_at_whom_is_in_the_log_and_names_no_account(either_shop: Shop) -> None:
    shop = either_shop
    known = await complaint(shop)
    found = await opened(shop)
    index, entry_id = found.opening
    entry = (await shop.log())[index]
    assert (entry.read.id, entry.read.type) == (entry_id, "staff.dossier_opened")
    assert entry.payload == {"staff": STAFF, "subject": known.person.id}
    assert entry.sealed is not None
    assert known.person.id.encode() not in entry.sealed
    assert found.log.size > index, "the signature covers it"


async def test_a_log_that_fell_behind_gives_no_dossier_and_records_no_look(
    shop: Shop,
) -> None:
    await complaint(shop)
    longer = SignedTree(size=999, root=bytes(32))
    shop.core.keystore().sign_tree(longer, extends=lambda _: True, sign=lambda _origin, _seed: "")
    with pytest.raises(TreeRolledBack):
        await shop.core.dossiers.open(ByAccount(ACCOUNT), STAFF, AT + 2 * DAY)
    assert (await shop.log())[-1].read.type != "staff.dossier_opened"


# --- what it says -----------------------------------------------------------------------------


async def test_every_answer_has_what_was_shown_and_a_proof_that_verifies(
    either_shop: Shop,
) -> None:
    shop = either_shop
    await complaint(shop)
    found = await opened(shop)
    said = [(one.event, one.purpose_id) for one in found.happenings]
    granted = EventKind.GRANTED
    assert said == [(granted, DATA), (granted, ORDERS), (granted, OFFERS),
                    (EventKind.WITHDRAWN, ORDERS)]  # fmt: skip
    for one in found.happenings:
        proof = proof_file.verify(one.proof, found.log.key)
        assert (proof.index, proof.entry.id, proof.payload) == (
            one.index, one.entry_id, one.payload)  # fmt: skip
        assert proof.checkpoint.size == found.log.size
    for one in found.happenings[:3]:
        assert one.payload["shown"] == SHOWN.to_json()
    assert {(one.purpose_id, one.version, one.locale) for one in found.texts} == {
        one.notice for one in found.happenings
    }
    standings = {stand.consent.purpose_id: stand.standing for stand in found.stands}
    live = Standing.LIVE
    assert standings == {DATA: live, ORDERS: Standing.WITHDRAWN, OFFERS: live}


async def test_every_message_has_its_outcome_and_the_consent_that_allowed_it(
    either_shop: Shop,
) -> None:
    shop = either_shop
    known = await complaint(shop)
    found = await opened(shop)
    allowed = next(one.index for one in found.happenings if one.entry_id == known.granted)
    sent, doubtful, crossing, never = found.messages
    assert [one.sending.campaign_number for one in found.messages] == [1, 2, 3, 4]
    assert [one.consent_index for one in found.messages] == [allowed, allowed, allowed, None]
    assert (sent.sending.state, sent.sending.message_id) == (DeliveryState.SENT, 501)
    assert (doubtful.sending.state, doubtful.sending.reason) == (
        DeliveryState.UNCERTAIN, "connection_lost")  # fmt: skip
    assert crossing.sending.consent_entry_id == known.granted
    assert (never.sending.state, never.sending.reason) == (DeliveryState.SUPPRESSED, "withdrawn")
    assert [said.text for said in found.campaigns][1:] == ["In doubt", "On its way", "Never sent"]


async def test_a_withdrawal_says_how_long_it_took_and_what_crossed_it(either_shop: Shop) -> None:
    shop = either_shop
    known = await complaint(shop)
    (ending,) = (await opened(shop)).endings
    assert ending.happening.entry_id == known.withdrawn
    assert ending.acted_at == LEFT_AT - 2 * SECOND, "Telegram's date of the word"
    assert ending.happening.at == LEFT_AT
    assert ending.happening.written_at == LEFT_AT + timedelta(milliseconds=350)
    assert ending.last_before is not None
    assert ending.last_before.sending.campaign_number == 2, "a doubtful one may have arrived"
    assert [one.sending.campaign_number for one in ending.crossed] == [3]


async def test_what_was_sent_after_a_new_yes_does_not_cross_the_old_no(either_shop: Shop) -> None:
    shop = either_shop
    known = await complaint(shop)
    await shop.answer(known.person, ORDERS, at=AT + 5 * HOUR)
    await send(shop, known.person, "Welcome back", AT + 6 * HOUR)
    (ending,) = (await opened(shop)).endings
    assert [one.sending.campaign_number for one in ending.crossed] == [3]


async def test_a_refusal_is_an_ending_without_messages(either_shop: Shop) -> None:
    shop = either_shop
    person = await shop.meet()
    await shop.answer(person, DATA)
    await shop.answer(person, ORDERS)
    await send(shop, person, "About something else", AT + HOUR)
    await shop.answer(person, OFFERS, Choice.DECLINE, at=AT + 2 * HOUR)
    (refused,) = (await opened(shop)).endings
    assert (refused.happening.event, refused.acted_at) == (EventKind.REFUSED, None)
    assert (refused.last_before, refused.crossed) == (None, ())


async def test_the_date_of_a_pressed_message_is_not_taken_for_that_of_the_press(
    either_shop: Shop,
) -> None:
    shop = either_shop
    person = await shop.meet()
    await shop.agree_all(person)
    act = Act(method=Method.CALLBACK, message_id=5, message_date=AT - 30 * DAY)
    await shop.consents.withdraw(person, OFFERS, act, AT + MINUTE)
    (ending,) = (await opened(shop)).endings
    assert ending.acted_at is None


async def test_pause_hold_and_seal_are_told(either_shop: Shop) -> None:
    shop = either_shop
    known = await complaint(shop)
    running = await send(shop, known.person, "never", AT + 5 * HOUR)
    await seal(shop, running, known.granted)  # any entry will do
    await shop.people.pause(known.person.id, AT + 9 * DAY)
    async with shop.database.transaction() as tx:
        row = {"subject_id": known.person.id, "sealed": b"", "never_again": False}
        await tx.execute(insert(legal_hold).values(**row, placed_at=AT, erasure_wanted_at=AT + DAY))
    found = await opened(shop)
    assert found.who.paused_until == AT + 9 * DAY
    assert found.who.hold is not None
    assert (found.who.hold.placed_at, found.who.hold.erasure_wanted_at) == (AT, AT + DAY)
    seals = [one.sending.seal_entry_id for one in found.messages]
    assert seals == [None] * 4 + [known.granted]
    assert found.messages[-1].sending.seal_index == 7


async def test_somebody_who_only_pressed_start_has_a_short_dossier(either_shop: Shop) -> None:
    await either_shop.meet()
    found = await opened(either_shop)
    assert (found.happenings, found.messages, found.stands, found.texts) == ((), (), (), ())


async def test_an_answer_while_it_is_compiled_is_in_it_with_its_proof(shop: Shop) -> None:
    """Between the signature and the snapshot the person may act: then that is signed, too."""
    person = await shop.meet()
    await shop.agree_all(person)
    signed = 0

    class Slow(type(shop.core.signer)):  # type: ignore[misc]
        async def sign(self, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            nonlocal signed
            signed += 1
            done = await super().sign(at)
            if signed == 1:
                await shop.consents.withdraw(person, OFFERS, PRESS, AT + MINUTE)
            return done

    slow = Slow(database=shop.database, keystore=shop.core.signer.keystore)
    desk = type(shop.core.dossiers)(database=shop.database, journal=shop.core.journal, signer=slow)
    found = await desk.open(ByAccount(ACCOUNT), STAFF, AT + HOUR)
    assert signed == 2
    last = found.happenings[-1]
    assert last.event is EventKind.WITHDRAWN
    assert proof_file.verify(last.proof, found.log.key).checkpoint.size == found.log.size


# --- how it is read ---------------------------------------------------------------------------


async def test_no_statement_reads_a_whole_table_that_grows(shop: Shop) -> None:
    """With hundreds of thousands of people a scan would take seconds (EXPLAIN QUERY PLAN)."""
    known = await complaint(shop)
    statements: list[tuple[str, tuple[object, ...]]] = []

    @event.listens_for(shop.database.engine.sync_engine, "before_cursor_execute")
    def _keep(_c, _cursor, statement, parameters, _ctx, _many) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        if statement.lstrip().startswith("SELECT"):
            statements.append((statement, parameters))

    await opened(shop)
    await opened(shop, ByEntry(EntryId(known.granted)))
    event.remove(shop.database.engine.sync_engine, "before_cursor_execute", _keep)
    plans = []
    async with shop.database.snapshot() as tx:
        for statement, parameters in statements:
            found = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans += [(row[3], statement) for row in found]
    assert any("SEARCH delivery USING INDEX ix_delivery_subject_id" in plan for plan, _ in plans)
    small = ("SCAN notice", "SCAN purpose", "SCAN CONSTANT ROW", "SCAN 2 CONSTANT ROWS")
    scans = [
        (plan, statement)
        for plan, statement in plans
        if plan.startswith("SCAN")
        and not plan.startswith(small)
        and not ("USING INDEX" in plan and " LIMIT " in statement)
    ]
    assert scans == []
