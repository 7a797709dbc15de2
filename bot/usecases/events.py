"""Writes consent events: the payload that a stranger will read, the log entry, the index row."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock, utc_now
from bot.consent.acts import Act
from bot.consent.rules import Consent, EventKind, PurposeId
from bot.proof import canonical
from bot.usecases.journal import Journal
from bot.usecases.people import TELEGRAM, Person
from storage import consents
from storage.consents import StoredEvent
from storage.notices import PublishedNotice

NONCE_BYTES = 16


@cache
def software() -> str:
    """Name the program and its version; reading it takes longer than writing an entry."""
    return f"assent {version('assent')}"


def rfc3339(at: datetime) -> str:
    """Write an instant as the log does: UTC, milliseconds, Z (RFC 3339)."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWriter:
    """Turns a decision about a consent into evidence, inside the decider's transaction."""

    journal: Journal
    clock: Clock = utc_now
    """Says when an event is written; when it came is told by whoever writes it."""

    def nonce(self) -> str:
        """Make 128 bits that nobody can guess, as 22 characters that fit a button."""
        return base64.urlsafe_b64encode(self.journal.entropy(NONCE_BYTES)).rstrip(b"=").decode()

    async def write(
        self,
        tx: AsyncConnection,
        person: Person,
        event: EventKind,
        text: PublishedNotice,
        act: Act,
        at: datetime,
        *,
        shown: Mapping[str, Any] | None = None,
        prompted_at: datetime | None = None,
        previous: Consent | None = None,
        expires_at: datetime | None = None,
        is_undoable: bool = False,
    ) -> StoredEvent:
        """Append the event to the log and to the index that finds it again."""
        facts = {
            **self._who(person),
            **_about(event, text, previous, expires_at),
            **_how(act, prompted_at),
            **_seen(shown),
        }
        payload = {name: value for name, value in facts.items() if value is not None}
        written = await self.journal.write(
            tx, f"consent.{event.value}", payload, at, key=person.key
        )
        stored = StoredEvent(
            index=written.index,
            entry_id=written.entry_id,
            event=event,
            purpose_id=PurposeId(text.purpose_id),
            at=at,
            subject_id=person.id,
            update_id=act.update_id,
            delivery_id=act.delivery_id,
            is_undoable=is_undoable,
            written_at=self.clock(),
        )
        await consents.add_event(tx, stored)
        return stored

    def _who(self, person: Person) -> dict[str, Any]:
        return {
            "subject": person.id,
            "channel": TELEGRAM,
            "account": person.profile.account,
            "source": person.profile.source or None,
            "software": software(),
        }


def _about(
    event: EventKind,
    text: PublishedNotice,
    previous: Consent | None,
    expires_at: datetime | None,
) -> dict[str, Any]:
    notice = canonical.parse(text.canonical.encode())
    named = notice["controller"]
    return {
        "controller": {"name": named["name"], "registration": named["registration"]},
        "event": event.value,
        "purpose": text.purpose_id,
        "kind": notice["kind"],
        "notice_entry": text.entry_id,
        "notice_version": text.version,
        "notice_sha256": text.sha256,
        "locale": text.locale,
        "previous": None if previous is None else previous.entry_id,
        "expires": None if expires_at is None else rfc3339(expires_at),
    }


def _how(act: Act, prompted_at: datetime | None) -> dict[str, Any]:
    return {
        "method": act.method.value,
        "update_id": _id_text(act.update_id),
        "callback_id": act.callback_id,
        "message_id": _id_text(act.message_id),
        "message_date": None if act.message_date is None else rfc3339(act.message_date),
        "prompt_date": None if prompted_at is None else rfc3339(prompted_at),
    }


def _id_text(number: int | None) -> str | None:
    """Ids are strings: numbers past 2**53 have no canonical form (RFC 8785)."""
    return None if number is None else str(number)


def _seen(shown: Mapping[str, Any] | None) -> dict[str, Any]:
    if shown is None:
        return {}
    digest = hashlib.sha256(canonical.canonical_bytes(shown)).hexdigest()
    return {"shown": dict(shown), "shown_sha256": digest}
