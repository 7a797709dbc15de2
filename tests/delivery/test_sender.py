"""The sender: whoever agreed gets one message, and nothing that went wrong is hidden."""

import asyncio
import random
import time
from collections import Counter
from datetime import timedelta

import pytest
from delivery_shop import OWNER, WORDS, Process, Shop, until

from bot.campaigns.campaign import Campaign, CampaignUnknown
from bot.campaigns.content import Content, ContentKind
from bot.consent.acts import Act, Method
from bot.consent.rules import PurposeId, Reach
from bot.delivery.body import Body
from bot.delivery.channel import Outcome, Prepared
from bot.delivery.flights import RECALL_SECONDS
from bot.sandbox.faults import FaultKind, RateLimit
from bot.sandbox.refusal import Refusal, bad_request, too_many_requests
from bot.usecases.people import Person

ORDERS, OFFERS = PurposeId("orders"), PurposeId("offers")
LEAVING = Act(method=Method.COMMAND)
HELLO = Body(content=Content(kind=ContentKind.TEXT, text="Hello"), label=None, words=WORDS)


async def leave(process: Process, person: Person) -> None:
    await process.consents.withdraw(person, ORDERS, LEAVING, process.shop.clock())


async def states(shop: Shop, campaign: Campaign) -> dict[str, int]:
    return {state.value: count for state, count in (await shop.report(campaign)).by_state.items()}


# --- everybody once


async def test_everybody_who_agreed_gets_exactly_one_message_and_nobody_else(shop: Shop) -> None:
    await shop.agree_all(range(100, 150))
    await shop.agree(200, "offers")
    left, blocked = await shop.agree_all([201, 202])
    process = shop.process()
    await leave(process, left)
    await shop.people.set_reach(blocked.id, Reach.BLOCKED)
    campaign = await shop.started()
    await process.start()
    await until(lambda: shop.is_over(campaign))
    assert sorted(call.chat_id for call in shop.calls()) == list(range(100, 150))
    assert await states(shop, campaign) == {"sent": 50}


async def test_a_campaign_that_reaches_nobody_ends(shop: Shop) -> None:
    campaign = await shop.started()
    await shop.process().start()
    await until(lambda: shop.is_over(campaign))
    assert await states(shop, campaign) == {}


async def test_a_campaign_that_starts_wakes_the_sender(shop: Shop) -> None:
    await shop.agree(100)
    process = await shop.process().start()
    draft = await shop.draft()
    started = time.monotonic()
    await process.campaigns.start(draft.id, OWNER.account, shop.clock())
    await until(lambda: shop.arrived(100))
    assert time.monotonic() - started < 0.8


@pytest.mark.parametrize("people", [9, 10, 11])
async def test_an_audience_taken_in_by_chunks_loses_nobody_at_the_edges(
    shop: Shop, people: int
) -> None:
    await shop.agree_all(range(100, 100 + people))
    campaign = await shop.started()
    await shop.process(audience_chunk=5).start()
    await until(lambda: shop.is_over(campaign))
    assert Counter(call.chat_id for call in shop.calls()) == dict.fromkeys(
        range(100, 100 + people), 1
    )


async def test_an_audience_is_resumed_where_a_crash_left_it(shop: Shop) -> None:
    await shop.agree_all(range(100, 120))
    campaign = await shop.started()
    process = shop.process(audience_chunk=5, rate=1)
    process.pace.pause(60)  # takes in, sends nothing
    await process.start()
    await until(lambda: shop.deliveries("ready"))
    await process.crash()
    await shop.process(audience_chunk=5).start()
    await until(lambda: shop.is_over(campaign))
    assert Counter(call.chat_id for call in shop.calls()) == dict.fromkeys(range(100, 120), 1)


async def test_what_arrives_is_what_was_confirmed_with_its_label(shop: Shop) -> None:
    await shop.agree(100, "offers")
    campaign = await shop.started("Half price", "offers")
    await shop.process().start()
    await until(lambda: shop.is_over(campaign))
    assert shop.arrived(100) == ["Half price\n\nРеклама. ООО «Чайная лавка», ИНН 7707083893"]


# --- a message and a withdrawal


async def test_a_withdrawal_committed_before_the_claim_wins(shop: Shop) -> None:
    anna, _ = await shop.agree_all([100, 101])
    campaign = await shop.started()
    process = shop.process()
    process.pace.pause(60)
    await process.start()
    await until(lambda: shop.deliveries("ready"))
    await leave(process, anna)
    process.pace._resumes_at = 0.0
    await until(lambda: shop.is_over(campaign))
    assert [call.chat_id for call in shop.calls()] == [101]
    assert (await shop.report(campaign)).suppressed_by_reason == {"withdrawn": 1}


async def test_a_consent_that_expires_between_audience_and_claim_is_not_used(shop: Shop) -> None:
    await shop.agree(100, "offers")
    campaign = await shop.started(purpose="offers")
    process = shop.process()
    process.pace.pause(60)
    await process.start()
    await until(lambda: shop.deliveries("ready"))
    shop.clock.ahead = timedelta(days=1)
    process.pace._resumes_at = 0.0
    await until(lambda: shop.is_over(campaign))
    assert shop.calls() == []
    assert (await shop.report(campaign)).suppressed_by_reason == {"expired": 1}


async def test_a_withdrawal_between_commit_and_write_recalls_the_message(shop: Shop) -> None:
    anna, _ = await shop.agree_all([100, 101])
    campaign = await shop.started()
    ready = asyncio.Event()

    async def late_body(_: str) -> Body:
        await ready.wait()
        return HELLO

    process = await shop.process(bodies=late_body).start()
    await until(lambda: shop.deliveries("sending"))
    await asyncio.wait_for(leave(process, anna), RECALL_SECONDS / 2)
    ready.set()
    await until(lambda: shop.is_over(campaign))
    assert [call.chat_id for call in shop.calls()] == [101]
    assert (await shop.report(campaign)).suppressed_by_reason == {"withdrawn": 1}
    assert process.pace._in_use == 0


async def test_the_answer_to_a_withdrawal_waits_for_the_message_that_is_being_sent(
    shop: Shop,
) -> None:
    anna = await shop.agree(100)
    await shop.started()
    held = shop.sandbox.hold("sendMessage")
    process = await shop.process().start()
    await until(lambda: held.entered)
    leaving = asyncio.ensure_future(leave(process, anna))
    done, _ = await asyncio.wait([leaving], timeout=0.3)
    assert not done
    held.release()
    await asyncio.wait_for(leaving, 1)
    assert shop.arrived(100) == ["Hello"]


async def test_nobody_waits_longer_than_two_seconds_for_the_answer(shop: Shop) -> None:
    anna = await shop.agree(100)
    await shop.started()
    held = shop.sandbox.hold("sendMessage")
    process = await shop.process().start()
    await until(lambda: held.entered)
    started = time.monotonic()
    await leave(process, anna)
    assert 1.9 <= time.monotonic() - started < 3


@pytest.mark.parametrize("seed", range(3))
async def test_once_a_withdrawal_is_answered_no_message_arrives(shop: Shop, seed: int) -> None:
    chance = random.Random(seed)
    people = await shop.agree_all(range(100, 140))
    campaigns = [await shop.started(f"Hello {number}") for number in range(3)]
    shop.sandbox.fault(FaultKind.DELAY, method="sendMessage", times=1000, seconds=0.1)
    process = await shop.process(rate=60).start()
    answered: dict[int, float] = {}

    async def go(person: Person) -> None:
        await asyncio.sleep(chance.uniform(0, 1.5))
        await leave(process, person)
        answered[int(person.profile.account)] = time.monotonic()

    async with asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(go(person))
    for campaign in campaigns:
        await until(lambda campaign=campaign: shop.is_over(campaign))
    late = [call for call in shop.calls() if call.finished > answered[call.chat_id]]
    assert late == []
    assert len(shop.calls()) < 120, "everybody was served before anybody left: nothing was tried"


async def test_whoever_has_an_unhandled_update_gets_nothing_until_it_is_handled(
    shop: Shop,
) -> None:
    await shop.agree_all([100, 101])
    unheard = {"update_id": 5, "message": {"chat": {"id": 100}, "from": {"id": 100}}}
    await shop.inbox.take_in([unheard], shop.clock())
    campaign = await shop.started()
    await shop.process().start()
    await until(lambda: shop.arrived(101))
    assert not await shop.is_over(campaign)
    assert shop.calls(100) == []
    await shop.inbox.settle(5)
    await until(lambda: shop.is_over(campaign))
    assert len(shop.calls(100)) == 1


# --- restarts


async def test_after_a_crash_doubt_is_doubt_and_the_rest_is_sent_once(shop: Shop) -> None:
    await shop.agree_all(range(100, 130))
    campaign = await shop.started()
    held = shop.sandbox.hold("sendMessage")
    process = await shop.process(concurrency=10).start()
    await until(lambda: held.entered == 10)
    assert await states(shop, campaign) == {"sending": 10, "ready": 20}
    await process.crash()
    held.release()
    await shop.process().start()
    await until(lambda: shop.is_over(campaign))
    assert await states(shop, campaign) == {"uncertain": 10, "sent": 20}
    await until(lambda: len(shop.arrived()) == 30)
    assert Counter(call.chat_id for call in shop.calls()) == dict.fromkeys(range(100, 130), 1)


async def test_a_result_of_the_former_process_does_not_unsay_the_doubt(shop: Shop) -> None:
    await shop.agree(100)
    campaign = await shop.started()
    held = shop.sandbox.hold("sendMessage")
    former = await shop.process().start()
    await until(lambda: held.entered == 1)
    await shop.campaigns().settle_former_process(shop.clock())
    held.release()
    await until(lambda: not former.flights)
    await until(lambda: shop.is_over(campaign))
    assert await states(shop, campaign) == {"uncertain": 1}
    assert len(shop.calls()) == 1


async def test_clean_ends_at_any_moment_leave_no_doubt_and_no_second_message(shop: Shop) -> None:
    chance = random.Random(7)
    await shop.agree_all(range(100, 160))
    campaign = await shop.started()
    for _ in range(25):
        process = await shop.process(rate=200, concurrency=8, audience_chunk=7).start()
        await asyncio.sleep(chance.uniform(0, 0.04))
        await process.stop()
        assert await shop.deliveries("sending") == 0
        assert len(process.flights) == 0
        assert process.pace._in_use == 0
    await shop.process().start()
    await until(lambda: shop.is_over(campaign))
    assert await states(shop, campaign) == {"sent": 60}
    assert Counter(call.chat_id for call in shop.calls()) == dict.fromkeys(range(100, 160), 1)


async def test_a_clean_end_waits_for_what_is_on_its_way_and_keeps_its_result(shop: Shop) -> None:
    await shop.agree_all(range(100, 110))
    campaign = await shop.started()
    shop.sandbox.fault(FaultKind.DELAY, method="sendMessage", times=10, seconds=0.3)
    process = await shop.process().start()
    await until(lambda: shop.deliveries("sending"))
    await process.stop()
    by_state = await states(shop, campaign)
    assert set(by_state) <= {"sent", "ready"}
    assert by_state["sent"] == len(shop.calls())


# --- what Telegram says


async def test_429_lets_the_whole_bot_rest_also_after_a_restart(shop: Shop) -> None:
    await shop.agree_all(range(100, 105))
    campaign = await shop.started()
    shop.sandbox.refuse(too_many_requests(3), method="sendMessage", chat_id=100)
    process = await shop.process(concurrency=1).start()
    await until(lambda: process.pace.pause_left)
    refused = time.monotonic()
    await until(lambda: not process.flights)
    before = len(shop.calls())
    await process.crash()
    again = await shop.process().start()
    await until(lambda: again.pace.pause_left)
    await until(lambda: shop.is_over(campaign))
    later = [call.started for call in shop.calls()[before:]]
    assert min(later) - refused >= 2.9
    assert await states(shop, campaign) == {"sent": 5}
    assert len(shop.arrived(100)) == 1


async def test_a_shorter_rest_does_not_make_a_restart_forget_a_longer_one(shop: Shop) -> None:
    await shop.agree_all([100, 101])
    await shop.started()
    held = shop.sandbox.hold("sendMessage")
    shop.sandbox.refuse(too_many_requests(60), method="sendMessage", chat_id=100)
    shop.sandbox.refuse(too_many_requests(1), method="sendMessage", chat_id=101)
    process = await shop.process().start()
    await until(lambda: held.entered == 2)
    held.release()
    await until(lambda: not process.flights)
    await process.crash()
    again = await shop.process().start()
    await until(lambda: again.pace.pause_left)
    assert again.pace.pause_left > 50


async def test_whoever_blocked_the_bot_is_not_tried_again(shop: Shop) -> None:
    await shop.agree_all([100, 101])
    shop.sandbox.person(100, "").account.has_blocked = True
    first = await shop.started()
    await shop.process().start()
    await until(lambda: shop.is_over(first))
    assert (await shop.report(first)).failed_by_reason == {"blocked": 1}
    second = await shop.started("Again")
    await until(lambda: shop.is_over(second))
    assert await states(shop, second) == {"sent": 1}
    audience = await shop.campaigns().audience("orders", shop.clock())
    assert (audience.reached, audience.excluded) == (1, {"blocked": 1})


@pytest.mark.parametrize(("errors", "state"), [(20, "paused"), (19, "finished")])
async def test_the_same_error_for_the_first_twenty_stops_the_campaign(
    shop: Shop, errors: int, state: str
) -> None:
    await shop.agree_all(range(100, 125))
    campaign = await shop.started()
    shop.sandbox.refuse(bad_request("BUTTON_URL_INVALID"), method="sendMessage", times=errors)
    await shop.process(concurrency=1).start()
    await until(lambda: has_state(shop, campaign, state))
    stopped = await shop.campaigns().get(campaign.id)
    assert stopped.pause_reason == ("content_refused" if errors == 20 else None)
    assert len(shop.calls()) == (20 if errors == 20 else 25)


async def test_one_message_that_arrived_shows_that_the_content_is_right(shop: Shop) -> None:
    await shop.agree_all(range(100, 130))
    campaign = await shop.started()
    process = shop.process(concurrency=1)
    await process.start()
    await until(shop.calls)
    shop.sandbox.refuse(bad_request("BUTTON_URL_INVALID"), method="sendMessage", times=25)
    await until(lambda: shop.is_over(campaign))
    assert (await shop.report(campaign)).failed_by_reason == {"content_refused": 25}


async def has_state(shop: Shop, campaign: Campaign, state: str) -> bool:
    return await shop.state(campaign) == state


@pytest.mark.parametrize("status", [401, 404, 409])
async def test_a_question_about_the_bot_itself_stops_the_sending(shop: Shop, status: int) -> None:
    await shop.agree_all(range(100, 105))
    campaign = await shop.started()
    shop.sandbox.refuse(Refusal(status, "Unauthorized"), method="sendMessage")
    process = await shop.process(concurrency=1).start()
    await until(lambda: process.pace.pause_left > 20)
    await until(lambda: not process.flights)
    assert await states(shop, campaign) == {"ready": 5}
    assert len(shop.calls()) == 1


@pytest.mark.parametrize(
    "kind", [FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER, FaultKind.HANG, FaultKind.TRUNCATED]
)
async def test_doubt_is_counted_and_never_sent_again(shop: Shop, kind: FaultKind) -> None:
    await shop.agree_all(range(100, 105))
    campaign = await shop.started()
    shop.sandbox.fault(kind, method="sendMessage", chat_id=102, seconds=5)
    await shop.process(timeout_seconds=0.5).start()
    await until(lambda: shop.is_over(campaign))
    assert await states(shop, campaign) == {"sent": 4, "uncertain": 1}
    assert len(shop.arrived(102)) == (0 if kind is FaultKind.RESET_BEFORE else 1)


# --- pause, resume, cancel


async def test_pause_and_resume_act_at_once(shop: Shop) -> None:
    await shop.agree_all(range(100, 140))
    campaign = await shop.started()
    process = await shop.process(rate=40).start()
    await until(lambda: len(shop.calls()) >= 5)
    await process.campaigns.pause(campaign.id, shop.clock())
    await until(lambda: not process.flights)
    paused = len(shop.calls())
    assert paused < 40
    await asyncio.sleep(0.4)
    assert len(shop.calls()) == paused
    started = time.monotonic()
    assert await process.campaigns.resume(campaign.id, shop.clock())
    await until(lambda: len(shop.calls()) > paused)
    assert time.monotonic() - started < 0.8
    await until(lambda: shop.is_over(campaign))
    assert Counter(call.chat_id for call in shop.calls()) == dict.fromkeys(range(100, 140), 1)


async def test_a_cancelled_campaign_sends_no_more_and_says_to_whom_not(shop: Shop) -> None:
    await shop.agree_all(range(100, 140))
    campaign = await shop.started()
    process = await shop.process(rate=40).start()
    await until(lambda: len(shop.calls()) >= 5)
    assert await process.campaigns.cancel(campaign.id, shop.clock())
    await until(lambda: not process.flights)
    report = await shop.report(campaign)
    assert report.open == 0
    assert report.suppressed_by_reason == {"cancelled": 40 - len(shop.calls())}
    assert await shop.state(campaign) == "cancelled"


@pytest.mark.parametrize("verb", ["pause", "cancel"])
async def test_a_stop_that_comes_between_looking_and_claiming_is_obeyed(
    shop: Shop, verb: str
) -> None:
    """The writers queue in order: the stop before the audience and the claim."""
    await shop.agree_all(range(100, 105))
    campaign = await shop.started()
    process = shop.process()
    queue = shop.database._writing
    async with shop.database.transaction():
        stop = asyncio.ensure_future(getattr(process.campaigns, verb)(campaign.id, shop.clock()))
        await until(lambda: len(queue._waiters or ()) == 1)
        process.task = asyncio.ensure_future(process.sender.run())
        await until(lambda: len(queue._waiters or ()) == 2)
    assert await stop
    await until(lambda: not queue.locked())
    assert (await shop.report(campaign)).open == 0
    assert shop.calls() == []


async def test_what_comes_back_unsent_to_a_cancelled_campaign_is_over(shop: Shop) -> None:
    await shop.agree(100)
    campaign = await shop.started()
    held = shop.sandbox.hold("sendMessage")
    shop.sandbox.refuse(too_many_requests(1), method="sendMessage")
    process = await shop.process().start()
    await until(lambda: held.entered)
    await process.campaigns.cancel(campaign.id, shop.clock())
    held.release()
    await until(lambda: not process.flights)
    report = await shop.report(campaign)
    assert (report.open, report.suppressed_by_reason) == (0, {"cancelled": 1})


async def test_a_campaign_paused_at_its_last_moment_ends_when_it_is_resumed(shop: Shop) -> None:
    """The writers queue in order: last result, last claim, the pause, the end."""
    await shop.agree(100)
    campaign = await shop.started()
    held = shop.sandbox.hold("sendMessage")
    process = await shop.process().start()
    await until(lambda: held.entered and process.sender.wake._waiters)  # it rests
    queue = shop.database._writing
    async with shop.database.transaction():
        held.release()
        await until(lambda: len(queue._waiters or ()) == 2)
        pause = asyncio.ensure_future(process.campaigns.pause(campaign.id, shop.clock()))
        await until(lambda: len(queue._waiters or ()) == 3)
    assert await pause
    assert await shop.state(campaign) == "paused"
    await process.campaigns.resume(campaign.id, shop.clock())
    await until(lambda: shop.is_over(campaign))
    assert await states(shop, campaign) == {"sent": 1}


# --- several campaigns


async def test_a_chat_gets_at_most_one_message_of_campaigns_a_second(shop: Shop) -> None:
    await shop.agree_all(range(100, 110))
    campaigns = [await shop.started(f"Hello {number}") for number in range(3)]
    await shop.process().start()
    for campaign in campaigns:
        await until(lambda campaign=campaign: shop.is_over(campaign))
    for account in range(100, 110):
        times = sorted(call.started for call in shop.calls(account))
        assert len(times) == 3
        assert times[1] - times[0] >= 1
        assert times[2] - times[1] >= 1


async def test_campaigns_share_the_pace(shop: Shop) -> None:
    await shop.agree_all(range(100, 130))
    await shop.agree_all(range(200, 230), "offers")
    await shop.started("Orders", "orders")
    await shop.started("Offers", "offers")
    await shop.started("Nobody knows", "orders")
    await shop.process(rate=30).start()
    await until(lambda: len(shop.calls()) >= 30)
    kinds = Counter(call.parameters["text"].split("\n")[0] for call in shop.calls()[:30])
    assert min(kinds["Orders"] + kinds["Nobody knows"], kinds["Offers"]) >= 7
    assert min(kinds["Orders"], kinds["Nobody knows"]) >= 4


async def test_a_campaign_that_can_write_to_nobody_now_does_not_hold_up_the_next(
    shop: Shop,
) -> None:
    await shop.agree(100, "offers")
    await shop.agree_all(range(200, 230))
    unheard = {"update_id": 5, "message": {"chat": {"id": 100}, "from": {"id": 100}}}
    await shop.inbox.take_in([unheard], shop.clock())
    stuck = await shop.started(purpose="offers")
    campaign = await shop.started()
    await shop.process(rate=30).start()
    started = time.monotonic()
    await until(lambda: shop.is_over(campaign))
    assert time.monotonic() - started < 2.5
    assert await shop.state(stuck) == "running"


# --- what breaks


async def test_results_that_cannot_be_stored_are_stored_later(shop: Shop) -> None:
    await shop.agree_all(range(100, 110))
    campaign = await shop.started()
    await shop.execute(
        "CREATE TRIGGER trouble BEFORE UPDATE ON delivery WHEN NEW.state = 'sent' "
        "BEGIN SELECT RAISE(ABORT, 'trouble'); END"
    )
    process = await shop.process().start()
    await until(lambda: len(shop.calls()) == 10)
    assert await states(shop, campaign) == {"sending": 10}
    await shop.execute("DROP TRIGGER trouble")
    await until(lambda: shop.is_over(campaign))
    assert await states(shop, campaign) == {"sent": 10}
    assert len(shop.calls()) == 10
    assert process.pace._in_use == 0


async def test_a_claim_that_is_not_committed_sends_nothing_and_is_tried_again(
    shop: Shop,
) -> None:
    await shop.agree_all(range(100, 110))
    campaign = await shop.started()
    await shop.execute(
        "CREATE TRIGGER trouble BEFORE UPDATE ON delivery WHEN NEW.state = 'sending' "
        "BEGIN SELECT RAISE(ABORT, 'trouble'); END"
    )
    process = await shop.process().start()
    await until(lambda: shop.deliveries("ready"))
    await asyncio.sleep(0.3)
    assert shop.calls() == []
    assert process.pace._in_use == 0
    await shop.execute("DROP TRIGGER trouble")
    await until(lambda: shop.is_over(campaign))
    assert await states(shop, campaign) == {"sent": 10}


async def test_twenty_refusals_are_not_counted_twice_when_storing_them_fails(shop: Shop) -> None:
    await shop.agree_all(range(100, 112))
    campaign = await shop.started()
    shop.sandbox.refuse(bad_request("BUTTON_URL_INVALID"), method="sendMessage", times=12)
    await shop.execute(
        "CREATE TRIGGER trouble BEFORE UPDATE ON delivery WHEN NEW.state = 'failed' "
        "BEGIN SELECT RAISE(ABORT, 'trouble'); END"
    )
    await shop.process().start()
    await until(lambda: len(shop.calls()) == 12)
    await asyncio.sleep(1.2)
    await shop.execute("DROP TRIGGER trouble")
    await until(lambda: shop.is_over(campaign))
    assert (await shop.report(campaign)).failed_by_reason == {"content_refused": 12}


async def test_a_person_whose_key_does_not_open_keeps_nobody_else_waiting(shop: Shop) -> None:
    people = await shop.agree_all(range(100, 110))
    campaign = await shop.started()
    await shop.execute(
        f"UPDATE data_key SET wrapped = zeroblob(40) WHERE id = '{people[3].id}'"  # noqa: S608
    )
    process = await shop.process().start()
    await until(lambda: shop.is_over(campaign))
    assert await states(shop, campaign) == {"sent": 9, "failed": 1}
    assert (await shop.report(campaign)).failed_by_reason == {"unreadable": 1}
    assert (process.pace._in_use, len(process.flights)) == (0, 0)


async def test_a_locale_no_longer_served_keeps_nobody_from_their_message(shop: Shop) -> None:
    await shop.agree(100)
    await shop.execute("UPDATE subject SET locale = 'de'")
    campaign = await shop.started()
    await shop.process().start()
    await until(lambda: shop.is_over(campaign))
    assert await states(shop, campaign) == {"sent": 1}


async def test_a_message_that_cannot_be_prepared_rests_and_the_others_go_on(shop: Shop) -> None:
    await shop.agree_all(range(100, 105))
    broken = await shop.started("Broken")
    campaign = await shop.started()

    async def bodies(campaign_id: str) -> Body:
        if campaign_id == broken.id:
            raise CampaignUnknown(campaign_id)
        return HELLO

    process = await shop.process(bodies=bodies).start()
    await until(lambda: shop.is_over(campaign))
    await until(lambda: not process.flights)
    assert await shop.state(broken) == "paused"
    assert await states(shop, broken) == {"ready": 5}
    assert process.pace._in_use == 0


class BrokenChannel:
    """Fails in a way that nobody thought of."""

    async def send(self, message: Prepared) -> Outcome:  # noqa: ARG002
        raise RuntimeError("nobody thought of this")

    async def close(self) -> None:
        pass


async def test_whatever_a_channel_does_is_doubt_and_not_the_end(shop: Shop) -> None:
    await shop.agree_all(range(100, 105))
    campaign = await shop.started()
    process = shop.process()
    process.sender.channel = BrokenChannel()
    await process.start()
    await until(lambda: shop.is_over(campaign))
    assert await states(shop, campaign) == {"uncertain": 5}
    assert (process.pace._in_use, len(process.flights)) == (0, 0)


async def test_nothing_is_sent_while_the_backlog_is_not_handled(shop: Shop) -> None:
    await shop.agree(100)
    campaign = await shop.started()
    process = shop.process()
    held = True
    process.sender.is_held = lambda: held
    await process.start()
    await asyncio.sleep(0.3)
    assert await states(shop, campaign) == {}
    held = False
    process.sender.wake.set()
    await until(lambda: shop.is_over(campaign))


# --- the rate, in real time


@pytest.mark.parametrize(("rate", "people"), [(30, 120), (100, 250)])
async def test_a_broadcast_uses_the_permitted_rate_and_never_more(
    shop: Shop, rate: int, people: int
) -> None:
    await shop.agree_all(range(1000, 1000 + people))
    campaign = await shop.started()
    shop.sandbox.rate_limit = RateLimit(rate)
    await shop.process(rate=rate).start()
    await until(lambda: shop.is_over(campaign), seconds=60)
    assert shop.sandbox.rate_limit.refused == 0
    assert await states(shop, campaign) == {"sent": people}
    times = [call.started for call in shop.calls()]
    # On a quiet machine 1.05; a busy one holds each place longer. test_pace.py knows exactly.
    assert max(times) - min(times) <= people / rate * 1.6
