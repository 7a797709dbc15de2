"""What there is to know about a person's consents; nothing is changed here."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent import rules
from bot.consent.rules import (
    Consent,
    EntryId,
    EventKind,
    PromptUnknown,
    PurposeId,
    Standing,
)
from bot.proof import canonical
from bot.usecases.consent_steps import Steps
from bot.usecases.journal import opened
from bot.usecases.people import Person
from storage import consents, delivery_records, log, notices, prompts
from storage.consents import StoredEvent
from storage.delivery_records import Origin
from storage.notices import PublishedNotice


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How a person stands to one purpose."""

    purpose_id: PurposeId
    standing: Standing
    consent: Consent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptLine:
    """The last answer about one purpose, as a receipt certifies it."""

    purpose_id: PurposeId
    event: EventKind
    entry_id: EntryId
    index: int
    at: datetime
    notice_version: int
    notice_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The consent that allowed a message, with the text agreed to."""

    title: str
    text: str
    notice_version: int
    entry_id: EntryId
    index: int
    at: datetime


class Views(Steps):
    """Reads, each in one snapshot."""

    __slots__ = ()

    async def positions(self, person: Person, at: datetime) -> list[Position]:
        """How a person stands to every purpose on offer, in the order of asking."""
        async with self.database.snapshot() as tx:
            terms = await notices.terms(tx)
            held = await consents.of_subject(tx, person.id)
        return [
            Position(
                purpose_id=PurposeId(purpose.id),
                standing=rules.standing(PurposeId(purpose.id), held, terms, at),
                consent=held.get(PurposeId(purpose.id)),
            )
            for purpose in self.publication.catalogue.purposes
        ]

    async def dependents(self, person: Person, purpose_id: PurposeId) -> list[PurposeId]:
        """What a withdrawal of this purpose would end besides it."""
        async with self.database.snapshot() as tx:
            held = await consents.of_subject(tx, person.id)
        return self._open_dependents(held, purpose_id)

    async def receipt(self, person: Person) -> list[ReceiptLine]:
        """The last answer about each purpose, the latest at the end."""
        async with self.database.snapshot() as tx:
            held = await consents.of_subject(tx, person.id)
            lines = [await self._receipt_line(tx, consent) for consent in held.values()]
        return sorted(lines, key=lambda line: line.index)

    async def _receipt_line(self, tx: AsyncConnection, consent: Consent) -> ReceiptLine:
        event = await consents.event(tx, consent.entry_id)
        text = await notices.text(tx, consent.purpose_id, consent.notice_version, consent.locale)
        assert event is not None, "a consent without its event"  # noqa: S101 promise 2
        assert text is not None, "a consent to a text that was never published"  # noqa: S101
        return ReceiptLine(
            purpose_id=consent.purpose_id,
            event=event.event,
            entry_id=event.entry_id,
            index=event.index,
            at=event.at,
            notice_version=consent.notice_version,
            notice_sha256=text.sha256,
        )

    async def text(
        self, purpose_id: PurposeId, version: int, locale: str
    ) -> PublishedNotice | None:
        """A text as it was published, however old."""
        async with self.database.snapshot() as tx:
            return await notices.text(tx, purpose_id, version, locale)

    async def origin(self, delivery_id: str) -> Origin | None:
        """Where the message under which somebody presses came from."""
        async with self.database.snapshot() as tx:
            return await delivery_records.origin(tx, delivery_id)

    async def allowed_by(self, person: Person, origin: Origin) -> Allowance:
        """What a message rested on. Raises PromptUnknown when that is not known any more."""
        async with self.database.snapshot() as tx:
            event = await consents.event(tx, origin.consent_entry_id or EntryId(""))
            entry = await log.entry(tx, origin.consent_entry_id or "")
            if event is None or entry is None or entry.sealed is None:
                raise PromptUnknown
            payload = opened(entry.sealed, person.key.secret, entry.hashed)["payload"]
            text = await notices.text(
                tx, origin.purpose_id, payload["notice_version"], payload["locale"]
            )
        assert text is not None, "a consent to a text that was never published"  # noqa: S101
        facts = canonical.parse(text.canonical.encode())
        return Allowance(
            title=facts["title"],
            text=facts["text"],
            notice_version=text.version,
            entry_id=event.entry_id,
            index=event.index,
            at=event.at,
        )

    async def event(self, entry_id: EntryId) -> StoredEvent | None:
        async with self.database.snapshot() as tx:
            return await consents.event(tx, entry_id)

    async def prompted_purpose(self, person: Person, nonce: str) -> PurposeId | None:
        """What a prompt of this person is about; None: it is not theirs."""
        async with self.database.snapshot() as tx:
            prompt = await prompts.get(tx, nonce)
        return prompt.purpose_id if prompt and prompt.subject_id == person.id else None
