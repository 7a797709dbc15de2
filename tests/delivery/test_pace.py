"""The pace: all of what is permitted, never more, answers first."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.delivery.pace import CATCH_UP_SECONDS, Pace

RATES = st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 29.97, 30.0, 100.0, 1000.0])


@dataclass
class Clock:
    """Stands still until it is moved."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


def in_windows(written: list[float], seconds: float) -> Iterator[int]:
    """How many fall into each window that begins with one of them (its end is outside)."""
    for start in written:
        yield sum(start <= at < start + seconds for at in written)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(0, 1.5)),
        st.tuples(st.just("take"), st.integers(0, 50)),
        st.tuples(st.just("land"), st.floats(0, 1)),
        st.tuples(st.just("unused"), st.integers(1, 5)),
        st.tuples(st.just("pause"), st.floats(0, 3)),
    ),
    max_size=80,
)


@given(rate=RATES, steps=STEPS)
def test_no_second_ever_holds_more_than_the_rate(
    rate: float, steps: list[tuple[str, float]]
) -> None:
    """Telegram may see each send at any moment between its write and its answer."""
    clock = Clock()
    pace = Pace(rate, now=clock)
    in_the_air: list[float] = []
    seen: list[float] = []
    for step, size in steps:
        match step:
            case "pass":
                clock.at += size
            case "take":
                in_the_air += [clock.at] * pace.take(int(size))
            case "land" if in_the_air:
                taken = in_the_air.pop(0)
                seen.append(taken + (clock.at - taken) * size)
                pace.release()
            case "unused":
                unused = min(int(size), len(in_the_air))
                del in_the_air[len(in_the_air) - unused :]
                pace.give_back(unused)
            case "pause":
                pace.pause(size)
    for moment in (0.0, 1.0):  # those still in the air may be seen at once, or only now
        everything = sorted(seen + [taken + (clock.at - taken) * moment for taken in in_the_air])
        assert max(in_windows(everything, max(1.0, 1 / rate)), default=0) <= max(1, rate)


def _spend(pace: Pace, clock: Clock, latency: float, seconds: float) -> list[float]:
    """Send for a while as the sender does: take what there is, land it `latency` later."""
    written: list[float] = []
    landing: list[float] = []
    end = clock.at + seconds
    while clock.at < end:
        while landing and landing[0] <= clock.at:
            landing.pop(0)
            pace.release()
        taken = pace.take(30)
        written += [clock.at] * taken
        landing += [clock.at + latency] * taken
        clock.at += 0.007  # a loop that is always a little late
    return written


@pytest.mark.parametrize("rate", [0.5, 1.0, 5.0, 30.0, 1000.0])
def test_a_sender_that_wakes_up_late_still_uses_the_whole_rate(rate: float) -> None:
    clock = Clock()
    written = _spend(Pace(rate, now=clock), clock, latency=0.0, seconds=20.0)
    assert len(written) >= 20 * rate * 0.95 - 1
    assert max(in_windows(written, 1.0)) <= max(1, rate)


def test_the_time_under_way_costs_no_more_than_itself() -> None:
    """A place is taken for the send and a second more: 30 places give 30/1.05 a second."""
    clock = Clock()
    written = _spend(Pace(30, now=clock), clock, latency=0.05, seconds=20.0)
    assert len(written) >= 20 * 30 / 1.06 * 0.97


@pytest.mark.parametrize(("rate", "spacing"), [(0.5, 2.0), (0.25, 4.0), (1.0, 1.0)])
def test_slow_rates_send_one_message_at_a_time(rate: float, spacing: float) -> None:
    clock = Clock()
    written = _spend(Pace(rate, now=clock), clock, latency=0.0, seconds=20.0)
    gaps = [later - earlier for earlier, later in pairwise(written)]
    assert all(spacing <= gap <= spacing + 0.02 for gap in gaps)
    assert len(gaps) >= 20 / spacing - 2


def test_messages_are_spread_and_not_sent_in_one_burst_after_a_rest() -> None:
    clock = Clock()
    pace = Pace(30, now=clock)
    clock.at += 3600
    assert pace.take(30) <= 30 * CATCH_UP_SECONDS + 1
    clock.at += 3600
    assert pace.take(30) <= 30 * CATCH_UP_SECONDS + 1


def test_what_is_given_back_can_be_taken_at_once() -> None:
    """Or a campaign that finds nobody to write to would starve the next one."""
    clock = Clock()
    pace = Pace(30, now=clock)
    taken = pace.take(30)
    assert taken > 0
    for _ in range(100):
        pace.give_back(taken)
        assert pace.take(30) == taken


def test_an_answer_goes_at_once_and_a_campaign_waits_for_it() -> None:
    clock = Clock()
    pace = Pace(2, now=clock)
    assert pace.take(1) == 1
    clock.at += 0.5
    assert pace.take(1) == 1

    async def answer() -> None:
        async with pace.answer():
            pass

    async def people_first() -> None:
        answering = asyncio.ensure_future(answer())
        await asyncio.sleep(0)
        pace.release()
        clock.at += 0.9
        assert pace.take(1) == 0
        clock.at += 0.1  # a place is free, and somebody waits for an answer
        assert pace.take(1) == 0
        await asyncio.wait_for(answering, 5)

    asyncio.run(people_first())


async def test_answers_go_in_the_order_in_which_they_came() -> None:
    pace = Pace(50)
    order: list[int] = []

    async def answer(number: int) -> None:
        async with pace.answer():
            order.append(number)

    started = time.monotonic()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for number in range(120):
            group.create_task(answer(number))
    assert order == list(range(120))
    assert 2.0 <= time.monotonic() - started < 3.5


async def test_an_answer_that_fails_or_is_given_up_takes_no_place_for_ever() -> None:
    clock = Clock()
    pace = Pace(1, now=clock)
    with pytest.raises(RuntimeError):
        async with pace.answer():
            raise RuntimeError
    waiting = asyncio.ensure_future(answer_through(pace))
    await asyncio.sleep(0)
    assert pace.take(1) == 0
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    clock.at += 1.0
    assert pace.take(1) == 1


async def answer_through(pace: Pace) -> None:
    async with pace.answer():
        pass


def test_a_pause_stops_everything_and_the_longer_one_counts() -> None:
    clock = Clock()
    pace = Pace(30, now=clock)
    pace.pause(10)
    pace.pause(1)
    assert pace.pause_left == 10
    assert pace.seconds_until_due() == 10
    clock.at += 9.99
    assert pace.take(1) == 0
    clock.at += 0.02
    assert pace.pause_left == 0
    assert pace.take(1) == 1


def test_the_wait_that_is_told_is_enough() -> None:
    clock = Clock()
    pace = Pace(2, now=clock)
    for _ in range(20):
        clock.at += pace.seconds_until_due() + 1e-9
        assert pace.take(1) == 1
        pace.release()
