"""What a dossier says of one person; nothing here is done, read or worded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bot.campaigns.states import DeliveryState
from bot.consent.rules import Consent, EntryId, EventKind, PurposeId, Reach, Standing, SubjectId
from bot.privacy.profile import Profile
from bot.proof.note import VerifierKey
from storage.dossiers import Erasures, Hold, Sending

ENTRY: Final = re.compile(r"(?<![0-9a-z])[0-9a-f]{32}(?![0-9a-z])", re.IGNORECASE)
NUMBER: Final = re.compile(r"(?:№|#|\bno\.?)\s*([0-9]{1,18})\b", re.IGNORECASE)
ACCOUNT: Final = re.compile(r"[0-9]{1,19}")
SUBJECT: Final = re.compile(r"[0-9a-f]{32}")
TAKEN: Final = frozenset({DeliveryState.SENT, DeliveryState.SENDING, DeliveryState.UNCERTAIN})
"""What may have reached the person."""


@dataclass(frozen=True, slots=True)
class ByAccount:
    """Whoever has this account. `repr` is empty: it must not reach a log."""

    account: str

    def __repr__(self) -> str:
        return "ByAccount(…)"


@dataclass(frozen=True, slots=True)
class ByEntry:
    """Whoever an entry of the log is about: its random id, as a receipt shows it."""

    entry_id: EntryId


@dataclass(frozen=True, slots=True)
class ByIndex:
    """The same by the entry's number."""

    index: int


@dataclass(frozen=True, slots=True)
class BySubject:
    """Our own random id of a person, as exports show it."""

    subject_id: SubjectId


Wanted = ByAccount | ByEntry | ByIndex | BySubject


def entry_named(text: str) -> ByEntry | ByIndex | None:
    """Read the id of an entry out of what somebody quotes of a receipt; else its number.

    A bare number names no entry here: it would be taken for an account.
    """
    if found := ENTRY.search(text):
        return ByEntry(EntryId(found[0].lower()))
    if found := NUMBER.search(text):
        return ByIndex(int(found[1]))
    return None


def account_named(text: str) -> ByAccount | None:
    """Read the id of a Telegram account that stands alone."""
    return ByAccount(text.strip()) if ACCOUNT.fullmatch(text.strip()) else None


# --- nobody -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodyKnown:
    """No such account or subject is kept: they never wrote, or they were erased."""

    forbidden_since: datetime | None = None
    """When they were erased, if they also asked never to be written to again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuchEntry:
    """The log has no such entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodysEntry:
    """The entry is about no person."""

    index: int
    type: str
    at: str
    """As the entry itself says it (RFC 3339)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedEntry:
    """The person whom an entry is about was erased; nobody can read it any more."""

    index: int
    type: str
    at: str
    erasures: Erasures | None


Absent = NobodyKnown | NoSuchEntry | NobodysEntry | ErasedEntry


# --- somebody ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The person as they are known."""

    subject_id: SubjectId
    channel: str
    profile: Profile
    locale: str
    known_since: datetime
    last_seen: datetime
    reach: Reach
    paused_until: datetime | None
    suppressed: bool
    hold: Hold | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How the person stands to one purpose now."""

    consent: Consent
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One consent event with what was said, and its proof as a file."""

    index: int
    entry_id: EntryId
    event: EventKind
    purpose_id: PurposeId
    at: datetime
    """When the update that brought it was stored."""
    written_at: datetime | None
    payload: Mapping[str, Any] = field(repr=False)
    proof: bytes = field(repr=False)

    @property
    def notice(self) -> tuple[str, int, str]:
        """Which text it is about: purpose, version, locale."""
        said = self.payload
        return said["purpose"], said["notice_version"], said["locale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One published notice."""

    purpose_id: PurposeId
    version: int
    locale: str
    sha256: str
    entry_id: EntryId
    facts: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a campaign says; `text` is None when its key is gone."""

    campaign_id: str
    number: int | None
    purpose_id: PurposeId
    content_sha256: str
    kind: str | None
    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One delivery, with the place in the log of the consent that allowed it."""

    sending: Sending
    consent_index: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A refusal or withdrawal, and what it took until it counted."""

    happening: Happening
    acted_at: datetime | None
    """Telegram's date of the word; a press has none, and one that followed from another neither."""
    last_before: Message | None
    """The last message under the purpose that may have reached the person."""
    crossed: tuple[Message, ...]
    """Messages recorded afterwards that rest on a consent from before: they were on their way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """The log that the proofs lead to."""

    origin: str
    size: int
    root: bytes
    checkpoint: str
    key: VerifierKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Everything about one person, at one moment of the log. `repr` is short: it is personal."""

    made_at: datetime
    software: str
    opening: tuple[int, EntryId]
    """The entry that says who asked for it."""
    who: Who
    stands: tuple[Stand, ...]
    happenings: tuple[Happening, ...]
    endings: tuple[Ending, ...]
    messages: tuple[Message, ...]
    campaigns: tuple[Said, ...]
    texts: tuple[Text, ...]
    titles: Mapping[str, Mapping[str, str]]
    """The latest title of each purpose by locale."""
    log: Vouched

    def __repr__(self) -> str:
        return f"Dossier({self.who.subject_id})"


def endings(happenings: tuple[Happening, ...], messages: tuple[Message, ...]) -> list[Ending]:
    """Set each refusal and withdrawal beside the messages before and after it."""
    found = []
    for happening in happenings:
        if happening.event not in {EventKind.REFUSED, EventKind.WITHDRAWN}:
            continue
        taken = [
            message
            for message in messages
            if message.sending.purpose_id == happening.purpose_id and message.sending.state in TAKEN
        ]
        found.append(
            Ending(
                happening=happening,
                acted_at=_acted_at(happening.payload),
                last_before=next(
                    (m for m in reversed(taken) if m.sending.at <= happening.at), None
                ),
                crossed=tuple(
                    m
                    for m in taken
                    if m.sending.at > happening.at
                    and m.consent_index is not None
                    and m.consent_index < happening.index
                ),
            )
        )
    return found


def _acted_at(payload: Mapping[str, Any]) -> datetime | None:
    if payload.get("method") not in {"text", "command"} or "message_date" not in payload:
        return None
    return datetime.fromisoformat(payload["message_date"])
