"""What erasing a person takes, inside the transaction of whoever decided it (promise 7)."""

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.campaigns.campaign import Author
from bot.campaigns.states import CampaignState
from bot.consent import rules
from bot.consent.acts import Act
from bot.consent.rules import EventKind, SubjectId
from bot.privacy.envelope import open_json, seal_json
from bot.privacy.keyring import KeyMissing
from bot.usecases.consent_steps import end
from bot.usecases.events import EventWriter
from bot.usecases.journal import Journal
from bot.usecases.people import TELEGRAM, Person
from bot.usecases.sealing import keep_leaves
from storage import (
    campaigns,
    consents,
    conversations,
    deliveries,
    holds,
    inbox,
    keys,
    log,
    prompts,
    subjects,
)
from storage.consents import StoredEvent
from storage.inbox import InboxState

WITHDRAWN: Final = "withdrawn"


class Erased(StrEnum):
    """What came of a wish to be erased."""

    GONE = "gone"
    HELD = "held"
    """A legal hold stands: everything has ended, but the proofs stay until it is released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The steps of erasing. The person's row is locked already, and no hold stands."""

    journal: Journal

    async def erase(
        self,
        tx: AsyncConnection,
        subject_id: SubjectId,
        lookup: bytes,
        at: datetime,
        *,
        keeps_waiting: bool = False,
    ) -> None:
        """Delete everything of a person; the log keeps entries that nobody can open.

        `keeps_waiting`: the person did not ask for it, so what they just wrote is still handled.
        """
        # Campaigns come before deliveries, as where a campaign is cancelled: else two
        # transactions could wait for each other.
        await self._unlink_author(tx, lookup)
        # Now the rows are emptied, and soon the key is gone that salts their leaves.
        with suppress(KeyMissing):  # then the seal takes them for those of nobody
            if (key := await self.journal.key(tx, subject_id)) is not None:
                await keep_leaves(tx, subject_id, key.secret)
        await deliveries.forget_subject(tx, subject_id, at)
        await prompts.remove_of(tx, subject_id)
        await consents.remove_of(tx, subject_id)
        await conversations.remove(tx, lookup)
        await inbox.remove_of(tx, lookup, unless=InboxState.WAITING if keeps_waiting else None)
        await log.erase_payloads(tx, subject_id)
        await subjects.remove(tx, subject_id)
        await keys.destroy(tx, subject_id)
        await self._write_erasure(tx, at)

    async def end_under_hold(
        self, tx: AsyncConnection, person: Person, act: Act, at: datetime, *, never_again: bool
    ) -> None:
        """End everything of a person at once, but keep what proves it: a legal hold stands.

        Their wish is remembered; the release of the hold fulfils it (GDPR art. 17(3)(e), 18).
        """
        lookup = self.journal.keyring().account_lookup(TELEGRAM, person.profile.account)
        await deliveries.suppress_subject(tx, person.id, WITHDRAWN, at)
        await prompts.remove_of(tx, person.id)
        await conversations.remove(tx, lookup)
        await inbox.remove_of(tx, lookup)
        await holds.want_erasure(tx, person.id, at, never_again=never_again)
        if never_again:
            await subjects.change(tx, person.id, suppressed=True)
        events = EventWriter(journal=self.journal)
        for consent in (await consents.of_subject(tx, person.id)).values():
            if rules.is_open(consent):
                await end(tx, events, person, consent, EventKind.WITHDRAWN, act, at)

    async def _unlink_author(self, tx: AsyncConnection, lookup: bytes) -> None:
        """Take a person off what they wrote for the company; their drafts nobody else has seen."""
        written = await campaigns.of_author(tx, lookup)
        drafts = [one.id for one in written if one.state is CampaignState.DRAFT]
        await campaigns.remove(tx, drafts)
        for stored in written:
            if stored.state is CampaignState.DRAFT:
                continue
            secret = self.journal.keyring().unwrap(stored.key)
            facts = open_json(secret, stored.sealed, stored.id.encode())
            facts["author"]["account"] = Author.NOBODY
            sealed = seal_json(secret, facts, stored.id.encode())
            await campaigns.unlink_author(tx, stored.id, sealed)

    async def _write_erasure(self, tx: AsyncConnection, at: datetime) -> None:
        """Log that somebody was erased; nothing in it says who."""
        payload = {"erasure": os.urandom(16).hex()}
        key = await self.journal.house_key(tx)
        written = await self.journal.write(tx, "subject.erased", payload, at, key=key)
        await consents.add_event(
            tx,
            StoredEvent(
                index=written.index,
                entry_id=written.entry_id,
                event=EventKind.ERASED,
                purpose_id=None,
                at=at,
                subject_id=None,
            ),
        )
