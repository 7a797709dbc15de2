"""Writes the bundle: all entries, the chosen payloads opened, texts, checkpoints, tables, words."""

import base64
import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from bot.proof import archive, canonical
from bot.proof.entry import Entry
from bot.proof.note import VerifierKey
from bot.proof.page import page
from bot.proof.payload import COLUMNS, SEAL, csv_line, row, table_lines
from bot.proof.summary import Counts, summary_page
from bot.proof.words import README

FORMAT: Final = "assent-bundle/1"
ENTRIES: Final = "entries.jsonl"
LEAVES: Final = "leaves.bin"
PAYLOADS: Final = "payloads.jsonl"
NOTICES: Final = "notices.jsonl"
DELIVERIES: Final = "deliveries.jsonl"
CSV: Final = "consents.csv"
JSONL: Final = "consents.jsonl"
CHECKPOINT: Final = "checkpoint.note"
CHECKPOINTS: Final = "checkpoints.jsonl"
STAMPS: Final = "stamps.jsonl"
KEY: Final = "public-key.txt"
SUMMARY: Final = "summary.html"
PAGE: Final = "verifier.html"
README_FILE: Final = "README.txt"
MANIFEST: Final = "manifest.json"
MANIFEST_NOTE: Final = "manifest.note"
MANIFEST_DOMAIN: Final = "assent/manifest/v1"
STREAMED: Final = (ENTRIES, PAYLOADS, NOTICES, DELIVERIES, CHECKPOINTS, STAMPS, CSV, JSONL)
LISTED: Final = (*STREAMED, LEAVES, CHECKPOINT, KEY, README_FILE, SUMMARY, PAGE)
"""Every file but the manifest and its signature, which speak of the others."""
MEMBERS: Final = frozenset({*LISTED, MANIFEST, MANIFEST_NOTE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bundle says of itself."""

    origin: str
    created: str
    selection: Mapping[str, str]
    checkpoint: str
    key: VerifierKey


def manifest_text(origin: str, manifest: bytes) -> str:
    """Return what the manifest's note signs."""
    return f"{MANIFEST_DOMAIN}\n{origin}\n{hashlib.sha256(manifest).hexdigest()}\n"


class BundleWriter:
    """Collects a bundle's files beside their target, line by line; memory stays constant."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._folder = target.with_name(target.name + ".files")
        # A name of its own, so that what a killed export left open is removed by the next.
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)
        self._paths = {name: self._folder / name for name in LISTED}
        self._open = {
            name: self._paths[name].open("w", encoding="utf-8", newline="") for name in STREAMED
        }
        self._leaves = self._paths[LEAVES].open("wb")
        self._open[CSV].write(csv_line(COLUMNS))
        self._size = 0
        self._counts = Counts()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._close()
        finally:  # closing writes what is left: a full disk says so only now
            shutil.rmtree(self._folder)

    def _close(self) -> None:
        for file in (*self._open.values(), self._leaves):
            file.close()

    def add_leaves(self, hashes: Iterable[bytes]) -> None:
        """Add the next of the leaf hashes as the tree has them."""
        self._leaves.writelines(hashes)

    def add(
        self,
        index: int,
        read: Entry,
        *,
        salt: str | None,
        payload: Mapping[str, Any] | None,
        in_table: bool,
    ) -> None:
        """Add the next entry; with salt and payload it is opened, else it stays closed."""
        self._size = index + 1
        self._open[ENTRIES].write(read.hashed.decode() + "\n")
        if salt is not None and payload is not None:
            self._line(PAYLOADS, {"index": index, "salt": salt, "payload": dict(payload)})
            if read.type == SEAL:
                self._counts.add_seal(payload)
        if in_table:
            csv, json = table_lines(index, read, payload)
            self._open[CSV].write(csv)
            self._open[JSONL].write(json)
            self._counts.add(row(index, read, payload))

    def add_notice(self, notice: str, entry_id: str) -> None:
        """Add a published text with the entry that published it."""
        facts = {"entry_id": entry_id, "notice": canonical.parse(notice.encode())}
        self._line(NOTICES, facts)

    def add_closed_delivery(self, index: int, leaf: bytes) -> None:
        """Add the next leaf that the seal at this index covers."""
        self._line(DELIVERIES, {"index": index, "leaf": leaf.hex()})

    def add_delivery(self, index: int, salt: str, payload: Mapping[str, Any]) -> None:
        """Add the next delivery that the seal at this index covers, opened."""
        self._line(DELIVERIES, {"index": index, "payload": dict(payload), "salt": salt})

    def add_checkpoint(self, size: int, note: str) -> None:
        """Add an earlier checkpoint; they ascend by size."""
        self._line(CHECKPOINTS, {"note": note, "size": size})

    def add_stamp(self, size: int, authority: str, token: bytes) -> None:
        """Add an RFC 3161 stamp on the checkpoint of this size; stamps and posts ascend."""
        text = base64.b64encode(token).decode()
        self._line(STAMPS, {"authority": authority, "kind": "rfc3161", "size": size, "token": text})

    def add_post(self, size: int, channel: str, message_id: str, date: str) -> None:
        """Add where the checkpoint of this size was posted for everybody to see."""
        about = {"channel": channel, "date": date, "message_id": message_id}
        self._line(STAMPS, {**about, "kind": "post", "size": size})

    def _line(self, name: str, facts: Mapping[str, Any]) -> None:
        self._open[name].write(canonical.canonical_bytes(dict(facts)).decode() + "\n")

    def finish(self, bundle: Bundle, sign: Callable[[str], str]) -> int:
        """Write the archive; return the number of lines in its tables."""
        self._close()
        summary = summary_page(bundle.origin, bundle.created, self._size, self._counts)
        self._paths[CHECKPOINT].write_bytes(bundle.checkpoint.encode())
        self._paths[KEY].write_bytes(f"{bundle.key}\n".encode())
        self._paths[README_FILE].write_bytes(README.encode())
        self._paths[SUMMARY].write_bytes(summary.encode())
        self._paths[PAGE].write_bytes(page())
        manifest = self._manifest(bundle)
        note = sign(manifest_text(bundle.origin, manifest))
        folder = self._folder
        (folder / MANIFEST).write_bytes(manifest)
        (folder / MANIFEST_NOTE).write_bytes(note.encode())
        archive.write(self._target, {name: folder / name for name in MEMBERS})
        return self._counts.rows

    def _manifest(self, bundle: Bundle) -> bytes:
        files = {}
        for name, path in self._paths.items():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[name] = {"size": path.stat().st_size, "sha256": digest}
        return canonical.canonical_bytes(
            {
                "format": FORMAT,
                "origin": bundle.origin,
                "created": bundle.created,
                "size": self._size,
                "selection": dict(bundle.selection),
                "files": files,
            }
        )
