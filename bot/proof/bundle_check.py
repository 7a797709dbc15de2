"""One pass over one bundle: everything that can be checked of it, named where it does not hold."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from bot.proof import bundle, canonical, checkpoint, entry, note, notice, proof_file
from bot.proof.alignment import Alignment
from bot.proof.checkpoint import Checkpoint
from bot.proof.closures import Closures
from bot.proof.deliveries import Deliveries
from bot.proof.entry import Entry
from bot.proof.errors import Contradiction, OtherFormat, ProofError, UnusableFile
from bot.proof.keychain import KeyChain, read_change
from bot.proof.ledger import Ledger
from bot.proof.members import MAX_NOTICES, Members, Opening, openings
from bot.proof.note import VerifierKey
from bot.proof.notice import Notice, ShownHashes
from bot.proof.payload import (
    ALWAYS_OPEN,
    CONSENT,
    EXPLAINERS,
    KEY_CHANGE,
    PUBLIC,
    PUBLICATION,
    SEAL,
    Choice,
)
from bot.proof.report import Report
from bot.proof.sends import check_sends
from bot.proof.tables import Tables
from bot.proof.tree_check import Witnesses, check_tree

MANIFEST_KEYS: Final = frozenset({"format", "origin", "created", "size", "selection", "files"})
SELECTION_KEYS: Final = frozenset({"from", "to", "purpose", "subjects", "form"})
MAX_KEY_CHANGES: Final = 1_000


class BundleCheck:
    """Checks one bundle; what it finds goes into the report."""

    def __init__(
        self,
        members: Members,
        report: Report,
        trusted: VerifierKey | None,
        roots: Sequence[bytes] | None,
    ) -> None:
        self.members, self.report, self.roots = members, report, roots
        self.digests = {name: self._digest(name) for name in sorted(bundle.MEMBERS)}
        self.trusted = trusted
        self.key = note.parse_key(members.small(bundle.KEY).decode("utf-8", "replace"))
        self.chain = KeyChain(self.key)
        self.selection: dict[str, str] = {}
        self.notices: dict[str, Notice] = {}
        """Published texts by the entry that published them."""
        self.published: set[str] = set()

    def run(self) -> None:
        report = self.report
        report.key, report.keys = self.key, self.chain
        head = self._check_signed()
        report.head, report.size = head, head.size
        self._read_notices()
        is_tree_signed = check_tree(self.members, head, report)
        if is_tree_signed:
            member = self.members[bundle.LEAVES]
            report.leaves_at = (member.content_at, member.size)
        with Ledger() as ledger:
            _Entries(self, ledger).check(is_tree_signed=is_tree_signed)
        self._check_keys()
        Witnesses(self.members, self.chain, self.roots, report).check(head)

    def _digest(self, name: str) -> str:
        try:
            return self.members.digest(name)
        except Contradiction as error:
            self.report.fail(str(error))
            return ""

    def _check_signed(self) -> Checkpoint:
        """Check what the newest key signed: the manifest, and the tree that it speaks of."""
        if self.members.small(bundle.KEY) != f"{self.key}\n".encode():
            raise Contradiction(f"{bundle.KEY} is not in form")
        size = self._check_manifest()
        head = checkpoint.verify(self.members.small(bundle.CHECKPOINT), self.key)
        if head.origin != self.key.name:
            raise Contradiction(f"the checkpoint is of {head.origin}, not {self.key.name}")
        if size != head.size:
            self.report.fail(f"{bundle.MANIFEST} says {size} entries, {head.size} were signed")
        return head

    def _check_manifest(self) -> int:
        raw, signed = self.members.small(bundle.MANIFEST), self.members.small(bundle.MANIFEST_NOTE)
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
        if not isinstance(manifest["created"], str) or not entry.TIME.fullmatch(
            manifest["created"]
        ):
            raise Contradiction(f"{bundle.MANIFEST} does not say when it was made")
        self.report.origin, self.report.created = self.key.name, manifest["created"]
        self.selection = _selection(manifest["selection"])
        self._check_files(manifest["files"])
        size = manifest["size"]
        return size if type(size) is int else -1

    def _check_files(self, files: Any) -> None:
        if not isinstance(files, dict) or files.keys() != set(bundle.LISTED):
            raise Contradiction(f"{bundle.MANIFEST} lists other files than there are")
        for name, facts in sorted(files.items()):
            expected = {"size": self.members[name].size, "sha256": self.digests[name]}
            if canonical.canonical_bytes(facts) != canonical.canonical_bytes(expected):
                self.report.fail(f"{name} was changed: its SHA-256 is {self.digests[name]}")

    def _read_notices(self) -> None:
        if self.members[bundle.NOTICES].size > MAX_NOTICES:
            raise UnusableFile(f"{bundle.NOTICES} is unreasonably long")
        for line in self.members.lines(bundle.NOTICES):
            facts = canonical.parse(line)
            is_in_form = isinstance(facts, dict) and facts.keys() == {"entry_id", "notice"}
            if not is_in_form or not isinstance(facts["entry_id"], str):
                raise Contradiction(f"{bundle.NOTICES} has a line that is not in form")
            if facts["entry_id"] in self.notices:
                raise Contradiction(f"{bundle.NOTICES} has two texts of {facts['entry_id']}")
            self.notices[facts["entry_id"]] = notice.read(facts["notice"])

    def _check_keys(self) -> None:
        self.chain.check_end()
        if self.trusted is None or self.trusted == self.key:
            return
        if self.trusted not in self.chain.keys:
            raise Contradiction(f"{bundle.KEY} is not the key that it is checked against")
        steps = [change.index for change in self.chain.changes if change.new == self.key]
        self.report.remark(
            f"the key that you gave handed over, by what it signed, to {self.key} "
            f"(the last change is entry {steps[-1]})"
        )


class _Entries:
    """Entries, payloads, deliveries and tables, read side by side."""

    def __init__(self, check: BundleCheck, ledger: Ledger) -> None:
        members, report = check.members, check.report
        self.check_, self.members, self.report, self.ledger = check, members, report, ledger
        self.choice = Choice(check.selection)
        self.openings = openings(members.lines(bundle.PAYLOADS))
        self.opening = next(self.openings, None)
        self.tables = Tables(members.lines(bundle.CSV), members.lines(bundle.JSONL), report.fail)
        self.closures = Closures()
        listed = members.lines(bundle.DELIVERIES)
        self.deliveries = Deliveries(listed, self.choice, ledger, self.closures, report)
        self.shown = ShownHashes()
        self.has_gaps = False
        """Entries were changed or removed: what refers to them is no fault of its own."""

    def check(self, *, is_tree_signed: bool) -> None:
        lines = self.members.lines(bundle.ENTRIES)
        if is_tree_signed:
            alignment = Alignment(lines, self.members.leaves())
            self._read(alignment.pairs())
            self.report.fail_first(alignment.found(self._where))
        else:
            self._read(enumerate(lines))
        self.tables.finish()
        self.deliveries.finish()
        if self.opening is not None:
            self.report.fail(f"a payload of entry {self.opening.number}, which is not there")
        for entry_id in sorted(self.check_.notices.keys() - self.check_.published):
            if not self.has_gaps:
                self.report.fail(f"a text says it was published by {entry_id}, which did not")
        self._check_ledger()

    def _where(self, wanted: set[bytes]) -> dict[bytes, int]:
        leaves = enumerate(self.members.leaves())
        return {leaf: index for index, leaf in leaves if leaf in wanted}

    def _read(self, pairs: Iterator[tuple[int, bytes]]) -> None:
        before, expected = "", 0
        choice, ledger, tables = self.choice, self.ledger, self.tables
        for index, raw in pairs:
            if index != expected:
                self._pass_over(index)
            expected = index + 1
            try:
                read = entry.parse(raw)
            except UnusableFile as error:
                raise Contradiction(f"entry {index}: {error}") from error
            if read.time < before:
                self.report.remark(f"entry {index}: the clock went back to {read.time}")
            before = read.time
            ledger.add_entry(index, read)
            opening, payload = self.opening, None
            if opening is not None and opening.number == index:
                payload = self._opened(read, opening)
                self.opening = next(self.openings, None)
            else:
                self._keep_closed(index, read)
            if choice.takes(read, payload):
                tables.check(index, read, None if choice.is_public else payload)
                if payload is not None and choice.is_public:
                    self.report.fail(f"entry {index}: it is opened, in the public form")
            elif payload is not None and read.type.startswith(CONSENT):
                self.report.fail(f"entry {index}: it is opened, but was not selected")
        self._pass_over_rest(expected)

    def _pass_over(self, index: int) -> None:
        """Leave out what hangs on entries that were changed or removed: that is told by itself."""
        self.has_gaps = True
        while self.opening is not None and self.opening.number < index:
            self.opening = next(self.openings, None)
        self.tables.pass_over(index)
        self.deliveries.pass_over(index)

    def _pass_over_rest(self, expected: int) -> None:
        if self.report.head is not None and expected < self.report.head.size:
            self._pass_over(self.report.head.size)

    def _keep_closed(self, index: int, read: Entry) -> None:
        if read.type in ALWAYS_OPEN:
            self.report.fail(f"entry {index}: of type {read.type}, but not opened")
        self.closures.see(index, read.type, is_closed=True)

    def _opened(self, read: Entry, opening: Opening) -> dict[str, Any] | None:
        index, payload = opening.number, opening.payload
        if read.type in EXPLAINERS:
            self.closures.see(index, read.type, is_closed=False)
        try:
            proof_file.check_opening(
                index,
                read,
                opening.salt,
                payload,
                written=opening.written,
                shown_sha256=self.shown.sha256,
            )
        except ProofError as error:
            self.report.fail(str(error))
            return payload if isinstance(payload, dict) else None
        self.report.opened += 1
        opened: dict[str, Any] = payload
        if read.type.startswith(CONSENT):
            self._check_text(index, opened)
            self.ledger.add_event(index, read, opened)
        elif read.type == PUBLICATION:
            self._check_publication(index, read, opened)
        elif read.type == SEAL:
            self.deliveries.check(index, read, opened)
        elif read.type == KEY_CHANGE:
            self._check_change(index, opened)
        return opened

    def _check_change(self, index: int, payload: dict[str, Any]) -> None:
        if len(self.check_.chain.changes) >= MAX_KEY_CHANGES:
            raise UnusableFile(f"more than {MAX_KEY_CHANGES} changes of keys")
        self.check_.chain.add(read_change(index, payload))

    def _check_publication(self, index: int, read: Entry, payload: dict[str, Any]) -> None:
        self.check_.published.add(read.id)
        text = self.check_.notices.get(read.id)
        found = canonical.sha256_hex(canonical.canonical_bytes(payload.get("notice")))
        if text is None or text.sha256 != found:
            self.report.fail(f"entry {index}: it published another text than {bundle.NOTICES} has")

    def _check_text(self, index: int, payload: dict[str, Any]) -> None:
        named = payload.get("notice_entry")
        text = self.check_.notices.get(named) if isinstance(named, str) else None
        if text is not None and named not in self.check_.published and self.has_gaps:
            return
        if text is None or named not in self.check_.published:
            self.report.fail(f"entry {index}: it names a text that was not published before it")
            return
        try:
            notice.check_named(index, payload, text)
        except Contradiction as error:
            self.report.fail(str(error))

    # --- what the entries say of each other ---------------------------------------------------

    def _check_ledger(self) -> None:
        self.ledger.close_books()
        for number, entry_id in self.ledger.twice():
            self.report.fail(f"entry {number}: its id {entry_id} stands in the log twice")
        is_cut = "from" in self.check_.selection
        for number, named, expected in self.ledger.broken_chains():
            if self.has_gaps and self._is_unknown(named):
                continue
            # Of a cut period the first event of a person may name one that is not opened here.
            if expected is not None or not is_cut or not self._is_earlier(named, number):
                self.report.fail(
                    f"entry {number}: the previous event should be {expected}, it names {named}"
                )
        for number, first, occurrence in self.ledger.sealed_twice():
            self.report.fail(
                f"entry {number}: occurrence {occurrence} was sealed before, by entry {first}"
            )
        for number, delivery_id, first in self.ledger.listed_twice():
            self.report.fail(f"entry {number}, delivery {delivery_id}: entry {first} sealed it too")
        check_sends(
            self.ledger,
            self.report,
            explained_from=self.closures.first,
            has_gaps=self.has_gaps,
        )
        if not self.check_.selection and not self.has_gaps:
            self.closures.finish(self.report)

    def _is_unknown(self, entry_id: str | None) -> bool:
        is_id = entry_id is not None and entry.ID.fullmatch(entry_id) is not None
        return is_id and self.ledger.number_of(str(entry_id)) is None

    def _is_earlier(self, entry_id: str | None, number: int) -> bool:
        if entry_id is None or not entry.ID.fullmatch(entry_id):
            return False
        found = self.ledger.number_of(entry_id)
        return found is not None and found < number


def _selection(facts: Any) -> dict[str, str]:
    is_in_form = (
        isinstance(facts, dict)
        and facts.keys() <= SELECTION_KEYS
        and all(isinstance(value, str) for value in facts.values())
        and all(entry.TIME.fullmatch(facts[end]) for end in ("from", "to") if end in facts)
        and ("subjects" not in facts or _are_subjects(facts["subjects"]))
        and ("form" not in facts or _is_public_form(facts))
    )
    if not is_in_form:
        raise Contradiction(f"{bundle.MANIFEST} has a selection that is not in form")
    return dict(facts)


def _are_subjects(text: str) -> bool:
    named = text.split(" ")
    return all(map(entry.ID.fullmatch, named)) and named == sorted(set(named))


def _is_public_form(facts: dict[str, str]) -> bool:
    """The public form opens nobody, so it cannot be of one purpose or of some people."""
    return facts["form"] == PUBLIC and not facts.keys() & {"purpose", "subjects"}
