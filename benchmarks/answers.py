"""What a proven answer costs, against the boolean that bots keep today.

Ours meets the person, keeps the question, and commits state, sealed payload, log entry and tree
together; the baseline writes one row in one durable SQLite transaction.
"""

import itertools
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import compare
from benchmarks.shop import Shop, agree, open_shop

ANSWERS = 300


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = await open_shop(Path(folder))
        numbers = itertools.count(1)
        plain = sqlite3.connect(Path(folder) / "plain.db", isolation_level=None)
        plain.execute("PRAGMA journal_mode=WAL")
        plain.execute("PRAGMA synchronous=FULL")
        plain.execute("CREATE TABLE consent (account INTEGER PRIMARY KEY, agreed INTEGER)")
        await compare(
            f"Answers: {ANSWERS} people are met, asked, and agree, one after the other",
            lambda: _ours(shop, numbers),
            lambda: _boolean(plain, numbers),
            unit="answers",
            against="one INSERT of a boolean a person, synchronous=FULL",
        )
        plain.close()
        await shop.database.close()


async def _ours(shop: Shop, numbers: Iterator[int]) -> int:
    desks = shop.desks()
    for account in itertools.islice(numbers, ANSWERS):
        await agree(desks, account)
    return ANSWERS


async def _boolean(plain: sqlite3.Connection, numbers: Iterator[int]) -> int:
    for account in itertools.islice(numbers, ANSWERS):
        plain.execute("INSERT INTO consent VALUES (?, 1)", (account,))
    return ANSWERS
