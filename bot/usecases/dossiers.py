"""A complaint answered: everything about one person, with its proofs, at one moment of the log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent import rules
from bot.consent.rules import EntryId, PurposeId, SubjectId
from bot.privacy.envelope import open_json
from bot.privacy.keyring import KeyMissing
from bot.privacy.profile import Profile
from bot.proof import canonical, entry, proof_file
from bot.proof.checkpoint import Checkpoint
from bot.usecases.checkpoints import Signer
from bot.usecases.dossier_facts import (
    Absent,
    ByAccount,
    ByEntry,
    ByIndex,
    BySubject,
    Dossier,
    ErasedEntry,
    Happening,
    Message,
    NobodyKnown,
    NobodysEntry,
    NoSuchEntry,
    Said,
    Stand,
    Text,
    Vouched,
    Wanted,
    Who,
    endings,
)
from bot.usecases.events import software
from bot.usecases.journal import Journal, Written, opened
from bot.usecases.people import TELEGRAM
from storage import campaigns, consents, dossiers, log, notices, subjects
from storage.consents import StoredEvent
from storage.database import Database
from storage.dossiers import Sending
from storage.log import StoredEntry
from storage.notices import PublishedNotice
from storage.subjects import Subject

OPENED = "staff.dossier_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierDesk:
    """Finds the person who complains or asks, and compiles what is known of them.

    That somebody looked is an entry of the log, written before anything is shown.
    """

    database: Database
    journal: Journal
    signer: Signer

    async def open(self, wanted: Wanted, staff_account: str, at: datetime) -> Dossier | Absent:
        """Find somebody, record who looks, and compile. Raises TreeRolledBack."""
        found = await self.find(wanted)
        if not isinstance(found, str):
            return found
        # First: a log that may not be signed gives no dossier, and nobody has looked then.
        await self.signer.sign(at)
        opening = await self.record(staff_account, found, at)
        return await self.compile(found, opening, at) or NobodyKnown()

    async def find(self, wanted: Wanted) -> SubjectId | Absent:
        async with self.database.snapshot() as tx:
            match wanted:
                case ByAccount():
                    return await self._by_account(tx, wanted.account)
                case BySubject():
                    stored = await subjects.by_id(tx, wanted.subject_id)
                    return NobodyKnown() if stored is None else stored.id
                case ByEntry():
                    return await self._of_entry(tx, await log.entry(tx, wanted.entry_id))
                case ByIndex():
                    named = await log.entries_by_index(tx, [wanted.index])
                    return await self._of_entry(tx, named[0] if named else None)

    async def _by_account(self, tx: AsyncConnection, account: str) -> SubjectId | Absent:
        keyring = self.journal.keyring()
        stored = await subjects.by_lookup(tx, keyring.account_lookup(TELEGRAM, account))
        if stored is not None:
            return stored.id
        forbidden = keyring.suppression_hash(TELEGRAM, account)
        return NobodyKnown(forbidden_since=await dossiers.forbidden_since(tx, forbidden))

    async def _of_entry(
        self, tx: AsyncConnection, stored: StoredEntry | None
    ) -> SubjectId | Absent:
        if stored is None:
            return NoSuchEntry()
        event = await consents.event(tx, EntryId(stored.entry_id))
        if event is not None and event.subject_id is not None:
            return event.subject_id
        read = entry.parse(stored.hashed)
        if event is None or event.purpose_id is None:
            return NobodysEntry(index=stored.index, type=read.type, at=read.time)
        return ErasedEntry(
            index=stored.index,
            type=read.type,
            at=read.time,
            erasures=await dossiers.erasures_after(tx, stored.index),
        )

    async def record(self, staff_account: str, subject_id: SubjectId, at: datetime) -> Written:
        """Write into the log who looks at whom.

        The house key opens it and outlives the person, so it names no account of theirs: the
        random id alone leads nowhere once they are erased.
        """
        payload = {"staff": staff_account, "subject": subject_id}
        async with self.database.transaction() as tx:
            key = await self.journal.house_key(tx)
            return await self.journal.write(tx, OPENED, payload, at, key=key)

    async def compile(
        self, subject_id: SubjectId, opening: Written, at: datetime
    ) -> Dossier | None:
        """Return everything about a person; None: they were erased meanwhile."""
        while True:
            current, signed = await self.signer.sign(at)
            async with self.database.snapshot() as tx:
                await dossiers.hold_still(tx)
                found = await dossiers.events(tx, subject_id)
                if all(event.index < current.size for event, _ in found):
                    return await self._compile(
                        tx, subject_id, found, opening, at, (current, signed)
                    )
            # They answered between the signature and the snapshot: sign that too.

    async def _compile(
        self,
        tx: AsyncConnection,
        subject_id: SubjectId,
        found: list[tuple[StoredEvent, StoredEntry]],
        opening: Written,
        at: datetime,
        vouched: tuple[Checkpoint, str],
    ) -> Dossier | None:
        stored = await subjects.by_id(tx, subject_id)
        if stored is None:
            return None
        published = {
            (text.purpose_id, text.version, text.locale): text
            for text in await notices.all_texts(tx)
        }
        secret = self.journal.keyring().unwrap(stored.key)
        happenings = await self._happenings(tx, found, secret, published, vouched)
        sendings = await dossiers.sendings(tx, subject_id)
        indexes = {happening.entry_id: happening.index for happening in happenings}
        messages = tuple(
            Message(sending=one, consent_index=indexes.get(one.consent_entry_id or EntryId("")))
            for one in sendings
        )
        current, signed = vouched
        return Dossier(
            made_at=at,
            software=software(),
            opening=(opening.index, opening.entry_id),
            who=await self._who(tx, stored, secret),
            stands=await _stands(tx, subject_id, at),
            happenings=happenings,
            endings=tuple(endings(happenings, messages)),
            messages=messages,
            campaigns=await self._said(tx, sendings),
            texts=_texts(happenings, published),
            titles=_titles(published),
            log=Vouched(
                origin=current.origin,
                size=current.size,
                root=current.root,
                checkpoint=signed,
                key=self.signer.key,
            ),
        )

    async def _who(self, tx: AsyncConnection, stored: Subject, secret: bytes) -> Who:
        facts = open_json(secret, stored.sealed, stored.id.encode())
        return Who(
            subject_id=stored.id,
            channel=stored.channel,
            profile=Profile.from_json(facts),
            locale=stored.locale,
            known_since=stored.created_at,
            last_seen=stored.seen_at,
            reach=stored.reach,
            paused_until=stored.paused_until,
            suppressed=stored.suppressed,
            hold=await dossiers.hold(tx, stored.id),
        )

    async def _happenings(
        self,
        tx: AsyncConnection,
        found: list[tuple[StoredEvent, StoredEntry]],
        secret: bytes,
        published: dict[tuple[PurposeId, int, str], PublishedNotice],
        vouched: tuple[Checkpoint, str],
    ) -> tuple[Happening, ...]:
        current, signed = vouched
        paths = await log.inclusion_paths(tx, [event.index for event, _ in found], current.size)

        def opened_up(event: StoredEvent, written: StoredEntry) -> Happening:
            assert written.sealed is not None  # noqa: S101 it has its subject, so its payload
            opening = opened(written.sealed, secret, written.hashed)
            payload: dict[str, Any] = opening["payload"]
            named = payload["purpose"], payload["notice_version"], payload["locale"]
            proof = proof_file.write(
                index=event.index,
                hashed=written.hashed,
                salt=bytes.fromhex(opening["salt"]),
                payload=payload,
                notice=canonical.parse(published[named].canonical.encode()),
                path=paths[event.index],
                checkpoint=signed,
                key=self.signer.key,
            )
            return Happening(
                index=event.index,
                entry_id=event.entry_id,
                event=event.event,
                purpose_id=PurposeId(payload["purpose"]),
                at=event.at,
                written_at=event.written_at,
                payload=payload,
                proof=proof,
            )

        return tuple(opened_up(event, written) for event, written in found)

    async def _said(self, tx: AsyncConnection, sendings: list[Sending]) -> tuple[Said, ...]:
        """What the messages said: each campaign once, in the order in which it was first sent."""
        wanted = list(dict.fromkeys(one.campaign_id for one in sendings))
        found = {
            stored.id: self._opened_campaign(stored)
            async for stored in campaigns.get_many(tx, wanted)
        }
        return tuple(found[campaign_id] for campaign_id in wanted if campaign_id in found)

    def _opened_campaign(self, stored: campaigns.StoredCampaign) -> Said:
        content: dict[str, Any] = {}
        try:
            secret = self.journal.keyring().unwrap(stored.key)
            content = open_json(secret, stored.sealed, stored.id.encode())["content"]
        except KeyMissing:
            pass  # its epoch key was destroyed; that it was sent is still known
        return Said(
            campaign_id=stored.id,
            number=stored.number,
            purpose_id=PurposeId(stored.purpose_id),
            content_sha256=stored.content_sha256,
            kind=content.get("kind"),
            text=content.get("text"),
        )


async def _stands(tx: AsyncConnection, subject_id: SubjectId, at: datetime) -> tuple[Stand, ...]:
    """How the person stands to each purpose they ever answered, in the order of asking."""
    terms = await notices.terms(tx)
    held = await consents.of_subject(tx, subject_id)
    order = await notices.purpose_ids(tx)
    return tuple(
        Stand(
            consent=held[purpose_id],
            standing=rules.standing(purpose_id, held, terms, at),
        )
        for purpose_id in order
        if purpose_id in held
    )


def _texts(
    happenings: tuple[Happening, ...],
    published: dict[tuple[PurposeId, int, str], PublishedNotice],
) -> tuple[Text, ...]:
    """The texts that the events name, each once, in the order in which they were first named."""
    found = []
    for name in dict.fromkeys(happening.notice for happening in happenings):
        text = published[PurposeId(name[0]), name[1], name[2]]
        found.append(
            Text(
                purpose_id=text.purpose_id,
                version=text.version,
                locale=text.locale,
                sha256=text.sha256,
                entry_id=text.entry_id,
                facts=canonical.parse(text.canonical.encode()),
            )
        )
    return tuple(found)


def _titles(
    published: dict[tuple[PurposeId, int, str], PublishedNotice],
) -> dict[str, dict[str, str]]:
    """The latest title of each purpose by locale; published texts come in their order."""
    found: dict[str, dict[str, str]] = {}
    for text in published.values():
        facts = canonical.parse(text.canonical.encode())
        found.setdefault(text.purpose_id, {})[text.locale] = facts["title"]
    return found
