"""Writes the bundle: all entries, the chosen payloads opened, texts, checkpoint, tables, words."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from bot.proof import archive, canonical
from bot.proof.entry import Entry
from bot.proof.note import VerifierKey
from bot.proof.payload import COLUMNS, csv_cells, csv_line, json_line, row
from bot.proof.words import README, summary_page

FORMAT: Final = "assent-bundle/1"
ENTRIES: Final = "entries.jsonl"
PAYLOADS: Final = "payloads.jsonl"
NOTICES: Final = "notices.jsonl"
CSV: Final = "consents.csv"
JSONL: Final = "consents.jsonl"
CHECKPOINT: Final = "checkpoint.note"
KEY: Final = "public-key.txt"
SUMMARY: Final = "summary.html"
README_FILE: Final = "README.txt"
MANIFEST: Final = "manifest.json"
MANIFEST_NOTE: Final = "manifest.note"
MANIFEST_DOMAIN: Final = "assent/manifest/v1"
LISTED: Final = (
    CHECKPOINT,
    CSV,
    JSONL,
    ENTRIES,
    NOTICES,
    PAYLOADS,
    KEY,
    README_FILE,
    SUMMARY,
)
"""Every file but the manifest and its signature, which speak of the others."""


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
        self._folder = tempfile.TemporaryDirectory(dir=target.parent)
        self._paths = {name: Path(self._folder.name) / name for name in LISTED}
        self._open = {
            name: self._paths[name].open("w", encoding="utf-8", newline="")
            for name in (ENTRIES, PAYLOADS, NOTICES, CSV, JSONL)
        }
        self._open[CSV].write(csv_line(COLUMNS))
        self._size = 0
        self._counts: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._open.values():
            file.close()
        self._folder.cleanup()

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
            opening = {"index": index, "salt": salt, "payload": dict(payload)}
            self._open[PAYLOADS].write(canonical.canonical_bytes(opening).decode() + "\n")
        if in_table:
            line = row(index, read, payload)
            self._open[CSV].write(csv_line(csv_cells(line)))
            self._open[JSONL].write(json_line(line))
            self._counts[str(line["purpose"]), str(line["event"])] += 1

    def add_notice(self, notice: str, entry_id: str) -> None:
        """Add a published text with the entry that published it."""
        facts = {"entry_id": entry_id, "notice": canonical.parse(notice.encode())}
        self._open[NOTICES].write(canonical.canonical_bytes(facts).decode() + "\n")

    def finish(self, bundle: Bundle, sign: Callable[[str], str]) -> int:
        """Write the archive; return the number of lines in its tables."""
        for file in self._open.values():
            file.close()
        page = summary_page(bundle.origin, bundle.created, self._counts)
        self._paths[CHECKPOINT].write_bytes(bundle.checkpoint.encode())
        self._paths[KEY].write_bytes(f"{bundle.key}\n".encode())
        self._paths[README_FILE].write_bytes(README.encode())
        self._paths[SUMMARY].write_bytes(page.encode())
        manifest = self._manifest(bundle)
        note = sign(manifest_text(bundle.origin, manifest))
        folder = Path(self._folder.name)
        (folder / MANIFEST).write_bytes(manifest)
        (folder / MANIFEST_NOTE).write_bytes(note.encode())
        names = (*LISTED, MANIFEST, MANIFEST_NOTE)
        archive.write(self._target, {name: folder / name for name in names})
        return self._counts.total()

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
