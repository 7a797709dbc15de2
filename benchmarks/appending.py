"""What a consent event costs end to end under load, against bare inserts of the same bytes.

Ours reads and spends the question, decides, seals, writes state, index, log entry, tree and
payload, all in one durable transaction that many share; the baseline inserts the finished entry and
payload, one row and one durable commit each, and knows nothing of a tree, a consent or a key.
"""

import asyncio
import itertools
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.measuring import compare
from benchmarks.shop import ORDERS, SHOWN, Shop, open_shop
from bot.clock import utc_now
from bot.consent.acts import Act, Choice, Method
from bot.privacy.profile import Profile
from bot.usecases.people import Person
from storage.prompts import Step

EVENTS = 600
AT_ONCE = 50
"""How many people press at the same time."""

Asked = tuple[Person, str]


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = await open_shop(Path(folder))
        numbers = itertools.count(1)
        waiting = [await _asked(shop, next(numbers)) for _ in range(EVENTS * 5)]
        crowd = iter(waiting)
        with closing(_plain(Path(folder))) as plain:
            await compare(
                f"Consent events: {EVENTS} answers, {AT_ONCE} people at once",
                lambda: _ours(shop, crowd),
                lambda: _bare(shop, plain),
                unit="events",
                against="one INSERT of entry and payload an event, synchronous=FULL",
            )
        await shop.database.close()


async def _asked(shop: Shop, account: int) -> Asked:
    desks, now = shop.desks(), utc_now()
    seen = Profile(account=str(account), first_name="Person", language="en")
    person = await desks.people.meet(seen, now)
    return person, await desks.consents.ask(person, ORDERS, Step.ANSWER, SHOWN, now)


async def _ours(shop: Shop, crowd: Iterator[Asked]) -> int:
    desks = shop.desks()
    pressing = iter(list(itertools.islice(crowd, EVENTS)))

    async def press() -> None:
        for person, nonce in pressing:
            act = Act(method=Method.CALLBACK, update_id=int(person.profile.account))
            await desks.consents.answer(person, nonce, Choice.AGREE, act, utc_now())

    await asyncio.gather(*(press() for _ in range(AT_ONCE)))
    return EVENTS


def _plain(folder: Path) -> sqlite3.Connection:
    plain = sqlite3.connect(folder / "plain.db", isolation_level=None)
    plain.execute("PRAGMA journal_mode=WAL")
    plain.execute("PRAGMA synchronous=FULL")
    plain.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, entry BLOB, payload BLOB)")
    return plain


async def _bare(shop: Shop, plain: sqlite3.Connection) -> int:
    path = shop.database.url.database
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reading:
        rows = reading.execute(
            'SELECT entry, sealed FROM log_entry JOIN log_payload USING ("index") '
            'ORDER BY "index" DESC LIMIT ?',
            [EVENTS],
        ).fetchall()
    for row in rows:
        plain.execute("INSERT INTO event (entry, payload) VALUES (?, ?)", row)
    return len(rows)
