"""The append-only log: entries, the complete subtrees over them, payloads beside them.

The head is read from the database under its lock and never cached across transactions, because
commands append from other processes.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.proof import merkle
from bot.proof.merkle import Node
from storage.schema import checkpoint, log_entry, log_head, log_node, log_payload
from storage.upsert import upsert

HEAD = 1
PAGE = 500
NODES = """
WITH wanted (level, number) AS (VALUES {})
SELECT node.level, node."index", node.hash FROM wanted CROSS JOIN log_node AS node
WHERE node.level = wanted.level AND node."index" = wanted.number
"""


@dataclass(frozen=True, slots=True)
class Head:
    """How long the log is, and the hash of all of it."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry with what opens it, as far as that is still there."""

    index: int
    entry_id: str
    hashed: bytes
    key_id: str | None
    sealed: bytes | None


async def head(tx: AsyncConnection) -> Head:
    row = (await tx.execute(select(log_head).where(log_head.c.id == HEAD))).one_or_none()
    return Head(0, merkle.EMPTY_ROOT) if row is None else Head(row.size, row.root)


async def append(
    tx: AsyncConnection, entry_id: str, hashed: bytes, *, sealed: bytes, key_id: str | None
) -> int:
    """Add one entry with its payload; return its index. Takes the lock of the head, so: late."""
    size = await _lock_head(tx)
    await tx.execute(insert(log_entry).values(index=size, entry_id=entry_id, entry=hashed))
    await tx.execute(insert(log_payload).values(index=size, key_id=key_id, sealed=sealed))
    known = await _nodes(tx, merkle.siblings_of_append(size))
    completed = merkle.append(size, merkle.leaf_hash(hashed), known.__getitem__)
    await tx.execute(
        insert(log_node),
        [{"level": node.level, "index": node.index, "hash": value} for node, value in completed],
    )
    known.update(completed)
    # What the root needs is what was just completed and the siblings that were not joined.
    missing = [node for node in merkle.root_nodes(size + 1) if node not in known]
    known.update(await _nodes(tx, missing))
    root = merkle.fold([known[node] for node in merkle.root_nodes(size + 1)])
    await tx.execute(update(log_head).where(log_head.c.id == HEAD).values(size=size + 1, root=root))
    return size


async def _lock_head(tx: AsyncConnection) -> int:
    query = select(log_head.c.size).where(log_head.c.id == HEAD).with_for_update()
    return int((await tx.execute(query)).scalar_one())


async def _nodes(tx: AsyncConnection, wanted: Sequence[Node]) -> dict[Node, bytes]:
    if not wanted:
        return {}
    # Numbers of ours, written out: SQLAlchemy would take longer to bind dozens of pairs than the
    # database to find them. A CROSS JOIN keeps its order in SQLite, so that each pair is looked up
    # by the primary key; with IN it reads the whole table.
    pairs = ",".join(f"({node.level:d},{node.index:d})" for node in wanted)
    rows: Any = await tx.exec_driver_sql(NODES.format(pairs))
    return {Node(level, index): value for level, index, value in rows}


async def root_at(tx: AsyncConnection, size: int) -> bytes:
    """Return the root that the log had at a size."""
    found = await _nodes(tx, merkle.root_nodes(size))
    return merkle.fold([found[node] for node in merkle.root_nodes(size)])


async def inclusion_path(tx: AsyncConnection, index: int, size: int) -> list[bytes]:
    ranges = merkle.inclusion_ranges(index, size)
    found = await _nodes(tx, merkle.nodes_of(ranges))
    return merkle.prove(ranges, found.__getitem__)


async def inclusion_paths(
    tx: AsyncConnection, indexes: Sequence[int], size: int
) -> dict[int, list[bytes]]:
    """Return the path of each entry; paths of one log share most of what is read."""
    ranges = {index: merkle.inclusion_ranges(index, size) for index in indexes}
    wanted = list({node for spans in ranges.values() for node in merkle.nodes_of(spans)})
    found: dict[Node, bytes] = {}
    for start in range(0, len(wanted), PAGE):
        found |= await _nodes(tx, wanted[start : start + PAGE])
    return {index: merkle.prove(spans, found.__getitem__) for index, spans in ranges.items()}


async def entry(tx: AsyncConnection, entry_id: str) -> StoredEntry | None:
    query = _entries().where(log_entry.c.entry_id == entry_id)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _stored(row)


async def entries_by_index(tx: AsyncConnection, indexes: Iterable[int]) -> list[StoredEntry]:
    query = _entries().where(log_entry.c.index.in_(list(indexes))).order_by(log_entry.c.index)
    return [_stored(row) for row in await tx.execute(query)]


async def entries(
    tx: AsyncConnection, *, start: int = 0, size: int
) -> AsyncIterator[list[StoredEntry]]:
    """Read the log up to `size`, page by page: memory stays constant."""
    while start < size:
        query = (
            _entries()
            .where(log_entry.c.index >= start, log_entry.c.index < size)
            .order_by(log_entry.c.index)
            .limit(PAGE)
        )
        page = [_stored(row) for row in await tx.execute(query)]
        if not page:
            return
        yield page
        start = page[-1].index + 1


async def leaves(tx: AsyncConnection, size: int) -> AsyncIterator[list[bytes]]:
    """Read the leaf hashes as the tree has them, page by page: they tell a changed entry."""
    start = 0
    while start < size:
        query = (
            select(log_node.c.hash)
            .where(log_node.c.level == 0, log_node.c.index >= start, log_node.c.index < size)
            .order_by(log_node.c.index)
            .limit(PAGE)
        )
        page = [value for (value,) in await tx.execute(query)]
        if not page:
            return
        yield page
        start += len(page)


def _entries() -> Select[Any]:
    return select(
        log_entry.c.index,
        log_entry.c.entry_id,
        log_entry.c.entry,
        log_payload.c.key_id,
        log_payload.c.sealed,
    ).outerjoin(log_payload, log_payload.c.index == log_entry.c.index)


def _stored(row: Any) -> StoredEntry:
    return StoredEntry(
        index=row.index,
        entry_id=row.entry_id,
        hashed=row.entry,
        key_id=row.key_id,
        sealed=row.sealed,
    )


async def erase_payloads(tx: AsyncConnection, key_id: str) -> None:
    """Delete what opens a person's entries; the entries themselves stay (promise 7)."""
    await tx.execute(delete(log_payload).where(log_payload.c.key_id == key_id))


async def put_checkpoint(tx: AsyncConnection, size: int, note: str, at: datetime) -> None:
    await upsert(tx, checkpoint, {"size": size, "note": note, "signed_at": at})


async def latest_checkpoint(tx: AsyncConnection) -> tuple[int, str] | None:
    query = select(checkpoint).order_by(checkpoint.c.size.desc()).limit(1)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else (row.size, row.note)


async def checkpoints_around(tx: AsyncConnection, index: int) -> list[tuple[int, str]]:
    """Return the last checkpoint that does not cover an entry, and the first one that does."""
    query = select(checkpoint.c.size, checkpoint.c.note)
    before = query.where(checkpoint.c.size <= index).order_by(checkpoint.c.size.desc())
    after = query.where(checkpoint.c.size > index).order_by(checkpoint.c.size)
    return [
        (row.size, row.note) for side in (before, after) for row in await tx.execute(side.limit(1))
    ]
