"""Checks a bundle or a single proof offline, trusting nobody: any changed byte is found and named.

Depends on nothing of the project but this package. Memory stays constant.
"""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from bot.proof import archive, bundle, canonical, checkpoint, entry, note, notice, proof_file
from bot.proof.archive import Member
from bot.proof.checkpoint import Checkpoint
from bot.proof.entry import Entry
from bot.proof.errors import Contradiction, ProofError, UnusableFile
from bot.proof.merkle import Frontier
from bot.proof.note import VerifierKey
from bot.proof.payload import COLUMNS, CONSENT, csv_cells, is_consent, row
from bot.proof.words import NOT_PROVEN, PROVEN

ZIP: Final = b"PK"
MAX_LINE: Final = 1_000_000
SMALL: Final = 1_000_000
"""Files that are read as a whole may be this long."""
MAX_FAILURES: Final = 50


@dataclass(slots=True)
class Report:
    """What a check found. `failures` is empty when everything holds."""

    file: str
    key: VerifierKey | None = None
    is_key_given: bool = False
    origin: str = ""
    size: int = 0
    opened: int = 0
    failures: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def proven(self) -> tuple[str, ...]:
        return PROVEN if self.ok else ()

    @property
    def not_proven(self) -> tuple[str, ...]:
        return NOT_PROVEN

    def fail(self, what: str) -> None:
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(what)


def verify_file(path: Path, trusted: VerifierKey | None = None) -> Report:
    """Check a file of either kind. Raises UnusableFile for what is neither."""
    try:
        with path.open("rb") as file:
            if file.read(2) == ZIP:
                return verify_bundle(file, str(path), trusted)
            file.seek(0)
            return verify_proof(file.read(proof_file.MAX_BYTES + 1), str(path), trusted)
    except OSError as error:
        raise UnusableFile(f"cannot be read: {error.strerror}") from error


def verify_proof(data: bytes, name: str, trusted: VerifierKey | None = None) -> Report:
    """Check one person's proof of one answer."""
    report = Report(name, is_key_given=trusted is not None)
    try:
        proof = proof_file.verify(data, trusted)
    except Contradiction as error:
        report.fail(str(error))
        return report
    report.key, report.origin = proof.key, proof.checkpoint.origin
    report.size, report.opened = proof.checkpoint.size, 1
    return report


def verify_bundle(file: BinaryIO, name: str, trusted: VerifierKey | None = None) -> Report:
    """Check a whole bundle. Raises UnusableFile when it is not one."""
    report = Report(name, is_key_given=trusted is not None)
    members = {member.name: member for member in archive.read(file)}
    expected = {*bundle.LISTED, bundle.MANIFEST, bundle.MANIFEST_NOTE}
    if members.keys() != expected:
        odd = sorted(members.keys() ^ expected)
        raise UnusableFile(f"a bundle has other files than it must have: {', '.join(odd)}")
    try:
        _Check(file, members, report, trusted).run()
    except Contradiction as error:
        report.fail(str(error))
    return report


class _Check:
    """One pass over one bundle."""

    def __init__(
        self,
        file: BinaryIO,
        members: dict[str, Member],
        report: Report,
        trusted: VerifierKey | None,
    ) -> None:
        self.file, self.members, self.report = file, members, report
        self.key = trusted or note.parse_key(self._small(bundle.KEY).decode("utf-8", "replace"))
        self.report.key = self.key
        self.notices: dict[str, str] = {}
        """SHA-256 of each published text, by the entry that published it."""
        self.published: set[str] = set()
        self.latest: dict[tuple[str, str], str] = {}

    def run(self) -> None:
        self._check_key()
        self._check_manifest()
        head = self._checkpoint()
        self._read_notices()
        self._check_entries(head)

    def _small(self, name: str) -> bytes:
        member = self.members[name]
        if member.size > SMALL:
            raise UnusableFile(f"{name} is unreasonably long")
        return b"".join(archive.content(self.file, member))

    def _check_key(self) -> None:
        if self._small(bundle.KEY) != f"{self.key}\n".encode():
            raise Contradiction(f"{bundle.KEY} is not the key that it is checked against")

    def _check_manifest(self) -> None:
        raw = self._small(bundle.MANIFEST)
        text = note.verify(self._small(bundle.MANIFEST_NOTE), self.key)
        manifest = canonical.parse(raw)
        if not isinstance(manifest, dict) or manifest.get("format") != bundle.FORMAT:
            raise UnusableFile("a manifest of another format")
        self.report.origin = str(manifest.get("origin"))
        if text != bundle.manifest_text(self.report.origin, raw):
            raise Contradiction(f"{bundle.MANIFEST} was changed: its signature is of another one")
        files = manifest.get("files")
        if not isinstance(files, dict) or files.keys() != set(bundle.LISTED):
            raise Contradiction(f"{bundle.MANIFEST} lists other files than there are")
        for name, facts in sorted(files.items()):
            digest = hashlib.sha256()
            for chunk in archive.content(self.file, self.members[name]):
                digest.update(chunk)
            if facts != {"size": self.members[name].size, "sha256": digest.hexdigest()}:
                self.report.fail(f"{name} was changed: its SHA-256 is {digest.hexdigest()}")

    def _checkpoint(self) -> Checkpoint:
        head = checkpoint.verify(self._small(bundle.CHECKPOINT), self.key)
        if head.origin != self.report.origin or head.origin != self.key.name:
            raise Contradiction(f"the checkpoint is of {head.origin}, not {self.key.name}")
        return head

    def _read_notices(self) -> None:
        for line in archive.lines(self.file, self.members[bundle.NOTICES], MAX_LINE):
            facts = canonical.parse(line)
            if not isinstance(facts, dict) or facts.keys() != {"entry_id", "notice"}:
                raise UnusableFile(f"{bundle.NOTICES} has a line that is not in form")
            hashed = canonical.sha256_hex(notice.notice_canonical(facts["notice"]))
            self.notices[str(facts["entry_id"])] = hashed

    # --- entries, payloads, tables: read side by side -----------------------------------------

    def _check_entries(self, head: Checkpoint) -> None:
        edge, ids, before = Frontier(), _Seen(), ""
        openings = _openings(archive.lines(self.file, self.members[bundle.PAYLOADS], MAX_LINE))
        table = _Table(self.file, self.members)
        opening = next(openings, None)
        for index, raw in enumerate(
            archive.lines(self.file, self.members[bundle.ENTRIES], MAX_LINE)
        ):
            read = _entry(index, raw)
            edge.add(read.leaf)
            if not ids.add(read.id):
                self.report.fail(f"entry {index}: its id {read.id} stands in the log twice")
            if read.time < before:
                self.report.remarks.append(f"entry {index}: the clock went back to {read.time}")
            before = read.time
            payload = None
            if opening is not None and opening["index"] == index:
                payload = self._opened(index, read, opening)
                opening = next(openings, None)
            if is_consent(read):
                table.check(self.report, row(index, read, payload))
        if opening is not None:
            self.report.fail(f"a payload of entry {opening['index']}, out of order or not there")
        table.finish(self.report)
        self._check_tree(head, edge)
        for entry_id in sorted(self.notices.keys() - self.published):
            self.report.fail(f"a text says it was published by {entry_id}, which did not")

    def _check_tree(self, head: Checkpoint, edge: Frontier) -> None:
        self.report.size = edge.size
        if edge.size != head.size:
            self.report.fail(f"the log has {edge.size} entries, {head.size} were signed")
        elif edge.root() != head.root:
            self.report.fail(
                f"the entries have root {edge.root().hex()}, signed was {head.root.hex()}"
            )

    def _opened(self, index: int, read: Entry, opening: dict[str, Any]) -> Any:
        payload = opening["payload"]
        try:
            proof_file.check_opening(index, read, opening["salt"], payload)
        except ProofError as error:
            self.report.fail(str(error))
            return payload
        self.report.opened += 1
        if read.type == "notice.published":
            self._check_publication(index, read, payload)
        elif read.type.startswith(CONSENT):
            self._check_consent(index, read, payload)
        return payload

    def _check_publication(self, index: int, read: Entry, payload: dict[str, Any]) -> None:
        self.published.add(read.id)
        hashed = canonical.sha256_hex(canonical.canonical_bytes(payload.get("notice")))
        if self.notices.get(read.id) != hashed:
            self.report.fail(f"entry {index}: it published another text than {bundle.NOTICES} has")

    def _check_consent(self, index: int, read: Entry, payload: dict[str, Any]) -> None:
        published = self.notices.get(str(payload.get("notice_entry")))
        if payload.get("notice_entry") not in self.published:
            self.report.fail(f"entry {index}: it names a text that was not published before it")
        elif published != payload.get("notice_sha256"):
            self.report.fail(f"entry {index}: it names a text of another hash than was published")
        person = (str(payload.get("subject")), str(payload.get("purpose")))
        before = self.latest.get(person)
        if before is not None and payload.get("previous") != before:
            self.report.fail(
                f"entry {index}: the previous event should be {before}, "
                f"it names {payload.get('previous')}"
            )
        self.latest[person] = read.id


def _entry(index: int, raw: bytes) -> Entry:
    try:
        return entry.parse(raw)
    except UnusableFile as error:
        raise Contradiction(f"entry {index}: {error}") from error


def _openings(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    last = -1
    for line in lines:
        facts = canonical.parse(line)
        is_in_form = isinstance(facts, dict) and facts.keys() == {"index", "salt", "payload"}
        if not is_in_form or not isinstance(facts["index"], int) or facts["index"] <= last:
            raise Contradiction(f"{bundle.PAYLOADS} has a line that is not in form or in order")
        last = facts["index"]
        yield facts


class _Seen:
    """Ids seen so far, as 128-bit numbers: a million of them take about 60 MB."""

    def __init__(self) -> None:
        self._ids: set[int] = set()

    def add(self, entry_id: str) -> bool:
        number = int(entry_id, 16)
        is_new = number not in self._ids
        self._ids.add(number)
        return is_new


class _Table:
    """The two tables, read beside the entries that they are of."""

    def __init__(self, file: BinaryIO, members: dict[str, Member]) -> None:
        table = archive.lines(file, members[bundle.CSV], MAX_LINE)
        self._csv = csv.reader(line.decode("utf-8", "replace") + "\n" for line in table)
        self._json = archive.lines(file, members[bundle.JSONL], MAX_LINE)
        self._header = next(self._csv, [])
        self._next: tuple[list[str], bytes] | None = None
        self._advance()

    def check(self, report: Report, expected: dict[str, Any]) -> None:
        """Hold the next line against an entry, if the line is of this entry."""
        if self._next is None or not self._next[0] or self._next[0][0] != str(expected["index"]):
            return
        cells, line = self._next
        if cells != csv_cells(expected):
            report.fail(f"entry {expected['index']}: {bundle.CSV} tells something else")
        if line != json.dumps(expected, ensure_ascii=False).encode():
            report.fail(f"entry {expected['index']}: {bundle.JSONL} tells something else")
        self._advance()

    def finish(self, report: Report) -> None:
        if self._header != list(COLUMNS):
            report.fail(f"{bundle.CSV} has other columns than it must have")
        if self._next is not None:
            report.fail(f"the tables have a line that is of no entry: {self._next[0][:1]}")

    def _advance(self) -> None:
        cells, line = next(self._csv, None), next(self._json, None)
        self._next = None if cells is None and line is None else (cells or [], line or b"")
