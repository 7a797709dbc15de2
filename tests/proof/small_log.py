"""A small log of a tea shop, and what an operator, or an attacker, can make of it.

A bundle is handled as its files in a dict. `signed` does what only the holder of the key can do;
`packed` is open to everybody.
"""

import hashlib
import io
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.proof import (
    archive,
    bundle,
    canonical,
    checkpoint,
    delivery,
    entry,
    merkle,
    note,
    verifier,
)
from bot.proof.bundle import Bundle, BundleWriter
from bot.proof.checkpoint import Checkpoint
from bot.proof.entry import Entry
from bot.proof.notice import notice_canonical, shown_sha256
from bot.proof.payload import Choice
from bot.proof.verifier import Report

ORIGIN = "tea.example/log"
SEED = bytes(range(32))
KEY = note.verifier_key(ORIGIN, SEED)
THIEF = b"thief".ljust(32, b".")
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
SHOWN = {"text": "News of tea?", "entities": [], "buttons": ["Agree", "Decline"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One delivery as it was sealed."""

    payload: dict[str, Any]

    @property
    def salt(self) -> bytes:
        return delivery.salt(b"k" * 32, self.payload["delivery"])

    @property
    def leaf(self) -> bytes:
        return delivery.leaf(self.salt, self.payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry with what opens it; `is_erased`: nobody has that any more."""

    type: str
    payload: dict[str, Any]
    id: str
    salt: bytes
    at: datetime
    is_erased: bool = False
    deliveries: tuple["Sealed", ...] = ()

    @property
    def entry(self) -> Entry:
        commitment = entry.commitment(self.salt, self.payload)
        return entry.parse(
            entry.build(entry_type=self.type, entry_id=self.id, at=self.at, commitment=commitment)
        )

    def saying(self, **facts: Any) -> "Line":
        """Return the line of an operator who wrote something else from the start."""
        return replace(self, payload={**self.payload, **facts})


def line(number: int, entry_type: str, payload: dict[str, Any], **facts: Any) -> Line:
    return Line(
        type=entry_type,
        payload=payload,
        id=f"{number:032x}",
        salt=bytes([number]) * 32,
        at=AT + timedelta(minutes=number),
        **facts,
    )


def notice_facts(version: int = 1, **facts: Any) -> dict[str, Any]:
    return {
        "controller": {"name": "Tea Shop"},
        "purpose": "news",
        "kind": "advertising",
        "version": version,
        "locale": "en",
        "title": "News of tea",
        "summary": "Once a week.",
        "text": f"We write to you once a week. Version {version}.",
        "data": ["telegram-account"],
        "recipients": [],
        "valid_for": None,
        **facts,
    }


def published(number: int, text: dict[str, Any]) -> Line:
    return line(number, "notice.published", {"notice": text})


def consent(
    number: int, event: str, who: str, text: Line, previous: Line | None = None, **facts: Any
) -> Line:
    about = text.payload["notice"]
    payload = {
        "subject": who,
        "channel": "telegram",
        "account": "1001",
        "event": event,
        "purpose": about["purpose"],
        "kind": about["kind"],
        "notice_entry": text.id,
        "notice_version": about["version"],
        "notice_sha256": canonical.sha256_hex(notice_canonical(about)),
        "locale": about["locale"],
        "method": "callback",
        "shown": SHOWN,
        "shown_sha256": shown_sha256(SHOWN),
        **({} if previous is None else {"previous": previous.id}),
    }
    is_erased = facts.pop("is_erased", False)
    return line(number, f"consent.{event}", {**payload, **facts}, is_erased=is_erased)


TEXT = published(0, notice_facts())
ANNA = consent(1, "granted", "anna", TEXT, source="=cmd()", update_id=7)
BORIS = consent(2, "refused", "boris", TEXT, account="1002")
GONE = consent(3, "granted", "carl", TEXT, is_erased=True)
ERASURE = line(4, "subject.erased", {"erasure": "00"})
ANNA_LEFT = consent(5, "withdrawn", "anna", TEXT, previous=ANNA)
LOG = (TEXT, ANNA, BORIS, GONE, ERASURE, ANNA_LEFT)


# --- what an operator does --------------------------------------------------------------------


def root_of(lines: Sequence[Line]) -> bytes:
    return merkle.root(each.entry.leaf for each in lines)


def head_of(lines: Sequence[Line], seed: bytes = SEED, origin: str = ORIGIN) -> str:
    return checkpoint.sign(Checkpoint(origin=origin, size=len(lines), root=root_of(lines)), seed)


def written(
    path: Path,
    lines: Sequence[Line] = LOG,
    selection: Mapping[str, str] | None = None,
    seed: bytes = SEED,
    checkpoints: Sequence[int] = (),
    origin: str = ORIGIN,
) -> int:
    """Write the bundle as the program does; return the number of rows in its tables."""
    chosen = selection or {}
    choice = Choice(chosen)
    with BundleWriter(path) as writer:
        writer.add_leaves(each.entry.leaf for each in lines)
        for index, each in enumerate(lines):
            payload = None if each.is_erased else each.payload
            is_open = payload is not None and choice.opens(each.entry, payload)
            writer.add(
                index,
                each.entry,
                salt=each.salt.hex() if is_open else None,
                payload=payload if is_open else None,
                in_table=choice.takes(each.entry, payload),
            )
            if each.type == "notice.published":
                writer.add_notice(notice_canonical(each.payload["notice"]).decode(), each.id)
            for sealed in each.deliveries:
                if choice.opens_delivery(sealed.payload):
                    writer.add_delivery(index, sealed.salt.hex(), sealed.payload)
                else:
                    writer.add_closed_delivery(index, sealed.leaf)
        for size in checkpoints:
            writer.add_checkpoint(size, head_of(lines[:size], seed))
        return writer.finish(
            Bundle(
                origin=origin,
                created=entry.rfc3339(AT),
                selection=chosen,
                checkpoint=head_of(lines, seed, origin),
                key=note.verifier_key(origin, seed),
            ),
            sign=lambda text: note.sign(text, origin, seed),
        )


def files_of(lines: Sequence[Line] = LOG, **how: Any) -> dict[str, bytes]:
    """Return the files of the bundle of a log."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        written(path, lines, **how)
        return unpacked(path.read_bytes())


def unpacked(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(files: Mapping[str, bytes]) -> bytes:
    """Put files into a canonical archive, in memory: thousands of forgeries are packed."""
    pieces, members, at = [], [], 0
    for name, data in sorted(files.items()):
        member = archive.Member(name=name, crc=zlib.crc32(data), size=len(data), header_at=at)
        pieces += [member.local_header(), data]
        members.append(member)
        at = member.content_at + member.size
    return b"".join([*pieces, archive._directory(members, at)])


def signed(files: Mapping[str, bytes], seed: bytes = SEED, **facts: Any) -> dict[str, bytes]:
    """Sign changed files anew, as whoever has this key can."""
    key = note.verifier_key(ORIGIN, seed)
    listed = {name: files[name] for name in bundle.LISTED} | {bundle.KEY: f"{key}\n".encode()}
    about = {
        **canonical.parse(files[bundle.MANIFEST]),
        "files": {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in listed.items()
        },
        **facts,
    }
    manifest = canonical.canonical_bytes(about)
    text = bundle.manifest_text(ORIGIN, manifest)
    return {
        **listed,
        bundle.MANIFEST: manifest,
        bundle.MANIFEST_NOTE: note.sign(text, ORIGIN, seed).encode(),
    }


# --- what a stranger does ---------------------------------------------------------------------


def checked(files: Mapping[str, bytes], trusted: note.VerifierKey | None = KEY) -> Report:
    return checked_bytes(packed(files), trusted)


def checked_bytes(data: bytes, trusted: note.VerifierKey | None = KEY) -> Report:
    return verifier.verify_bundle(io.BytesIO(data), "bundle.zip", trusted)
