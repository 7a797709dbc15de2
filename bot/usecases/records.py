"""A person's own record: everything kept about them, their proofs, and its end."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.acts import Act, Method
from bot.consent.rules import EntryId, SubjectId
from bot.privacy.envelope import open_json
from bot.proof import canonical
from bot.usecases.checkpoints import Signer
from bot.usecases.erasure import Erased, Erasure
from bot.usecases.events import rfc3339
from bot.usecases.journal import Journal, opened
from bot.usecases.people import TELEGRAM, Person
from bot.usecases.proof_files import (
    AllProofs,
    ProofFiles,
    Vouched,
    Vouching,
    compose,
)
from storage import (
    consents,
    delivery_records,
    holds,
    log,
    notices,
    prompts,
    subjects,
)
from storage.consents import StoredEvent
from storage.database import Database
from storage.holds import StoredHold

PRESS: Final = Act(method=Method.CALLBACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDesk:
    """What a person can ask of us besides messages (GDPR art. 15, 17, 20; 152-FZ art. 14)."""

    database: Database
    journal: Journal
    signer: Signer
    recall: Callable[[SubjectId], Awaitable[None]]
    """Which checkpoint a proof shall rest on; without it, the newest."""

    async def everything(self, person: Person) -> dict[str, Any]:
        """Return all that is kept about a person, as facts for a JSON file."""
        async with self.database.snapshot() as tx:
            held = await consents.of_subject(tx, person.id)
            events = await consents.events_of_subject(tx, person.id)
            received = await delivery_records.of_subject(tx, person.id)
            asked = await prompts.of_subject(tx, person.id)
            hold = await holds.get(tx, person.id)
            stored = await log.entries_by_index(tx, [event.index for event in events])
        openings = {
            entry.entry_id: opened(entry.sealed, person.key.secret, entry.hashed)
            for entry in stored
            if entry.sealed is not None
        }
        return {
            "person": {
                "id": person.id,
                "channel": TELEGRAM,
                **person.profile.to_json(),
                "interface_language": person.locale,
                "known_since": rfc3339(person.created_at),
                "last_seen": rfc3339(person.seen_at),
                "reach": person.reach.value,
                "never_write_again": person.suppressed,
                "paused_until": None
                if person.paused_until is None
                else rfc3339(person.paused_until),
                "legal_hold": None if hold is None else _hold_facts(hold),
            },
            "consents": [
                {
                    "purpose": consent.purpose_id,
                    "state": consent.state.value,
                    "since": rfc3339(consent.since),
                    "notice_version": consent.notice_version,
                    "expires": None if consent.expires_at is None else rfc3339(consent.expires_at),
                    "entry_id": consent.entry_id,
                }
                for consent in held.values()
            ],
            "events": [
                {
                    "entry_id": event.entry_id,
                    "log_index": event.index,
                    "time": rfc3339(event.at),
                    **openings.get(event.entry_id, {}).get("payload", {}),
                }
                for event in events
            ],
            "questions": [
                {
                    "purpose": prompt.purpose_id,
                    "time": rfc3339(prompt.created_at),
                    "notice_version": prompt.notice_version,
                    "answer": prompt.choice,
                    "shown": open_json(person.key.secret, prompt.sealed, prompt.nonce.encode()),
                }
                for prompt in asked
            ],
            "messages": [
                {
                    "campaign": message.campaign_id,
                    "purpose": message.purpose_id,
                    "state": message.state.value,
                    "time": rfc3339(message.changed_at),
                }
                for message in received
            ],
        }

    async def events(self, person: Person) -> list[StoredEvent]:
        async with self.database.snapshot() as tx:
            return await consents.events_of_subject(tx, person.id)

    async def proof_files(
        self, person: Person, entry_id: EntryId, at: datetime
    ) -> ProofFiles | None:
        """Return the proof of one of a person's answers; None: it is not theirs.

        Raises ProofLater while no checkpoint that can be trusted holds the entry.
        """
        async with self.database.snapshot() as tx:
            event = await consents.event(tx, entry_id)
        if event is None or event.subject_id != person.id:
            return None
        vouched = await self._vouching.covering(event.index, at)
        async with self.database.snapshot() as tx:
            found = await self._files(tx, person, [event.index], vouched)
        return found[0] if found else None

    async def all_proofs(self, person: Person, at: datetime) -> AllProofs:
        """Return the proofs of all of a person's answers, as many as can be proven now.

        Raises ProofLater when that is none of those that there are.
        """
        indexes = [event.index for event in await self.events(person)]
        if not indexes:
            return AllProofs(files=[], later=0)
        vouched = await self._vouching.covering_most(indexes, at)
        ready = [index for index in indexes if index < vouched.size]
        async with self.database.snapshot() as tx:
            files = await self._files(tx, person, ready, vouched)
        return AllProofs(files=files, later=len(indexes) - len(ready))

    @property
    def _vouching(self) -> Vouching:
        return Vouching(database=self.database, signer=self.signer)

    async def _files(
        self, tx: AsyncConnection, person: Person, indexes: Sequence[int], vouched: Vouched
    ) -> list[ProofFiles]:
        """Compose the files of entries that a checkpoint holds, in their order.

        An entry whose payload was erased since has none.
        """
        made = []
        for stored in await log.entries_by_index(tx, indexes):
            if stored.sealed is None:
                continue
            opening = opened(stored.sealed, person.key.secret, stored.hashed)
            payload = opening["payload"]
            text = await notices.text(
                tx, payload["purpose"], payload["notice_version"], payload["locale"]
            )
            made.append(
                compose(
                    stored,
                    opening,
                    None if text is None else canonical.parse(text.canonical.encode()),
                    await log.inclusion_path(tx, stored.index, vouched.size),
                    vouched,
                    self.signer.key,
                )
            )
        return made

    async def is_held(self, person: Person) -> bool:
        """Whether a legal hold keeps the person's proofs, whatever they ask."""
        async with self.database.snapshot() as tx:
            return await holds.get(tx, person.id) is not None

    async def erase(
        self, person: Person, at: datetime, *, never_again: bool, act: Act = PRESS
    ) -> Erased:
        """Delete everything of a person; the log keeps entries that nobody can open.

        Pressed twice, the second time finds nobody. Only with `never_again` a keyed hash of the
        account stays, so that nothing ever writes to it. Under a legal hold everything ends, and
        only the proofs stay until it is released.
        """
        keyring = self.journal.keyring()
        erasure = Erasure(journal=self.journal)
        async with self.database.transaction() as tx:
            if not await subjects.lock(tx, person.id):
                return Erased.GONE
            if never_again:
                forbidden = keyring.suppression_hash(TELEGRAM, person.profile.account)
                await subjects.suppress(tx, forbidden, at)
            is_held = await holds.get(tx, person.id) is not None
            if is_held:
                await erasure.end_under_hold(tx, person, act, at, never_again=never_again)
            else:
                lookup = keyring.account_lookup(TELEGRAM, person.profile.account)
                await erasure.erase(tx, person.id, lookup, at)
        await self.recall(person.id)
        await self.database.empty_wal(is_needed=True)
        return Erased.HELD if is_held else Erased.GONE


def _hold_facts(hold: StoredHold) -> dict[str, str | None]:
    """What a person may know of a hold: not who placed it, nor why (a dispute may depend on it)."""
    wanted = hold.erasure_wanted_at
    return {
        "since": rfc3339(hold.placed_at),
        "erasure_asked_for": None if wanted is None else rfc3339(wanted),
    }
