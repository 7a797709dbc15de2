"""How long a complaint takes to answer among 100,000 people and 1,000,000 deliveries.

Ours finds the person, records who looks, signs the log, reads one moment, opens every answer,
proves each, and writes page and JSON. The baseline reads the same rows by the same indexes, and
does nothing with them.
"""

import itertools
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from gettext import NullTranslations
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from benchmarks.measuring import compare
from benchmarks.shop import ORDERS, Shop, agree, open_shop
from bot.campaigns.campaign import Author
from bot.campaigns.content import Content, ContentKind
from bot.clock import utc_now
from bot.consent.acts import Act, Method
from bot.documents.dossier_json import as_json
from bot.documents.dossier_page import as_page
from bot.proof import entry, merkle
from bot.usecases.dossier_facts import ByAccount, Dossier

PEOPLE: Final = 100_000
CAMPAIGNS: Final = 10
"""Each reaches everybody: a million deliveries."""
ANSWERS: Final = 20
"""Of the person who complains: they agreed and left as often."""
MORE_MESSAGES: Final = 1_990
"""Of the person who complains, besides those that everybody got."""
ACCOUNT: Final = 1
GOAL_SECONDS: Final = 2.0
AT: Final = 1_780_000_000_000
SEALED: Final = bytes(700)
"""As long as a sealed payload; that of somebody else is never opened."""
READS: Final = (
    "SELECT * FROM subject JOIN data_key ON data_key.id = subject.id WHERE subject.id = ?",
    "SELECT * FROM consent WHERE subject_id = ?",
    """
    SELECT * FROM consent_event e JOIN log_entry l ON l."index" = e."index"
    JOIN log_payload p ON p."index" = e."index" WHERE e.subject_id = ? ORDER BY e."index"
    """,
    """
    SELECT * FROM delivery d JOIN occurrence o ON o.id = d.occurrence_id
    JOIN campaign c ON c.id = o.campaign_id WHERE d.subject_id = ? ORDER BY d.changed_at
    """,
)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = await open_shop(Path(folder))
        subject_id = await _complainer(shop)
        await _campaigns(shop)
        with closing(sqlite3.connect(f"{folder}/data/assent.db")) as plain:
            plain.execute("PRAGMA synchronous=OFF")
            people = _people(plain)
            _log(plain, people)
            _deliveries(plain, [subject_id, *people], subject_id)
            taken: list[float] = []
            await compare(
                f"Dossier: one of {PEOPLE} people, {PEOPLE * CAMPAIGNS} deliveries; "
                f"{ANSWERS * 2} answers and {CAMPAIGNS + MORE_MESSAGES} messages are theirs",
                lambda: _ours(shop, taken),
                lambda: _bare(plain, subject_id),
                unit="dossiers",
                against="the same rows, read by sqlite3",
            )
        print(
            f"  ours took min {min(taken):.2f} median {statistics.median(taken):.2f} "
            f"max {max(taken):.2f} s each; the goal is under {GOAL_SECONDS:.0f} s"
        )
        await shop.database.close()


async def _ours(shop: Shop, taken: list[float]) -> int:
    began = time.perf_counter()
    found = await shop.core.dossiers.open(ByAccount(str(ACCOUNT)), "bench", utc_now())
    assert isinstance(found, Dossier)  # noqa: S101 they agreed above
    as_page(found, NullTranslations(), ZoneInfo("Europe/Moscow"), "en")
    as_json(found, NullTranslations())
    taken.append(time.perf_counter() - began)
    return 1


async def _bare(plain: sqlite3.Connection, subject_id: str) -> int:
    for statement in READS:
        plain.execute(statement, (subject_id,)).fetchall()
    plain.execute("SELECT * FROM notice").fetchall()
    return 1


# --- a shop that has been open for years --------------------------------------------------------


async def _complainer(shop: Shop) -> str:
    desks = shop.desks()
    for number in range(ANSWERS):
        await agree(desks, ACCOUNT)
        person = await desks.people.find(str(ACCOUNT))
        assert person is not None  # noqa: S101 met by agreeing
        act = Act(method=Method.COMMAND, update_id=10_000_000 + number, message_date=utc_now())
        await desks.consents.withdraw(person, ORDERS, act, utc_now())
    return str(person.id)


async def _campaigns(shop: Shop) -> None:
    desk = shop.desks().campaigns
    for number in range(CAMPAIGNS):
        content = Content(kind=ContentKind.TEXT, text=f"Your order no. {number} is on its way.")
        author = Author(account="2", locale="en")
        draft = await desk.draft(ORDERS, content, author, utc_now())
        await desk.start(draft.id, "2", utc_now())


def _insert(plain: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    names = ", ".join(f'"{name}"' for name in first)
    places = ", ".join(f":{name}" for name in first)
    with plain:
        plain.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({places})",  # noqa: S608 names of ours
            itertools.chain([first], rows),
        )


def _people(plain: sqlite3.Connection) -> list[str]:
    people = [os.urandom(16).hex() for _ in range(PEOPLE - 1)]
    keys = ({"id": one, "generation": 1, "wrapped": bytes(40)} for one in people)
    _insert(plain, "data_key", keys)
    facts = {"channel": "telegram", "sealed": bytes(200), "locale": "en", "reach": "reachable"}
    rows = (
        {"id": one, "lookup": os.urandom(32), "created_at": AT, "seen_at": AT, "suppressed": 0}
        | facts
        for one in people
    )
    _insert(plain, "subject", rows)
    return people


def _log(plain: sqlite3.Connection, people: list[str]) -> None:
    """Append one answer of everybody; the tree is a real one, so that proofs hold."""
    head = plain.execute("SELECT size FROM log_head").fetchone()[0]
    nodes = {
        merkle.Node(level, index): value
        for level, index, value in plain.execute('SELECT level, "index", hash FROM log_node')
    }
    kept = set(nodes)
    made = {one: os.urandom(16).hex() for one in people}
    hashed = [
        entry.build(entry_type="consent.granted", entry_id=one, at=utc_now(), commitment="0" * 64)
        for one in made.values()
    ]
    for index, line in enumerate(hashed, head):
        nodes.update(merkle.append(index, merkle.leaf_hash(line), nodes.__getitem__))
    size = head + len(hashed)
    root = merkle.fold([nodes[node] for node in merkle.root_nodes(size)])
    numbered = list(enumerate(zip(made.items(), hashed, strict=True), head))
    _insert(plain, "log_entry", (
        {"index": index, "entry_id": entry_id, "entry": line}
        for index, ((_, entry_id), line) in numbered
    ))  # fmt: skip
    _insert(plain, "log_payload", (
        {"index": index, "key_id": one, "sealed": SEALED} for index, ((one, _), _) in numbered
    ))  # fmt: skip
    _insert(plain, "log_node", (
        {"level": node.level, "index": node.index, "hash": value}
        for node, value in nodes.items() if node not in kept
    ))  # fmt: skip
    _insert(plain, "consent_event", (
        {"index": index, "entry_id": entry_id, "event": "granted", "purpose_id": ORDERS,
         "at": AT, "subject_id": one, "undoable": 0}
        for index, ((one, entry_id), _) in numbered
    ))  # fmt: skip
    _insert(plain, "consent", (
        {"subject_id": one, "purpose_id": ORDERS, "state": "granted", "entry_id": entry_id,
         "notice_version": 1, "locale": "en", "since": AT}
        for _, ((one, entry_id), _) in numbered
    ))  # fmt: skip
    with plain:
        plain.execute("UPDATE log_head SET size = ?, root = ?", (size, root))


def _deliveries(plain: sqlite3.Connection, people: list[str], subject_id: str) -> None:
    """Everybody gets every campaign; the one who complains got many others before."""
    everybody = [row[0] for row in plain.execute("SELECT id FROM occurrence")]
    campaigns = itertools.cycle([row[0] for row in plain.execute("SELECT id FROM campaign")])
    theirs = [os.urandom(16).hex() for _ in range(MORE_MESSAGES)]
    _insert(plain, "occurrence", (
        {"id": one, "campaign_id": next(campaigns), "schedule_revision": 9,
         "wall_time": str(number), "state": "ended", "started_at": AT}
        for number, one in enumerate(theirs)
    ))  # fmt: skip
    sent = itertools.chain(
        itertools.product(everybody, people), ((one, subject_id) for one in theirs)
    )
    allowed = plain.execute(
        "SELECT entry_id FROM consent_event WHERE subject_id = ?", (subject_id,)
    ).fetchone()[0]
    _insert(plain, "delivery", (
        {"id": f"{number:022}", "occurrence_id": occurrence_id, "subject_id": one,
         "state": "sent", "consent_entry_id": allowed, "fence": 1, "changed_at": AT + number,
         "message_id": number}
        for number, (occurrence_id, one) in enumerate(sent)
    ))  # fmt: skip
