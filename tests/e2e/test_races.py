"""What happens at the same time, twice, in the middle, or with a bad connection."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from shop import (
    OWNER_ID,
    TOKEN,
    Shop,
    agreed_before,
    button_data,
    deliveries,
    events,
    eventually,
    inbox_states,
    query,
    settled,
)

from bot.sandbox.faults import RateLimit
from bot.sandbox.people import Person
from bot.sandbox.refusal import too_many_requests
from bot.sandbox.server import Call

ROOT = Path(__file__).resolve().parents[2]
WAYS = ("button", "/stop", "Отписка")


def advertising(shop: Shop, person: Person, text: str) -> list[Call]:
    """Every call that carried a campaign to a person, whatever became of it."""
    return [
        call
        for call in shop.sandbox.calls
        if call.chat_id == person.id and str(call.parameters.get("text", "")).startswith(text)
    ]


async def sent_at_least(shop: Shop, number: int, seconds: float = 60) -> None:
    async def is_so() -> bool:
        return deliveries(shop).get("sent", 0) >= number

    await eventually(is_so, seconds=seconds)


# --- leaving while it is being sent ---------------------------------------------------------------


async def leave(shop: Shop, person: Person, way: str) -> float:
    """Leave; return when the answer was there, on the clock of the simulator's calls."""
    if way == "button":
        await person.press("Unsubscribe", await person.wait("Earlier"))
        return time.monotonic()
    await shop.say(person, way, "unsubscribed")
    said = [
        call
        for call in shop.sandbox.calls
        if call.chat_id == person.id and "unsubscribed" in str(call.parameters.get("text"))
    ]
    return said[0].started


@pytest.mark.timeout(600)
async def test_nothing_starts_to_whoever_left_during_a_broadcast(closed_shop: Shop) -> None:
    shop = closed_shop
    leavers = await agreed_before(shop, range(1, 37))
    await shop.open()
    await shop.broadcast("Earlier")
    await shop.finished(1)
    await shop.close()
    others = await agreed_before(shop, range(100, 1064))
    shop.rate = 200
    await shop.open()
    await shop.broadcast("Great offer")
    answered: dict[int, float] = {}
    left_during = 0

    async def leave_when(number: int, person: Person) -> None:
        nonlocal left_during
        await sent_at_least(shop, len(leavers) + 10 + number * 15)
        answered[person.id] = await leave(shop, person, WAYS[number % len(WAYS)])
        left_during += bool(deliveries(shop).get("ready"))

    await asyncio.gather(*(leave_when(*one) for one in enumerate(leavers)))
    report = await shop.finished(2, seconds=90)
    assert left_during >= 24, "dozens left while it was being sent"
    for person in leavers:
        late = [
            call
            for call in advertising(shop, person, "Great offer")
            if call.started > answered[person.id]
        ]
        assert late == [], "no message starts after the answer"
        assert len(shop.advertisements(person, "Great offer")) <= 1
    assert {len(shop.advertisements(person, "Great offer")) for person in others} == {1}
    got = sum(len(shop.advertisements(person, "Great offer")) for person in leavers)
    assert got < len(leavers), "some left before their turn"
    counts = dict(
        query(
            shop,
            "SELECT d.state, count(*) FROM delivery d JOIN occurrence o ON o.id = d.occurrence_id "
            "JOIN campaign c ON c.id = o.campaign_id WHERE c.number = 2 GROUP BY d.state",
        )
    )
    assert counts == {"sent": len(others) + got, "suppressed": len(leavers) - got}
    assert f"Sent: {len(others) + got}" in report.text
    assert f"Not sent: {len(leavers) - got}" in report.text


# --- the program ends in the middle ---------------------------------------------------------------


async def test_a_clean_restart_in_the_middle_of_a_broadcast_sends_each_one_once(
    closed_shop: Shop,
) -> None:
    shop = closed_shop
    people = await agreed_before(shop, range(1, 121))
    shop.rate = 60
    await shop.open()
    await shop.broadcast("Restarted")
    for number in (20, 60):
        await sent_at_least(shop, number)
        await shop.reopen()
    await shop.finished()
    assert {len(shop.advertisements(person, "Restarted")) for person in people} == {1}
    assert deliveries(shop) == {"sent": len(people)}


async def start_program(shop: Shop) -> Process:
    """Start `python -m bot run` as an operator does, and wait until it listens."""
    settings = {
        "BOT_TOKEN": TOKEN,
        "BOT_API_URL": shop.sandbox.url,
        "OWNER_IDS": str(OWNER_ID),
        "DATABASE_URL": f"sqlite+aiosqlite:///{shop.database_file}",
        "KEY_FILE": str(shop.folder / "keys" / "assent.key"),
        "PURPOSES_FILE": str(shop.purposes_file),
        "BROADCAST_RATE": "60",
        "PAID_BROADCAST": "1",
        "LOG_LEVEL": "error",
    }
    polls = shop.sandbox.polls
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "run"),
        cwd=shop.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
        stdout=asyncio.subprocess.DEVNULL,
    )

    async def listens() -> bool:
        assert program.returncode is None
        return shop.sandbox.polls > polls + 1

    await eventually(listens, seconds=60)
    return program


async def kill(program: Process) -> None:
    with suppress(ProcessLookupError):
        program.kill()
    await program.wait()


async def test_a_killed_program_sends_nothing_twice_and_hides_no_doubt(closed_shop: Shop) -> None:
    shop = closed_shop
    people = await agreed_before(shop, range(1, 201))
    program = await start_program(shop)
    try:
        await shop.broadcast("Killed")
        for number in (30, 90):
            await sent_at_least(shop, number)
            await kill(program)
            program = await start_program(shop)
        report = await shop.finished(seconds=60)
    finally:
        await kill(program)
    received = [len(shop.advertisements(person, "Killed")) for person in people]
    assert set(received) <= {0, 1}, "nobody gets two"
    counts = deliveries(shop)
    assert set(counts) <= {"sent", "uncertain"}
    assert sum(counts.values()) == len(people), "everybody is accounted for"
    doubtful = counts.get("uncertain", 0)
    assert counts["sent"] <= sum(received) <= counts["sent"] + doubtful
    assert f"Sent: {counts['sent']}" in report.text
    assert f"Uncertain: {doubtful}" in report.text or not doubtful


async def test_a_killed_program_loses_nothing_that_was_said_meanwhile(
    closed_shop: Shop,
) -> None:
    shop = closed_shop
    (anna,) = await agreed_before(shop, range(1, 2))
    program = await start_program(shop)
    try:
        await shop.say(anna, "/help", "/stop")
        await kill(program)
        said = await anna.send("стоп")
        program = await start_program(shop)
        await anna.wait("unsubscribed", after=said.id, seconds=30)
    finally:
        await kill(program)
    assert [event for event, _ in events(shop)].count("withdrawn") == 1


# --- a restart between two steps ------------------------------------------------------------------


async def test_a_restart_between_two_questions_loses_none(shop: Shop) -> None:
    anna = shop.customer(1)
    await anna.start()
    titles = ("Processing of personal data", "Orders and delivery", "Offers and discounts")
    for title in titles:
        question = await anna.wait(
            lambda m, title=title: m.button("Agree") is not None and m.text.startswith(title)
        )
        await shop.reopen()
        await anna.press("Agree", question)
    await anna.wait("Thank you")
    assert [event for event, _ in events(shop)] == ["granted"] * 3


async def test_a_restart_between_a_withdrawal_and_its_undo_loses_neither(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    left = await shop.say(anna, "/stop", "unsubscribed")
    await shop.reopen()
    await anna.press("Undo", left)
    await anna.wait("again")
    assert events(shop)[-1][0] == "granted"


async def test_a_restart_at_every_step_of_a_campaign_loses_nothing(shop: Shop) -> None:
    anna, owner = shop.customer(1), shop.owner
    await shop.answer_all(anna)
    asked = await shop.say(owner, "/broadcast", "What is the message for")
    await shop.reopen()
    await owner.press("Offers and discounts", asked)
    await owner.wait("Now send me")
    await shop.reopen()
    sent = await owner.send("First words")
    await owner.wait("Preview", after=sent.id)
    await shop.reopen()
    sent = await owner.send("Better words")
    control = await owner.wait("Preview", after=sent.id)
    await shop.reopen()
    await owner.press("Send now", control)
    question = await owner.wait(lambda m: m.button("Yes, send") is not None)
    await shop.reopen()
    await owner.press("Yes, send", question)
    await anna.wait("Better words")
    await shop.finished()
    assert not shop.advertisements(anna, "First words")
    assert len(shop.advertisements(anna, "Better words")) == 1


async def test_a_restart_while_a_time_or_links_are_asked_loses_nothing(shop: Shop) -> None:
    owner = shop.owner
    control = await shop.preview("With a link")
    await owner.press("Link buttons", control)
    await owner.wait("each on a line of its own")
    await shop.reopen()
    sent = await owner.send("Our shop - https://tea.example/")
    control = await owner.wait("Preview", after=sent.id)
    await owner.press("Schedule", control)
    await owner.wait("When shall it start")
    await shop.reopen()
    sent = await owner.send("tomorrow 10:00")
    await owner.wait("starts on", after=sent.id)
    assert query(shop, "SELECT state FROM campaign") == [("scheduled",)]


# --- the same thing twice -------------------------------------------------------------------------


async def again(shop: Shop, updates: Sequence[dict[str, Any]]) -> None:
    """Let Telegram deliver updates that were handled before."""
    shop.sandbox.world.pending.extend(updates)
    await shop.sandbox.world.touch()
    await settled(shop)


async def test_an_update_delivered_twice_changes_nothing(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await settled(shop)
    await shop.close()
    await anna.send("/stop")
    updates = [dict(update) for update in shop.sandbox.world.pending]
    await shop.open()
    await anna.wait("unsubscribed")
    await settled(shop)
    before, messages = events(shop), len(anna.received)
    await again(shop, updates)
    await again(shop, updates)
    assert events(shop) == before
    assert len(anna.received) == messages, "answered once"


async def test_an_update_handled_twice_gives_the_same_receipt(shop: Shop) -> None:
    """As after a crash between the commit and the answer: the answer was lost, not the change."""
    anna = shop.customer(1)
    await anna.start()
    question = await anna.wait(lambda m: m.button("Agree") is not None)
    lost = shop.sandbox.fault("reset_before", method="sendMessage", chat_id=anna.id)
    await anna.press("Agree", question)
    receipt = await anna.wait("Your receipt")
    await anna.wait("Orders and delivery")
    assert lost.times == 0
    ((entry_id,),) = query(shop, "SELECT entry_id FROM consent_event")
    assert entry_id in receipt.text
    assert len([m for m in anna.received if "Your receipt" in m.text]) == 1


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "truncated"])
async def test_a_change_stands_once_however_often_its_answer_is_lost(shop: Shop, kind: str) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await settled(shop)
    shop.sandbox.fault(kind, method="sendMessage", chat_id=anna.id, times=2)
    said = await anna.send("/stop")
    left = await anna.wait("unsubscribed", after=said.id, seconds=20)
    await settled(shop)
    assert [event for event, _ in events(shop)].count("withdrawn") == 2
    assert sum("Undo" in label for label in left.labels) == 2
    answers = [m for m in anna.received if "unsubscribed" in m.text]
    assert 1 <= len(answers) <= 3
    assert len({tuple(m.labels) for m in answers}) == 1, "the same answer each time"
    assert inbox_states(shop).get("set_aside") is None


async def test_an_outage_of_telegram_sets_nothing_aside(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await settled(shop)
    for body in (b"<html>502 Bad Gateway</html>", b'{"error":"bad gateway"}', b"\xff"):
        for method in ("getUpdates", "sendMessage"):
            shop.sandbox.fault("reply", method=method, status=502, body=body, times=2)
    said = await anna.send("/stop")
    await anna.wait("unsubscribed", after=said.id, seconds=30)
    await settled(shop)
    assert inbox_states(shop).get("set_aside") is None
    assert [event for event, _ in events(shop)].count("withdrawn") == 2


# --- an update that nobody can handle -------------------------------------------------------------


async def test_an_unreadable_update_is_set_aside_and_the_chat_goes_on(shop: Shop) -> None:
    anna, ben = shop.customer(1), shop.customer(2)
    await shop.answer_all(anna)
    await settled(shop)
    world = shop.sandbox.world
    said = await anna.send("before")
    last = await anna.wait("privacy@tea.example", after=said.id)
    poison = {
        "message_id": 10**6,
        "date": "yesterday",
        "chat": world.chat_facts(anna.chat),
        "from": anna.account.user(),
        "text": "of a shape that no version of ours knows",
    }
    await world.tell_bot("message", poison)
    await ben.send("/help")
    await anna.send("/stop")
    await ben.wait("/subscriptions")
    apology = await anna.wait("Something went wrong on our side", after=last.id)
    await anna.wait("unsubscribed", after=apology.id)
    await settled(shop)
    assert inbox_states(shop)["set_aside"] == 1
    assert query(shop, "SELECT attempts FROM inbox WHERE state = 'set_aside'") == [(3,)]


# --- too many requests ----------------------------------------------------------------------------


async def test_429_on_an_answer_is_honoured_and_the_answer_comes_once(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await settled(shop)
    shop.sandbox.refuse(too_many_requests(1), method="sendMessage", chat_id=anna.id)
    left = await shop.say(anna, "/stop", "unsubscribed")
    refused, accepted = [
        call for call in shop.sandbox.calls if "unsubscribed" in str(call.parameters.get("text"))
    ]
    assert accepted.started - refused.finished >= 1
    assert [m.id for m in anna.received if "unsubscribed" in m.text] == [left.id]


async def test_429_during_a_broadcast_pauses_it_and_loses_nothing(closed_shop: Shop) -> None:
    shop = closed_shop
    people = await agreed_before(shop, range(1, 61))
    shop.rate = 60
    await shop.open()
    await shop.preview("Slowly")
    await shop.owner.press("Send now")
    await shop.owner.wait(lambda m: m.button("Yes, send") is not None)
    shop.sandbox.refuse(too_many_requests(2), method="sendMessage", chat_id=people[20].id)
    await shop.press(shop.owner, "Yes, send")
    await shop.finished()
    (refused,) = [call for call in shop.sandbox.calls if call.status == 429]
    pauses = [
        call
        for call in shop.sandbox.sent()
        if refused.finished + 0.1 < call.started < refused.finished + 2
    ]
    assert pauses == [], "the whole bot rests"
    assert {len(shop.advertisements(person, "Slowly")) for person in people} == {1}
    assert deliveries(shop) == {"sent": len(people)}


async def test_a_stricter_limit_than_ours_loses_nothing(closed_shop: Shop) -> None:
    shop = closed_shop
    people = await agreed_before(shop, range(1, 41))
    shop.rate = 40
    await shop.open()
    await shop.preview("Against the limit")
    await shop.owner.press("Send now")
    await shop.owner.wait(lambda m: m.button("Yes, send") is not None)
    shop.sandbox.rate_limit = RateLimit(15)
    await shop.press(shop.owner, "Yes, send")
    await shop.finished(seconds=60)
    assert shop.sandbox.rate_limit.refused > 0
    assert {len(shop.advertisements(person, "Against the limit")) for person in people} == {1}
    assert deliveries(shop) == {"sent": len(people)}


async def test_a_person_who_leaves_and_returns_in_one_breath_is_heard_in_order(
    shop: Shop,
) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    left = await shop.say(anna, "/stop", "unsubscribed")
    undo = [button["callback_data"] for button in left.buttons]
    stop = anna.send("стоп")
    await asyncio.gather(*(anna.press_data(data, left) for data in undo), stop)
    await settled(shop)
    states = query(shop, "SELECT state FROM consent WHERE purpose_id != 'personal-data'")
    assert states == [("withdrawn",)] * 2, "the last word wins"
    assert button_data(await anna.wait("unsubscribed", after=left.id), "Undo")
