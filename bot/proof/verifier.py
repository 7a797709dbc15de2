"""Checks a bundle or a single proof offline, trusting nobody: any changed byte is found and named.

Depends on nothing of the project but this package. Files of any length are read in pieces; what
grows with the log are its ids, and the last event of each opened person and purpose.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from bot.proof import archive, bundle, canonical, checkpoint, entry, note, notice, proof_file
from bot.proof.archive import Member
from bot.proof.checkpoint import Checkpoint
from bot.proof.entry import Entry
from bot.proof.errors import Contradiction, OtherFormat, ProofError, UnusableFile
from bot.proof.merkle import Frontier
from bot.proof.note import VerifierKey
from bot.proof.notice import Notice
from bot.proof.payload import CONSENT, is_selected, row
from bot.proof.proof_file import Proof
from bot.proof.tables import Tables
from bot.proof.words import NOT_PROVEN, ONE_NOT_PROVEN, ONE_PROVEN, PROVEN

ZIP: Final = b"PK"
MAX_LINE: Final = 1_000_000
SMALL: Final = 1_000_000
"""Files that are read as a whole may be this long."""
MAX_FAILURES: Final = 50
PUBLICATION: Final = "notice.published"
MANIFEST_KEYS: Final = frozenset({"format", "origin", "created", "size", "selection", "files"})
SELECTION_KEYS: Final = frozenset({"from", "to", "purpose"})


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
    is_single: bool = False
    """One person's proof, not a bundle."""
    proof: Proof | None = None
    """What a single proof says, once it holds."""

    @property
    def ok(self) -> bool:
        return not self.failures

    @property
    def proven(self) -> tuple[str, ...]:
        if not self.ok:
            return ()
        return ONE_PROVEN if self.is_single else PROVEN

    @property
    def not_proven(self) -> tuple[str, ...]:
        return ONE_NOT_PROVEN if self.is_single else NOT_PROVEN

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
    """Check one person's proof of one answer. Raises UnusableFile when it is not one."""
    if not data.startswith(f"{proof_file.HEADER}\n".encode()) or len(data) > proof_file.MAX_BYTES:
        raise UnusableFile("neither a bundle nor a proof file")
    report = Report(name, is_key_given=trusted is not None, is_single=True)
    try:
        proof = proof_file.verify(data, trusted)
    except ProofError as error:
        report.fail(str(error))
        return report
    report.proof, report.key, report.origin = proof, proof.key, proof.checkpoint.origin
    report.size, report.opened = proof.checkpoint.size, 1
    return report


def verify_bundle(file: BinaryIO, name: str, trusted: VerifierKey | None = None) -> Report:
    """Check a whole bundle. Raises UnusableFile when it is not one.

    Whatever is wrong inside a canonical archive of the right files is a finding of the report.
    """
    report = Report(name, is_key_given=trusted is not None)
    members = {member.name: member for member in archive.read(file)}
    expected = {*bundle.LISTED, bundle.MANIFEST, bundle.MANIFEST_NOTE}
    if members.keys() != expected:
        odd = sorted(members.keys() ^ expected)
        raise UnusableFile(f"a bundle has other files than it must have: {', '.join(odd)}")
    try:
        _Check(file, members, report, trusted).run()
    except OtherFormat:
        raise
    except ProofError as error:
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
        self.digests = {name: self._digest(member) for name, member in sorted(members.items())}
        self.key = trusted or note.parse_key(self._small(bundle.KEY).decode("utf-8", "replace"))
        self.report.key = self.key
        self.selection: dict[str, str] = {}
        self.notices: dict[str, Notice] = {}
        """Published texts by the entry that published them."""
        self.published: set[str] = set()
        self.seen: set[int] = set()
        """Ids of the entries so far, as 128-bit numbers: a million of them take about 60 MB."""
        self.latest: dict[tuple[str, str], str] = {}

    def run(self) -> None:
        self._check_key()
        size = self._check_manifest()
        head = self._checkpoint()
        if size != head.size:
            self.report.fail(f"{bundle.MANIFEST} says {size} entries, {head.size} were signed")
        self._read_notices()
        self._check_entries(head)

    def _digest(self, member: Member) -> str:
        digest = hashlib.sha256()
        try:
            for chunk in archive.content(self.file, member):
                digest.update(chunk)
        except Contradiction as error:
            self.report.fail(str(error))
        return digest.hexdigest()

    def _small(self, name: str) -> bytes:
        member = self.members[name]
        if member.size > SMALL:
            raise UnusableFile(f"{name} is unreasonably long")
        return archive.whole(self.file, member)

    def _lines(self, name: str) -> Iterator[bytes]:
        return archive.lines(self.file, self.members[name], MAX_LINE)

    def _check_key(self) -> None:
        if self._small(bundle.KEY) != f"{self.key}\n".encode():
            raise Contradiction(f"{bundle.KEY} is not the key that it is checked against")

    def _check_manifest(self) -> int:
        raw, signed = self._small(bundle.MANIFEST), self._small(bundle.MANIFEST_NOTE)
        text = note.verify(signed, self.key)
        # Nothing else covers this note, so nobody else may sign it: no byte may be added.
        if signed.count(note.DASH.encode()) != 1:
            raise Contradiction(f"{bundle.MANIFEST_NOTE} has other signatures than the key's")
        if text != bundle.manifest_text(self.key.name, raw):
            raise Contradiction(f"{bundle.MANIFEST} was changed: its signature is of another one")
        manifest = canonical.parse(raw)
        if not isinstance(manifest, dict) or manifest.get("format") != bundle.FORMAT:
            raise OtherFormat(f"not of the format {bundle.FORMAT}")
        if manifest.keys() != MANIFEST_KEYS or manifest["origin"] != self.key.name:
            raise Contradiction(f"{bundle.MANIFEST} says other things than it must")
        self.report.origin = self.key.name
        self.selection = _selection(manifest["selection"])
        self._check_files(manifest["files"])
        size = manifest["size"]
        return size if isinstance(size, int) else -1

    def _check_files(self, files: Any) -> None:
        if not isinstance(files, dict) or files.keys() != set(bundle.LISTED):
            raise Contradiction(f"{bundle.MANIFEST} lists other files than there are")
        for name, facts in sorted(files.items()):
            if facts != {"size": self.members[name].size, "sha256": self.digests[name]}:
                self.report.fail(f"{name} was changed: its SHA-256 is {self.digests[name]}")

    def _checkpoint(self) -> Checkpoint:
        head = checkpoint.verify(self._small(bundle.CHECKPOINT), self.key)
        if head.origin != self.key.name:
            raise Contradiction(f"the checkpoint is of {head.origin}, not {self.key.name}")
        return head

    def _read_notices(self) -> None:
        for line in self._lines(bundle.NOTICES):
            facts = canonical.parse(line)
            is_in_form = isinstance(facts, dict) and facts.keys() == {"entry_id", "notice"}
            if not is_in_form or not isinstance(facts["entry_id"], str):
                raise Contradiction(f"{bundle.NOTICES} has a line that is not in form")
            if facts["entry_id"] in self.notices:
                raise Contradiction(f"{bundle.NOTICES} has two texts of {facts['entry_id']}")
            self.notices[facts["entry_id"]] = notice.read(facts["notice"])

    # --- entries, payloads, tables: read side by side -----------------------------------------

    def _check_entries(self, head: Checkpoint) -> None:
        edge, before = Frontier(), ""
        openings = _openings(self._lines(bundle.PAYLOADS))
        tables = Tables(self._lines(bundle.CSV), self._lines(bundle.JSONL), self.report.fail)
        opening = next(openings, None)
        for index, raw in enumerate(self._lines(bundle.ENTRIES)):
            read = _entry(index, raw)
            edge.add(read.leaf)
            if read.time < before:
                self.report.remarks.append(f"entry {index}: the clock went back to {read.time}")
            before = read.time
            payload = None
            if opening is not None and opening["index"] == index:
                payload = self._opened(index, read, opening)
                opening = next(openings, None)
            elif read.type == PUBLICATION:
                self.report.fail(f"entry {index}: it published a text, which is not opened")
            self._remember(index, read)
            if is_selected(self.selection, read, payload):
                tables.check(row(index, read, payload))
            elif payload is not None and read.type.startswith(CONSENT):
                self.report.fail(f"entry {index}: it is opened, but was not selected")
        if opening is not None:
            self.report.fail(f"a payload of entry {opening['index']}, which is not there")
        tables.finish()
        self._check_tree(head, edge)
        for entry_id in sorted(self.notices.keys() - self.published):
            self.report.fail(f"a text says it was published by {entry_id}, which did not")

    def _remember(self, index: int, read: Entry) -> None:
        number = int(read.id, 16)
        if number in self.seen:
            self.report.fail(f"entry {index}: its id {read.id} stands in the log twice")
        self.seen.add(number)

    def _check_tree(self, head: Checkpoint, edge: Frontier) -> None:
        self.report.size = edge.size
        if edge.size != head.size:
            self.report.fail(f"the log has {edge.size} entries, {head.size} were signed")
        elif edge.root() != head.root:
            self.report.fail(
                f"the entries have root {edge.root().hex()}, signed was {head.root.hex()}"
            )

    def _opened(self, index: int, read: Entry, opening: dict[str, Any]) -> dict[str, Any] | None:
        payload = opening["payload"]
        try:
            proof_file.check_opening(index, read, opening["salt"], payload)
        except ProofError as error:
            self.report.fail(str(error))
            return payload if isinstance(payload, dict) else None
        self.report.opened += 1
        opened: dict[str, Any] = payload
        if read.type == PUBLICATION:
            self._check_publication(index, read, opened)
        elif read.type.startswith(CONSENT):
            self._check_text(index, opened)
            self._check_previous(index, read, opened)
        return opened

    def _check_publication(self, index: int, read: Entry, payload: dict[str, Any]) -> None:
        self.published.add(read.id)
        text = self.notices.get(read.id)
        found = canonical.sha256_hex(canonical.canonical_bytes(payload.get("notice")))
        if text is None or text.sha256 != found:
            self.report.fail(f"entry {index}: it published another text than {bundle.NOTICES} has")

    def _check_text(self, index: int, payload: dict[str, Any]) -> None:
        named = payload.get("notice_entry")
        text = self.notices.get(named) if isinstance(named, str) else None
        if text is None or named not in self.published:
            self.report.fail(f"entry {index}: it names a text that was not published before it")
            return
        try:
            notice.check_named(index, payload, text)
        except Contradiction as error:
            self.report.fail(str(error))

    def _check_previous(self, index: int, read: Entry, payload: dict[str, Any]) -> None:
        """Follow the events of one person and purpose, as far back as they were selected."""
        person = (str(payload.get("subject")), str(payload.get("purpose")))
        named, before = payload.get("previous"), self.latest.get(person)
        self.latest[person] = read.id
        is_cut = before is None and "from" in self.selection
        if named != before and not (is_cut and self._is_earlier(named)):
            self.report.fail(
                f"entry {index}: the previous event should be {before}, it names {named}"
            )

    def _is_earlier(self, entry_id: Any) -> bool:
        is_in_form = isinstance(entry_id, str) and entry.ID.fullmatch(entry_id) is not None
        return is_in_form and int(entry_id, 16) in self.seen


def _entry(index: int, raw: bytes) -> Entry:
    try:
        return entry.parse(raw)
    except UnusableFile as error:
        raise Contradiction(f"entry {index}: {error}") from error


def _selection(facts: Any) -> dict[str, str]:
    is_in_form = (
        isinstance(facts, dict)
        and facts.keys() <= SELECTION_KEYS
        and all(isinstance(value, str) for value in facts.values())
        and all(entry.TIME.fullmatch(facts[end]) for end in ("from", "to") if end in facts)
    )
    if not is_in_form:
        raise Contradiction(f"{bundle.MANIFEST} has a selection that is not in form")
    return dict(facts)


def _openings(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    last = -1
    for line in lines:
        facts = canonical.parse(line)
        is_in_form = isinstance(facts, dict) and facts.keys() == {"index", "salt", "payload"}
        if not is_in_form or type(facts["index"]) is not int or facts["index"] <= last:
            raise Contradiction(f"{bundle.PAYLOADS} has a line that is not in form or in order")
        last = facts["index"]
        yield facts
