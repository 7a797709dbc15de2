"""What can happen to a consent, and the proof that each answer leaves (promises 1, 2, 4)."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from tea_shop import (
    AT,
    DATA,
    DAY,
    HOUR,
    MINUTE,
    OFFERS,
    ORDERS,
    PRESS,
    SHOWN,
    Shop,
    purpose,
)

from bot.consent.acts import Act, Choice, Method
from bot.consent.purposes import Period
from bot.consent.rules import (
    PROMPT_LIFETIME,
    UNDO_LIFETIME,
    EntryId,
    EventKind,
    PrerequisiteMissing,
    PromptOver,
    PromptUnknown,
    PurposeId,
    Standing,
    SubjectId,
    UndoOver,
)
from bot.proof import canonical, entry
from bot.usecases.events import EventWriter
from storage.prompts import Step

AGREE, DECLINE, CONFIRM = Choice.AGREE, Choice.DECLINE, Choice.CONFIRM
MS = timedelta(milliseconds=1)
STOP = Act(method=Method.COMMAND, update_id=501, message_id=77)
UNDO = Act(method=Method.UNDO)


# --- agreeing and declining -------------------------------------------------------------------


async def test_a_yes_is_a_consent_with_its_proof(shop: Shop) -> None:
    person = await shop.meet()
    outcome = await shop.answer(person, DATA, update_id=11)
    assert (outcome.event, outcome.purpose_id, outcome.at) == (EventKind.GRANTED, DATA, AT)
    assert (await shop.standings(person))[DATA] is Standing.LIVE
    stored = await shop.consents.event(outcome.entry_id)
    assert stored is not None
    assert (stored.index, stored.update_id, stored.subject_id) == (outcome.index, 11, person.id)


async def test_a_refusal_is_recorded_as_a_refusal(shop: Shop) -> None:
    person = await shop.meet()
    outcome = await shop.answer(person, DATA, DECLINE)
    assert outcome.event is EventKind.REFUSED
    assert (await shop.standings(person))[DATA] is Standing.REFUSED
    assert (await shop.payload(outcome.entry_id))["event"] == "refused"


async def test_a_no_to_what_was_agreed_to_is_a_withdrawal(shop: Shop) -> None:
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    await shop.answer(person, DATA)
    outcome = await shop.consents.answer(person, nonce, DECLINE, PRESS, AT + MINUTE)
    assert outcome.event is EventKind.WITHDRAWN
    assert (await shop.standings(person))[DATA] is Standing.WITHDRAWN


async def test_a_refusal_may_become_a_yes(shop: Shop) -> None:
    person = await shop.meet()
    refused = await shop.answer(person, DATA, DECLINE)
    granted = await shop.answer(person, DATA, at=AT + HOUR)
    assert (await shop.standings(person))[DATA] is Standing.LIVE
    assert (await shop.payload(granted.entry_id))["previous"] == refused.entry_id


async def test_agreeing_to_what_holds_already_changes_nothing(shop: Shop) -> None:
    person = await shop.meet()
    first = await shop.answer(person, DATA)
    size = await shop.log_size()
    again = await shop.answer(person, DATA, at=AT + HOUR)
    assert again == first
    assert await shop.log_size() == size


async def test_nothing_is_granted_whose_prerequisite_is_missing(shop: Shop) -> None:
    person = await shop.meet()
    nonce = await shop.ask(person, OFFERS)
    with pytest.raises(PrerequisiteMissing) as caught:
        await shop.consents.answer(person, nonce, AGREE, PRESS, AT)
    assert caught.value.detail == DATA
    assert await shop.events(person) == []
    await shop.answer(person, DATA)
    outcome = await shop.consents.answer(person, nonce, AGREE, PRESS, AT + MINUTE)
    assert outcome.event is EventKind.GRANTED  # the prompt was not burnt


async def test_declining_needs_no_prerequisite(shop: Shop) -> None:
    person = await shop.meet()
    outcome = await shop.answer(person, OFFERS, DECLINE)
    assert outcome.event is EventKind.REFUSED


async def test_an_end_is_counted_from_the_answer_and_is_exclusive(shop: Shop) -> None:
    await shop.publish(purpose(DATA, valid_for=Period("P1M")))
    person = await shop.meet()
    outcome = await shop.answer(person, DATA)
    end = AT.replace(month=12)
    assert (await shop.payload(outcome.entry_id))["expires"] == entry.rfc3339(end)
    assert (await shop.standings(person, end - MS))[DATA] is Standing.LIVE
    assert (await shop.standings(person, end))[DATA] is Standing.EXPIRED


# --- prompts ----------------------------------------------------------------------------------


async def test_a_prompt_lives_until_the_last_moment_of_its_day(shop: Shop) -> None:
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    outcome = await shop.consents.answer(person, nonce, AGREE, PRESS, AT + PROMPT_LIFETIME - MS)
    assert outcome.event is EventKind.GRANTED


@pytest.mark.parametrize("late", [timedelta(0), MS, HOUR, timedelta(days=400)])
@pytest.mark.parametrize("choice", [AGREE, DECLINE])
async def test_from_its_end_on_a_prompt_never_becomes_an_answer(
    shop: Shop, late: timedelta, choice: Choice
) -> None:
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    with pytest.raises(PromptOver):
        await shop.consents.answer(person, nonce, choice, PRESS, AT + PROMPT_LIFETIME + late)
    assert await shop.events(person) == []
    assert (await shop.standings(person))[DATA] is Standing.NEVER_ASKED


async def test_a_prompt_of_an_older_text_records_nothing(shop: Shop) -> None:
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    await shop.publish(purpose(DATA, "the second text"), at=AT)
    size = await shop.log_size()
    for choice in (AGREE, DECLINE):
        with pytest.raises(PromptOver) as caught:
            await shop.consents.answer(person, nonce, choice, PRESS, AT + MINUTE)
        assert caught.value.detail == DATA
    assert await shop.log_size() == size
    assert await shop.events(person) == []


async def test_a_prompt_of_an_editorially_older_text_records_nothing_either(shop: Shop) -> None:
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    await shop.publish(purpose(DATA, "the second text", reask=False))
    with pytest.raises(PromptOver):
        await shop.consents.answer(person, nonce, AGREE, PRESS, AT + MINUTE)
    assert await shop.events(person) == []


async def test_a_prompt_of_a_retired_purpose_records_nothing(shop: Shop) -> None:
    person = await shop.meet()
    await shop.answer(person, DATA)
    nonce = await shop.ask(person, OFFERS)
    await shop.publish(purpose(DATA))
    with pytest.raises(PromptOver):
        await shop.consents.answer(person, nonce, AGREE, PRESS, AT + MINUTE)
    assert await shop.events(person) == ["granted personal-data"]


async def test_anothers_button_is_unknown_and_burns_nothing(shop: Shop) -> None:
    person, thief = await shop.meet("1"), await shop.meet("2")
    nonce = await shop.ask(person, DATA)
    with pytest.raises(PromptUnknown):
        await shop.consents.answer(thief, nonce, DECLINE, PRESS, AT)
    assert await shop.events(thief) == []
    assert await shop.consents.prompted_purpose(thief, nonce) is None
    assert await shop.consents.prompted_purpose(person, nonce) == DATA
    outcome = await shop.consents.answer(person, nonce, AGREE, PRESS, AT + MINUTE)
    assert outcome.event is EventKind.GRANTED


async def test_a_made_up_nonce_is_unknown(shop: Shop) -> None:
    person = await shop.meet()
    with pytest.raises(PromptUnknown):
        await shop.consents.answer(person, "x" * 22, AGREE, PRESS, AT)
    assert await shop.events(person) == []


async def test_a_nonce_is_128_bits_that_fit_a_button(shop: Shop) -> None:
    person = await shop.meet()
    nonces = {await shop.ask(person, DATA) for _ in range(50)}
    assert len(nonces) == 50
    assert {len(nonce) for nonce in nonces} == {22}


async def test_questions_that_ended_are_forgotten_but_what_was_shown_is_kept(shop: Shop) -> None:
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    outcome = await shop.consents.answer(person, nonce, AGREE, PRESS, AT)
    await shop.consents.forget_old_prompts(AT + 2 * PROMPT_LIFETIME + MS)
    with pytest.raises(PromptUnknown):
        await shop.consents.answer(person, nonce, AGREE, PRESS, AT + 3 * DAY)
    assert (await shop.payload(outcome.entry_id))["shown"] == SHOWN.to_json()


# --- repeats, races, crashes ------------------------------------------------------------------


@pytest.mark.parametrize("choice", [AGREE, DECLINE])
async def test_the_same_answer_again_is_the_first_outcome_again(shop: Shop, choice: Choice) -> None:
    """A crash between the commit and the reply brings the same update once more."""
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    act = Act(method=Method.CALLBACK, update_id=11, callback_id="c")
    first = await shop.consents.answer(person, nonce, choice, act, AT)
    size = await shop.log_size()
    # Even a day later, when the prompt would be over.
    again = await shop.consents.answer(person, nonce, choice, act, AT + 2 * PROMPT_LIFETIME)
    assert again == first
    assert await shop.log_size() == size


async def test_a_repeated_no_says_again_what_ended_with_it(shop: Shop) -> None:
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    await shop.agree_all(person)
    act = Act(method=Method.CALLBACK, update_id=12)
    first = await shop.consents.answer(person, nonce, DECLINE, act, AT + MINUTE)
    assert [event.purpose_id for event in first.ended] == [ORDERS, OFFERS]
    assert await shop.consents.answer(person, nonce, DECLINE, act, AT + HOUR) == first


async def test_the_other_choice_on_a_spent_prompt_contradicts_and_changes_nothing(
    shop: Shop,
) -> None:
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    first = await shop.consents.answer(person, nonce, AGREE, PRESS, AT)
    other = await shop.consents.answer(person, nonce, DECLINE, PRESS, AT + MINUTE)
    assert other.contradicts
    assert (other.event, other.entry_id, other.at) == (first.event, first.entry_id, first.at)
    assert await shop.events(person) == ["granted personal-data"]
    assert (await shop.standings(person))[DATA] is Standing.LIVE


async def test_a_spent_prompt_of_a_retired_purpose_still_tells_its_outcome(shop: Shop) -> None:
    person = await shop.meet()
    await shop.answer(person, DATA)
    nonce = await shop.ask(person, OFFERS)
    first = await shop.consents.answer(person, nonce, AGREE, PRESS, AT)
    await shop.publish(purpose(DATA))
    assert await shop.consents.answer(person, nonce, AGREE, PRESS, AT + MINUTE) == first


async def test_two_presses_at_once_are_one_event(either_shop: Shop) -> None:
    shop = either_shop
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    presses = (shop.consents.answer(person, nonce, AGREE, PRESS, AT) for _ in range(8))
    outcomes = await asyncio.gather(*presses)
    assert len({outcome.entry_id for outcome in outcomes}) == 1
    assert await shop.events(person) == ["granted personal-data"]


async def test_of_two_contrary_presses_at_once_one_stands(either_shop: Shop) -> None:
    shop = either_shop
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    presses = (shop.consents.answer(person, nonce, c, PRESS, AT) for c in (AGREE, DECLINE) * 4)
    outcomes = await asyncio.gather(*presses)
    assert len({outcome.entry_id for outcome in outcomes}) == 1
    assert sorted(outcome.contradicts for outcome in outcomes) == [False] * 4 + [True] * 4
    assert len(await shop.events(person)) == 1


async def test_answers_of_many_people_at_once_leave_one_log(either_shop: Shop) -> None:
    shop = either_shop
    people = [await shop.meet(str(number)) for number in range(10)]
    size = await shop.log_size()
    await asyncio.gather(*(shop.answer(person, DATA) for person in people))
    entries = (await shop.log())[size:]
    assert {one.payload["subject"] for one in entries} == {person.id for person in people}
    assert [one.index for one in entries] == list(range(size, size + 10))


class Crash(Exception):
    """The process ends here."""


async def test_a_crash_before_the_commit_leaves_nothing_behind(shop: Shop) -> None:
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    size = await shop.log_size()

    def no_entropy(_: int) -> bytes:
        raise Crash

    journal = replace(shop.core.journal, entropy=no_entropy)
    crashing = replace(shop.consents, events=EventWriter(journal=journal))
    with pytest.raises(Crash):
        await crashing.answer(person, nonce, AGREE, PRESS, AT)
    assert await shop.events(person) == []
    assert await shop.log_size() == size
    outcome = await shop.consents.answer(person, nonce, AGREE, PRESS, AT)
    assert outcome.event is EventKind.GRANTED  # the prompt was not burnt


async def test_a_crash_after_the_commit_of_a_withdrawal_repeats_its_outcome(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)

    async def crash(_: SubjectId) -> None:
        raise Crash

    with pytest.raises(Crash):
        await replace(shop.consents, recall=crash).leave_all(person, STOP, AT + HOUR)
    assert (await shop.standings(person))[OFFERS] is Standing.WITHDRAWN
    size = await shop.log_size()
    ended = await shop.consents.leave_all(person, STOP, AT + HOUR)
    assert [event.purpose_id for event in ended] == [ORDERS, OFFERS]
    assert await shop.log_size() == size


# --- double opt-in ----------------------------------------------------------------------------


async def test_a_double_opt_in_allows_nothing_until_it_is_confirmed(shop: Shop) -> None:
    await shop.publish(purpose(DATA), purpose(OFFERS, double_opt_in=True))
    person = await shop.meet()
    granted = await shop.answer(person, OFFERS)
    assert granted.event is EventKind.GRANTED
    assert granted.waits_for_confirmation
    assert (await shop.standings(person))[OFFERS] is Standing.UNCONFIRMED
    confirmed = await shop.answer(person, OFFERS, CONFIRM, AT + MINUTE)
    assert confirmed.event is EventKind.CONFIRMED
    assert not confirmed.waits_for_confirmation
    assert (await shop.standings(person))[OFFERS] is Standing.LIVE
    assert (await shop.payload(confirmed.entry_id))["previous"] == granted.entry_id


async def test_a_first_question_cannot_be_confirmed_nor_a_confirmation_agreed_to(
    shop: Shop,
) -> None:
    await shop.publish(purpose(OFFERS, double_opt_in=True))
    person = await shop.meet()
    first = await shop.ask(person, OFFERS)
    with pytest.raises(PromptOver):
        await shop.consents.answer(person, first, CONFIRM, PRESS, AT)
    await shop.consents.answer(person, first, AGREE, PRESS, AT)
    second = await shop.ask(person, OFFERS, step=Step.CONFIRM)
    with pytest.raises(PromptOver):
        await shop.consents.answer(person, second, AGREE, PRESS, AT)
    assert (await shop.standings(person))[OFFERS] is Standing.UNCONFIRMED


async def test_a_confirmation_without_a_yes_before_it_is_over(shop: Shop) -> None:
    await shop.publish(purpose(OFFERS, double_opt_in=True))
    person = await shop.meet()
    with pytest.raises(PromptOver):
        await shop.answer(person, OFFERS, CONFIRM)
    await shop.answer(person, OFFERS)
    confirmation = await shop.ask(person, OFFERS, step=Step.CONFIRM)
    await shop.consents.leave_all(person, STOP, AT)
    with pytest.raises(PromptOver):
        await shop.consents.answer(person, confirmation, CONFIRM, PRESS, AT + MINUTE)
    assert (await shop.standings(person))[OFFERS] is Standing.WITHDRAWN


async def test_a_confirmation_can_be_declined(shop: Shop) -> None:
    await shop.publish(purpose(OFFERS, double_opt_in=True))
    person = await shop.meet()
    await shop.answer(person, OFFERS)
    confirmation = await shop.ask(person, OFFERS, step=Step.CONFIRM)
    outcome = await shop.consents.answer(person, confirmation, DECLINE, PRESS, AT)
    assert outcome.event is EventKind.WITHDRAWN
    assert (await shop.standings(person))[OFFERS] is Standing.WITHDRAWN


async def test_a_repeated_first_yes_still_waits_for_its_confirmation(shop: Shop) -> None:
    await shop.publish(purpose(OFFERS, double_opt_in=True))
    person = await shop.meet()
    nonce = await shop.ask(person, OFFERS)
    first = await shop.consents.answer(person, nonce, AGREE, PRESS, AT)
    assert await shop.consents.answer(person, nonce, AGREE, PRESS, AT) == first


# --- leaving ----------------------------------------------------------------------------------


async def test_a_withdrawal_ends_what_requires_it_and_says_why(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    assert await shop.consents.dependents(person, DATA) == [ORDERS, OFFERS]
    act = Act(method=Method.CALLBACK, update_id=21)
    ended = await shop.consents.withdraw(person, DATA, act, AT + HOUR)
    assert [event.purpose_id for event in ended] == [DATA, ORDERS, OFFERS]
    assert set((await shop.standings(person)).values()) == {Standing.WITHDRAWN}
    methods = [(await shop.payload(event.entry_id))["method"] for event in ended]
    assert methods == ["callback", "prerequisite", "prerequisite"]


async def test_one_subscription_left_leaves_the_others(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    ended = await shop.consents.withdraw(person, OFFERS, PRESS, AT + HOUR)
    assert [event.purpose_id for event in ended] == [OFFERS]
    standings = await shop.standings(person)
    assert standings == {DATA: Standing.LIVE, ORDERS: Standing.LIVE, OFFERS: Standing.WITHDRAWN}


async def test_leaving_all_messages_keeps_the_consent_to_processing(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    ended = await shop.consents.leave_all(person, STOP, AT + HOUR)
    assert [event.purpose_id for event in ended] == [ORDERS, OFFERS]
    assert (await shop.standings(person))[DATA] is Standing.LIVE


async def test_leaving_twice_has_nothing_to_end(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    await shop.consents.leave_all(person, STOP, AT + HOUR)
    other = Act(method=Method.COMMAND, update_id=502)
    assert await shop.consents.leave_all(person, other, AT + DAY) == []
    assert await shop.consents.withdraw(person, OFFERS, PRESS, AT + DAY) == []


async def test_the_same_stop_twice_is_the_first_outcome(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    first = await shop.consents.leave_all(person, STOP, AT + HOUR)
    size = await shop.log_size()
    assert await shop.consents.leave_all(person, STOP, AT + DAY) == first
    assert await shop.log_size() == size


async def test_the_same_withdrawal_twice_is_the_first_outcome(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    act = Act(method=Method.CALLBACK, update_id=31)
    first = await shop.consents.withdraw(person, DATA, act, AT + HOUR)
    await shop.answer(person, DATA, at=AT + 2 * HOUR)  # agreed anew before the repeat came
    assert await shop.consents.withdraw(person, DATA, act, AT + DAY) == first
    assert (await shop.standings(person))[DATA] is Standing.LIVE


async def test_stop_ends_what_is_not_offered_now_but_may_be_again(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    offered = list(shop.publication.catalogue.purposes)
    await shop.publish(offered[0])
    ended = await shop.consents.leave_all(person, STOP, AT + HOUR)
    assert [event.purpose_id for event in ended] == [ORDERS, OFFERS]
    await shop.publish(*offered)
    assert (await shop.standings(person))[OFFERS] is Standing.WITHDRAWN


async def test_stop_ends_a_yes_that_waits_for_its_confirmation(shop: Shop) -> None:
    await shop.publish(purpose(OFFERS, double_opt_in=True))
    person = await shop.meet()
    await shop.answer(person, OFFERS)
    (ended,) = await shop.consents.leave_all(person, STOP, AT + HOUR)
    assert ended.event is EventKind.WITHDRAWN
    assert not ended.is_undoable  # there was no consent yet that could come back


# --- undo -------------------------------------------------------------------------------------


async def test_an_undo_is_a_grant_of_the_same_text(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    (left,) = await shop.consents.withdraw(person, OFFERS, PRESS, AT + HOUR)
    back = await shop.consents.undo(person, left.entry_id, UNDO, AT + HOUR + UNDO_LIFETIME - MS)
    assert back.event is EventKind.GRANTED
    assert (await shop.standings(person))[OFFERS] is Standing.LIVE
    payload = await shop.payload(back.entry_id)
    assert (payload["method"], payload["previous"]) == ("undo", left.entry_id)
    assert payload["notice_sha256"] == (await shop.payload(left.entry_id))["notice_sha256"]


@pytest.mark.parametrize("late", [timedelta(0), MS, DAY])
async def test_after_ten_minutes_it_is_too_late_to_undo(shop: Shop, late: timedelta) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    (left,) = await shop.consents.withdraw(person, OFFERS, PRESS, AT)
    with pytest.raises(UndoOver):
        await shop.consents.undo(person, left.entry_id, UNDO, AT + UNDO_LIFETIME + late)
    assert (await shop.standings(person))[OFFERS] is Standing.WITHDRAWN


async def test_an_undo_pressed_twice_is_one_grant(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    (left,) = await shop.consents.withdraw(person, OFFERS, PRESS, AT)
    first = await shop.consents.undo(person, left.entry_id, UNDO, AT + MINUTE)
    size = await shop.log_size()
    assert await shop.consents.undo(person, left.entry_id, UNDO, AT + 2 * MINUTE) == first
    assert await shop.consents.undo(person, left.entry_id, UNDO, AT + DAY) == first
    assert await shop.log_size() == size


async def test_two_undos_at_once_are_one_grant(either_shop: Shop) -> None:
    shop = either_shop
    person = await shop.meet()
    await shop.agree_all(person)
    (left,) = await shop.consents.withdraw(person, OFFERS, PRESS, AT)
    presses = (shop.consents.undo(person, left.entry_id, UNDO, AT + MINUTE) for _ in range(6))
    outcomes = await asyncio.gather(*presses)
    assert len({outcome.entry_id for outcome in outcomes}) == 1
    assert (await shop.events(person)).count("granted offers") == 2


async def test_a_choice_changed_since_cannot_be_undone(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    (left,) = await shop.consents.withdraw(person, OFFERS, PRESS, AT)
    await shop.answer(person, OFFERS, at=AT + MINUTE)
    await shop.consents.withdraw(person, OFFERS, PRESS, AT + 2 * MINUTE)
    with pytest.raises(UndoOver):
        await shop.consents.undo(person, left.entry_id, UNDO, AT + 3 * MINUTE)
    assert (await shop.standings(person))[OFFERS] is Standing.WITHDRAWN


async def test_a_refusal_cannot_be_undone(shop: Shop) -> None:
    person = await shop.meet()
    refused = await shop.answer(person, DATA, DECLINE)
    with pytest.raises(UndoOver):
        await shop.consents.undo(person, refused.entry_id, UNDO, AT + MINUTE)
    assert (await shop.standings(person))[DATA] is Standing.REFUSED


async def test_an_undo_after_the_text_changed_materially_is_over(shop: Shop) -> None:
    person = await shop.meet()
    await shop.answer(person, DATA)
    (left,) = await shop.consents.withdraw(person, DATA, PRESS, AT)
    await shop.publish(purpose(DATA, "the second text"))
    with pytest.raises(UndoOver):
        await shop.consents.undo(person, left.entry_id, UNDO, AT + MINUTE)


async def test_an_undo_after_an_editorial_change_grants_the_text_of_before(shop: Shop) -> None:
    person = await shop.meet()
    await shop.answer(person, DATA)
    (left,) = await shop.consents.withdraw(person, DATA, PRESS, AT)
    await shop.publish(purpose(DATA, "the second text", reask=False))
    back = await shop.consents.undo(person, left.entry_id, UNDO, AT + MINUTE)
    assert (await shop.payload(back.entry_id))["notice_version"] == 1
    assert (await shop.standings(person))[DATA] is Standing.LIVE


async def test_an_undo_needs_its_prerequisite_back_first(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    data, _, offers = await shop.consents.withdraw(person, DATA, PRESS, AT)
    with pytest.raises(PrerequisiteMissing):
        await shop.consents.undo(person, offers.entry_id, UNDO, AT + MINUTE)
    await shop.consents.undo(person, data.entry_id, UNDO, AT + MINUTE)
    await shop.consents.undo(person, offers.entry_id, UNDO, AT + MINUTE)
    standings = await shop.standings(person)
    assert (standings[DATA], standings[OFFERS]) == (Standing.LIVE, Standing.LIVE)


async def test_nobody_undoes_what_another_left(shop: Shop) -> None:
    person, thief = await shop.meet("1"), await shop.meet("2")
    await shop.agree_all(person)
    (left,) = await shop.consents.withdraw(person, OFFERS, PRESS, AT)
    with pytest.raises(PromptUnknown):
        await shop.consents.undo(thief, left.entry_id, UNDO, AT + MINUTE)
    with pytest.raises(PromptUnknown):
        await shop.consents.undo(person, EntryId("0" * 32), UNDO, AT + MINUTE)
    assert (await shop.standings(person))[OFFERS] is Standing.WITHDRAWN


# --- new texts, time --------------------------------------------------------------------------


async def test_a_yes_to_a_newer_text_supersedes_the_one_before(shop: Shop) -> None:
    person = await shop.meet()
    first = await shop.answer(person, DATA)
    await shop.publish(purpose(DATA, "the second text"))
    assert (await shop.standings(person))[DATA] is Standing.OLDER_TEXT
    again = await shop.answer(person, DATA, at=AT + HOUR)
    assert await shop.events(person) == [
        "granted personal-data",
        "superseded personal-data",
        "granted personal-data",
    ]
    payload = await shop.payload(again.entry_id)
    assert payload["notice_version"] == 2
    superseded = await shop.payload(EntryId(payload["previous"]))
    assert (superseded["event"], superseded["notice_version"]) == ("superseded", 1)
    assert superseded["previous"] == first.entry_id


async def test_time_ends_a_consent_and_the_log_says_so_once(shop: Shop) -> None:
    await shop.publish(purpose(DATA, valid_for=Period("P1D")))
    person = await shop.meet()
    granted = await shop.answer(person, DATA)
    assert await shop.consents.expire_due(AT + DAY - MS) == 0
    assert await shop.consents.expire_due(AT + DAY) == 1
    assert await shop.consents.expire_due(AT + 2 * DAY) == 0
    assert await shop.events(person) == ["granted personal-data", "expired personal-data"]
    expired = (await shop.log())[-1]
    assert expired.read.type == "consent.expired"
    assert (expired.payload["method"], expired.payload["previous"]) == ("clock", granted.entry_id)


async def test_an_expired_consent_that_is_renewed_is_not_called_superseded(shop: Shop) -> None:
    await shop.publish(purpose(DATA, valid_for=Period("P1D")))
    person = await shop.meet()
    await shop.answer(person, DATA)
    await shop.answer(person, DATA, at=AT + 2 * DAY)
    assert await shop.events(person) == [
        "granted personal-data",
        "expired personal-data",
        "granted personal-data",
    ]
    assert await shop.consents.expire_due(AT + 2 * DAY + HOUR) == 0


async def test_expiry_beside_renewals_never_ends_a_renewed_consent(either_shop: Shop) -> None:
    shop = either_shop
    await shop.publish(purpose(DATA, valid_for=Period("P1D")))
    people = [await shop.meet(str(number)) for number in range(8)]
    for person in people:
        await shop.answer(person, DATA)
    later = AT + 2 * DAY
    nonces = [await shop.ask(person, DATA, later) for person in people]
    await asyncio.gather(
        *(
            shop.consents.answer(person, nonce, AGREE, PRESS, later)
            for person, nonce in zip(people, nonces, strict=True)
        ),
        *(shop.consents.expire_due(later) for _ in range(2)),
    )
    for person in people:
        assert (await shop.standings(person, later))[DATA] is Standing.LIVE
        assert await shop.events(person) == [
            "granted personal-data",
            "expired personal-data",
            "granted personal-data",
        ]


async def test_a_changed_text_asks_again_only_those_who_agreed_to_the_old_one(shop: Shop) -> None:
    agreed, refused, left = [await shop.meet(account) for account in "123"]
    for person, choice in ((agreed, AGREE), (refused, DECLINE), (left, AGREE)):
        await shop.answer(person, DATA, choice)
    await shop.consents.withdraw(left, DATA, PRESS, AT)
    await shop.publish(purpose(DATA, "the second text"))
    asked = await shop.consents.to_ask_again(DATA, AT, after=None, limit=10)
    assert asked == [agreed.id]
    await shop.people.pause(agreed.id, AT + DAY)
    assert await shop.consents.to_ask_again(DATA, AT, after=None, limit=10) == []
    assert await shop.consents.to_ask_again(DATA, AT + DAY, after=None, limit=10) == [agreed.id]
    await shop.consents.ask(agreed, DATA, Step.ANSWER, SHOWN, AT + DAY, reasked=True)
    assert await shop.consents.to_ask_again(DATA, AT + DAY, after=None, limit=10) == []


# --- people who go and come back --------------------------------------------------------------


async def test_an_erased_persons_old_press_does_nothing(shop: Shop) -> None:
    person = await shop.meet()
    nonce = await shop.ask(person, DATA)
    granted = await shop.answer(person, DATA)
    await shop.records.erase(person, AT + HOUR, never_again=False)
    size = await shop.log_size()
    with pytest.raises(PromptUnknown):
        await shop.consents.answer(person, nonce, AGREE, PRESS, AT + HOUR)
    with pytest.raises(PromptUnknown):
        await shop.consents.withdraw(person, DATA, PRESS, AT + HOUR)
    with pytest.raises(PromptUnknown):
        await shop.consents.undo(person, granted.entry_id, UNDO, AT + HOUR)
    assert await shop.log_size() == size


async def test_a_consent_after_an_erasure_is_that_of_somebody_new(shop: Shop) -> None:
    before = await shop.meet("1")
    await shop.answer(before, DATA)
    await shop.records.erase(before, AT + HOUR, never_again=False)
    after = await shop.meet("1", AT + DAY)
    assert after.id != before.id
    assert after.key.secret != before.key.secret
    assert (await shop.standings(after))[DATA] is Standing.NEVER_ASKED
    outcome = await shop.answer(after, DATA, at=AT + DAY)
    payload = await shop.payload(outcome.entry_id)
    assert payload["subject"] == after.id
    assert "previous" not in payload


async def test_only_their_own_yes_ends_never_write_to_me_again(shop: Shop) -> None:
    person = await shop.meet("1")
    await shop.records.erase(person, AT, never_again=True)
    back = await shop.meet("1", AT + DAY)
    assert back.suppressed
    await shop.answer(back, DATA, DECLINE, AT + DAY)
    assert (await shop.meet("1", AT + DAY)).suppressed
    await shop.answer(back, DATA, at=AT + DAY)
    assert not (await shop.meet("1", AT + DAY)).suppressed
    await shop.records.erase(await shop.meet("1", AT + DAY), AT + 2 * DAY, never_again=False)
    assert not (await shop.meet("1", AT + 3 * DAY)).suppressed


# --- the proof of every answer ----------------------------------------------------------------


async def a_busy_day(shop: Shop) -> list[str]:
    """Let two people do everything that can be done; return their accounts."""
    await shop.publish(
        purpose(DATA), purpose(OFFERS, requires=(DATA,), double_opt_in=True), purpose(ORDERS)
    )
    one, two = await shop.meet("1"), await shop.meet("2")
    await shop.answer(one, DATA, update_id=1, callback_id="7", message_id=5, message_date=AT)
    await shop.answer(one, OFFERS, update_id=2)
    await shop.answer(one, OFFERS, CONFIRM, update_id=3)
    await shop.answer(two, ORDERS, DECLINE, update_id=4)
    (left,) = await shop.consents.withdraw(one, OFFERS, STOP, AT + MINUTE)
    await shop.consents.undo(one, left.entry_id, UNDO, AT + 2 * MINUTE)
    await shop.publish(purpose(DATA, "the second text", valid_for=Period("P1D")), purpose(ORDERS))
    await shop.answer(one, DATA, at=AT + HOUR)
    await shop.answer(two, DATA, at=AT + HOUR)
    await shop.consents.expire_due(AT + 2 * DAY)
    await shop.records.erase(two, AT + 3 * DAY, never_again=False)
    return ["1", "2"]


async def test_every_event_has_exactly_one_entry_that_opens_to_it(shop: Shop) -> None:
    await a_busy_day(shop)
    log = await shop.log()
    events = {event.entry_id: event for event in await shop.index_of_events()}
    of_consent = [one for one in log if not one.read.type.startswith(("notice.", "staff."))]
    assert [one.read.id for one in of_consent] == sorted(events, key=lambda e: events[e].index)
    for one in of_consent:
        event = events[EntryId(one.read.id)]
        is_erasure = event.event is EventKind.ERASED
        assert one.index == event.index
        assert one.read.type == ("subject.erased" if is_erasure else f"consent.{event.event}")
        assert one.read.time == entry.rfc3339(event.at)
        if one.opening is not None and not is_erasure:
            assert one.payload["event"] == event.event
            assert one.payload["purpose"] == event.purpose_id
            assert one.payload["subject"] == event.subject_id


async def test_every_commitment_opens_to_its_payload_and_to_no_other(shop: Shop) -> None:
    await a_busy_day(shop)
    opened = [one for one in await shop.log() if one.opening is not None]
    assert len(opened) > 10
    for one in opened:
        assert one.opening is not None
        salt = bytes.fromhex(one.opening["salt"])
        assert one.read.commitment == entry.commitment(salt, one.payload)
        assert one.read.commitment != entry.commitment(salt, {**one.payload, "event": "imported"})
    salts = [one.opening["salt"] for one in opened if one.opening is not None]
    assert len(set(salts)) == len(salts)


async def test_the_entry_itself_tells_nobody_who(shop: Shop) -> None:
    person = await shop.meet("700100200", first_name="Ekaterina")
    outcome = await shop.answer(person, DATA)
    hashed = (await shop.log())[outcome.index].read.hashed
    for secret in (person.id, "700100200", "Ekaterina", DATA):
        assert secret.encode() not in hashed


async def test_what_was_shown_is_kept_whole_and_hashes_to_what_is_said(shop: Shop) -> None:
    person = await shop.meet()
    yes = await shop.payload((await shop.answer(person, DATA)).entry_id)
    no = await shop.payload((await shop.answer(person, OFFERS, DECLINE)).entry_id)
    for payload in (yes, no):
        assert payload["shown"] == SHOWN.to_json()
        digest = hashlib.sha256(canonical.canonical_bytes(payload["shown"])).hexdigest()
        assert payload["shown_sha256"] == digest


async def test_the_act_is_kept_with_telegrams_ids_and_dates(shop: Shop) -> None:
    person = await shop.meet(source="poster_7")
    nonce = await shop.ask(person, DATA)
    act = Act(
        method=Method.CALLBACK,
        update_id=2**40,
        callback_id="4242",
        message_id=17,
        message_date=AT - MINUTE,
    )
    outcome = await shop.consents.answer(person, nonce, AGREE, act, AT + MINUTE)
    payload = await shop.payload(outcome.entry_id)
    expected = {
        "method": "callback",
        "update_id": str(2**40),
        "callback_id": "4242",
        "message_id": "17",
        "message_date": entry.rfc3339(AT - MINUTE),
        "prompt_date": entry.rfc3339(AT),
        "source": "poster_7",
        "channel": "telegram",
        "account": person.profile.account,
        "locale": "en",
        "notice_version": 1,
    }
    assert expected.items() <= payload.items()


async def test_each_event_names_the_one_before_of_the_same_person_and_purpose(shop: Shop) -> None:
    await a_busy_day(shop)
    latest: dict[tuple[str, str], str] = {}
    for one in await shop.log():
        if one.opening is None or not one.read.type.startswith("consent."):
            continue
        key = (one.payload["subject"], one.payload["purpose"])
        assert one.payload.get("previous") == latest.get(key)
        latest[key] = one.read.id
    assert len(latest) == 2


async def test_the_text_agreed_to_is_the_one_that_was_published(shop: Shop) -> None:
    person = await shop.meet()
    await shop.publish(purpose(DATA, "the second text"))
    outcome = await shop.answer(person, DATA)
    payload = await shop.payload(outcome.entry_id)
    text = await shop.consents.text(DATA, 2, "en")
    assert text is not None
    assert payload["notice_sha256"] == text.sha256
    assert payload["notice_entry"] == text.entry_id
    assert hashlib.sha256(text.canonical.encode()).hexdigest() == text.sha256
    (published,) = [one for one in await shop.log() if one.read.id == text.entry_id]
    assert published.payload["notice"] == canonical.parse(text.canonical.encode())


async def test_a_process_with_an_older_file_does_not_answer_for_a_newer_text(shop: Shop) -> None:
    """Two processes during an update: what is recorded is the text of the prompt, or nothing."""
    person = await shop.meet()
    before = shop.consents
    await shop.publish(purpose(DATA, "the second text"), purpose(PurposeId("events")))
    nonce = await shop.ask(person, DATA)
    outcome = await before.answer(person, nonce, AGREE, PRESS, AT)
    payload = await shop.payload(outcome.entry_id)
    text = await shop.consents.text(DATA, 2, "en")
    assert text is not None
    assert (payload["notice_version"], payload["notice_sha256"]) == (2, text.sha256)
    unknown_there = await shop.ask(person, PurposeId("events"))
    with pytest.raises(PromptOver):
        await before.answer(person, unknown_there, AGREE, PRESS, AT)


async def test_the_receipt_certifies_the_last_answer_about_each_purpose(shop: Shop) -> None:
    person = await shop.meet()
    await shop.agree_all(person)
    await shop.consents.withdraw(person, ORDERS, PRESS, AT + HOUR)
    lines = await shop.consents.receipt(person)
    assert [(line.purpose_id, line.event) for line in lines] == [
        (DATA, EventKind.GRANTED),
        (OFFERS, EventKind.GRANTED),
        (ORDERS, EventKind.WITHDRAWN),
    ]
    assert [line.index for line in lines] == sorted(line.index for line in lines)
    for line in lines:
        payload = await shop.payload(line.entry_id)
        assert payload["notice_sha256"] == line.notice_sha256


async def test_an_undo_ends_when_the_consent_that_it_takes_back_would_have_ended(
    shop: Shop,
) -> None:
    await shop.publish(purpose(DATA, "for a day only", valid_for=Period("P1D")))
    person = await shop.meet()
    await shop.answer(person, DATA)
    almost = AT + DAY - timedelta(minutes=1)
    first, second = (Act(method=Method.CALLBACK, update_id=number) for number in (76, 77))
    [left] = await shop.consents.withdraw(person, DATA, first, almost)
    await shop.consents.undo(person, left.entry_id, UNDO, almost + timedelta(seconds=10))
    [position] = [p for p in await shop.consents.positions(person, almost) if p.purpose_id == DATA]
    assert position.consent is not None
    assert position.consent.expires_at == AT + DAY
    [left] = await shop.consents.withdraw(person, DATA, second, almost + timedelta(seconds=20))
    with pytest.raises(UndoOver):
        await shop.consents.undo(person, left.entry_id, UNDO, AT + DAY)
