"""Interleaved repetitions of two ways to do the same work, and their ratio."""

import statistics
import time
from collections.abc import Awaitable, Callable

REPETITIONS = 5

Work = Callable[[], Awaitable[int]]
"""Does the work once; returns how many things it did."""


async def compare(title: str, ours: Work, baseline: Work, *, unit: str, against: str) -> None:
    """Run both in turn; print minimum, median and maximum, and the ratio pair by pair."""
    rates: dict[str, list[float]] = {"ours": [], "baseline": []}
    for _ in range(REPETITIONS):
        for name, work in (("ours", ours), ("baseline", baseline)):
            began = time.perf_counter()
            count = await work()
            rates[name].append(count / (time.perf_counter() - began))
    print(f"\n{title}\n  baseline: {against}; {REPETITIONS} interleaved repetitions")
    for name, found in rates.items():
        print(f"  {name:9} {_spread(found, '.0f')} {unit}/s")
    ratios = [a / b for a, b in zip(rates["ours"], rates["baseline"], strict=True)]
    print(f"  ratio     {_spread(ratios, '.2f')}")


def _spread(values: list[float], form: str) -> str:
    spread = (min(values), statistics.median(values), max(values))
    return "min {} median {} max {}".format(*(format(value, form) for value in spread))
