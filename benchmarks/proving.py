"""What one inclusion proof costs in a long log: the log itself is not read.

Only the hashes of the tree are there, made up: a path takes the same rows, whatever is in them.
Baseline: as many rows read one by one by their primary key, through the driver of SQLite alone.
"""

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from bot.proof import merkle
from storage import log, migrations
from storage.database import Database

ENTRIES = 1_000_000
PROOFS = 200
LEVEL = """
WITH RECURSIVE node(number) AS (
    SELECT 0 UNION ALL SELECT number + 1 FROM node WHERE number + 1 < :count
)
INSERT INTO log_node (level, "index", hash) SELECT :level, number, randomblob(32) FROM node
"""
ONE = 'SELECT hash FROM log_node WHERE level = ? AND "index" = ?'


async def main(entries: int = ENTRIES) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "assent.db"
        database = Database(f"sqlite+aiosqlite:///{path}")
        await migrations.upgrade(database)
        _fill(path, entries)
        indexes = [(number * 7_919_993) % entries for number in range(PROOFS)]
        ours = [await _ours(database, index, entries) for index in indexes]
        plain = sqlite3.connect(path)
        baseline = [_baseline(plain, index, entries) for index in indexes]
        plain.close()
        await database.close()
    print(
        f"\nProving: an inclusion path out of {entries} entries, {PROOFS} of them, processor time\n"
        "  baseline: the same rows, one statement each, through sqlite3"
    )
    print(f"  ours      {_spread(ours)} ms")
    print(f"  baseline  {_spread(baseline)} ms")
    print(f"  ratio     {statistics.median(ours) / statistics.median(baseline):.2f}")


def _fill(path: Path, entries: int) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous=OFF")
    for level in range(entries.bit_length()):
        database.execute(LEVEL, {"level": level, "count": entries >> level})
    database.commit()
    database.close()


async def _ours(database: Database, index: int, size: int) -> float:
    async with database.snapshot() as tx:
        began = time.process_time()
        path = await log.inclusion_path(tx, index, size)
        took = time.process_time() - began
    assert len(path) == len(merkle.inclusion_ranges(index, size))  # noqa: S101 it did the work
    return took * 1000


def _baseline(database: sqlite3.Connection, index: int, size: int) -> float:
    began = time.process_time()
    for node in merkle.nodes_of(merkle.inclusion_ranges(index, size)):
        database.execute(ONE, (node.level, node.index)).fetchone()
    return (time.process_time() - began) * 1000


def _spread(values: list[float]) -> str:
    return f"min {min(values):.2f} median {statistics.median(values):.2f} max {max(values):.2f}"


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=ENTRIES)
    asyncio.run(main(arguments.parse_args().entries))
