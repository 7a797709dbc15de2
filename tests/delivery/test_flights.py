"""Flights: a withdrawal stops what is not written yet, and waits a moment for what is."""

import asyncio

import pytest

from bot.consent.rules import SubjectId
from bot.delivery.flights import RECALL_SECONDS, Flights

ANNA, BORIS = SubjectId("anna"), SubjectId("boris")


async def test_what_is_not_written_is_recalled_at_once_and_nobody_elses() -> None:
    flights = Flights()
    first, second, others = flights.begin(ANNA), flights.begin(ANNA), flights.begin(BORIS)
    await asyncio.wait_for(flights.recall(ANNA), 0.5)
    assert (first.is_recalled, second.is_recalled, others.is_recalled) == (True, True, False)


async def test_what_is_written_is_waited_for_until_it_lands() -> None:
    flights = Flights()
    flight = flights.begin(ANNA)
    flight.is_written = True
    recall = asyncio.ensure_future(flights.recall(ANNA))
    await asyncio.sleep(0)
    assert not recall.done()
    flight.landed.set()
    await asyncio.wait_for(recall, 0.5)
    assert not flight.is_recalled


async def test_every_written_message_is_waited_for() -> None:
    flights = Flights()
    first, second = flights.begin(ANNA), flights.begin(ANNA)
    first.is_written = second.is_written = True
    recall = asyncio.ensure_future(flights.recall(ANNA))
    first.landed.set()
    done, _ = await asyncio.wait([recall], timeout=0.1)
    assert not done
    second.landed.set()
    await asyncio.wait_for(recall, 0.5)


async def test_nobody_waits_longer_than_two_seconds_for_their_answer() -> None:
    assert RECALL_SECONDS == 2.0
    flights = Flights()
    flights.begin(ANNA).is_written = True
    loop = asyncio.get_running_loop()
    started = loop.time()
    await flights.recall(ANNA)
    assert 1.9 <= loop.time() - started <= 2.5


async def test_somebody_without_messages_waits_for_nothing() -> None:
    await asyncio.wait_for(Flights().recall(ANNA), 0.5)


async def test_people_are_known_as_long_as_one_of_their_messages_flies() -> None:
    flights = Flights()
    first, second, others = flights.begin(ANNA), flights.begin(ANNA), flights.begin(BORIS)
    assert (len(flights), flights.people()) == (3, {ANNA, BORIS})
    flights.end(first)
    flights.end(others)
    assert (len(flights), flights.people()) == (1, {ANNA})
    flights.end(second)
    assert (len(flights), flights.people()) == (0, set())


async def test_the_end_of_a_flight_frees_whoever_waits() -> None:
    flights = Flights()
    flight = flights.begin(ANNA)
    flight.is_written = True
    recall = asyncio.ensure_future(flights.recall(ANNA))
    await asyncio.sleep(0)
    flights.end(flight)
    await asyncio.wait_for(recall, 0.5)


@pytest.mark.parametrize("is_written", [True, False])
async def test_a_recall_of_what_has_ended_does_nothing(is_written: bool) -> None:  # noqa: FBT001
    flights = Flights()
    flight = flights.begin(ANNA)
    flight.is_written = is_written
    flights.end(flight)
    await asyncio.wait_for(flights.recall(ANNA), 0.5)
    assert not flight.is_recalled
