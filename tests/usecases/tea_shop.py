"""A tea shop that asks: real database, real keys, real log; the time is always said."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.app.core import Core, build_core
from bot.clock import Clock, utc_now
from bot.consent.acts import Act, Choice, Method, Shown
from bot.consent.purposes import Catalogue, Controller, Kind, Purpose
from bot.consent.rules import EntryId, PurposeId, Standing
from bot.delivery.flights import Flights
from bot.privacy.profile import Profile
from bot.proof import canonical, entry
from bot.usecases.campaigns import CampaignDesk
from bot.usecases.consent_steps import Outcome
from bot.usecases.consents import ConsentDesk
from bot.usecases.conversations import Conversations
from bot.usecases.events import EventWriter
from bot.usecases.holds import HoldDesk
from bot.usecases.inbox import Inbox
from bot.usecases.journal import opened
from bot.usecases.people import People, Person
from bot.usecases.publication import Publication, publish
from bot.usecases.records import RecordDesk
from bot.usecases.retention import RetentionDesk
from bot.usecases.sealing import SealDesk
from storage import consents, keys, keystore, log, migrations
from storage.consents import StoredEvent
from storage.database import Database
from storage.prompts import Step

KEK = b"k" * 32
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DATA, ORDERS, OFFERS = PurposeId("personal-data"), PurposeId("orders"), PurposeId("offers")
CONTROLLER = Controller(
    name={"ru": "ООО «Чайная лавка»", "en": "Tea Shop LLC"},
    address={"ru": "Москва", "en": "Moscow"},
    country="RU",
    contact="privacy@tea.example",
    inn="7707083893",
)
KINDS = {DATA: Kind.PROCESSING, ORDERS: Kind.INFORMATIONAL, OFFERS: Kind.ADVERTISING}
SHOWN = Shown(
    text="Offers and discounts\nNews of tea?",
    entities=({"type": "bold", "offset": 0, "length": 20},),
    buttons=("Agree", "Decline", "Full text"),
)
PRESS = Act(method=Method.CALLBACK)


def purpose(purpose_id: PurposeId, text: str = "the first text", **facts: Any) -> Purpose:
    """Describe a purpose in two languages; what requires nothing stands alone."""
    both = {"ru": f"{purpose_id}: {text} (ru)", "en": f"{purpose_id}: {text}"}
    title = {"ru": f"{purpose_id} (ru)", "en": purpose_id}
    kind = facts.pop("kind", KINDS.get(purpose_id, Kind.INFORMATIONAL))
    return Purpose(id=purpose_id, kind=kind, title=title, summary=both, notice=both, **facts)


def catalogue(*purposes: Purpose) -> Catalogue:
    return Catalogue(
        locales=("ru", "en"), controller=CONTROLLER, advisories=(), purposes=tuple(purposes)
    )


PURPOSES = catalogue(
    purpose(DATA), purpose(ORDERS, requires=(DATA,)), purpose(OFFERS, requires=(DATA,))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEntry:
    """One entry of the log with what opens it; `opening` is None once that is gone."""

    index: int
    read: entry.Entry
    sealed: bytes | None
    opening: dict[str, Any] | None

    @property
    def payload(self) -> dict[str, Any]:
        assert self.opening is not None
        payload: dict[str, Any] = self.opening["payload"]
        return payload


@dataclass(slots=True, kw_only=True)
class Shop:
    """The desks of one shop over one database."""

    core: Core
    publication: Publication
    flights: Flights = field(default_factory=Flights)
    clock: Clock = utc_now
    """When consent events are written; when they came is always said."""

    # --- the desks, as bot.app.desks builds them ----------------------------------------------

    @property
    def database(self) -> Database:
        return self.core.database

    @property
    def people(self) -> People:
        return People(
            database=self.database,
            journal=self.core.journal,
            locales=self.publication.catalogue.locales,
            default_locale="ru",
        )

    @property
    def consents(self) -> ConsentDesk:
        return ConsentDesk(
            database=self.database,
            events=EventWriter(journal=self.core.journal, clock=self.clock),
            people=self.people,
            publication=self.publication,
            recall=self.flights.recall,
        )

    @property
    def records(self) -> RecordDesk:
        return RecordDesk(
            database=self.database,
            journal=self.core.journal,
            signer=self.core.signer,
            recall=self.flights.recall,
        )

    @property
    def campaigns(self) -> CampaignDesk:
        return CampaignDesk(
            database=self.database,
            journal=self.core.journal,
            publication=self.publication,
            wake_sender=lambda: None,
        )

    @property
    def seals(self) -> SealDesk:
        return SealDesk(database=self.database, journal=self.core.journal)

    @property
    def retention(self) -> RetentionDesk:
        return RetentionDesk(database=self.database, journal=self.core.journal)

    @property
    def holds(self) -> HoldDesk:
        return HoldDesk(
            database=self.database, journal=self.core.journal, recall=self.flights.recall
        )

    @property
    def inbox(self) -> Inbox:
        return Inbox(database=self.database, keyring=self.core.journal.keyring)

    @property
    def conversations(self) -> Conversations:
        return Conversations(database=self.database, keyring=self.core.journal.keyring)

    # --- what people do ---------------------------------------------------------------------

    async def publish(self, *purposes: Purpose, at: datetime = AT) -> Publication:
        """Start again with another purposes file."""
        made = catalogue(*purposes)
        self.publication = await publish(self.database, self.core.journal, made, at)
        return self.publication

    async def meet(self, account: str = "700100200", at: datetime = AT, **facts: str) -> Person:
        profile = Profile(account=account, language="en")
        return await self.people.meet(replace(profile, **facts), at)

    async def ask(
        self, person: Person, purpose_id: PurposeId, at: datetime = AT, step: Step = Step.ANSWER
    ) -> str:
        return await self.consents.ask(person, purpose_id, step, SHOWN, at)

    async def answer(
        self,
        person: Person,
        purpose_id: PurposeId,
        choice: Choice = Choice.AGREE,
        at: datetime = AT,
        **facts: Any,
    ) -> Outcome:
        """Ask and let the person press at once."""
        step = Step.CONFIRM if choice is Choice.CONFIRM else Step.ANSWER
        nonce = await self.ask(person, purpose_id, at, step)
        act = Act(method=Method.CALLBACK, **facts)
        return await self.consents.answer(person, nonce, choice, act, at)

    async def agree_all(self, person: Person, at: datetime = AT) -> list[Outcome]:
        return [
            await self.answer(person, PurposeId(one.id), at=at)
            for one in self.publication.catalogue.purposes
        ]

    # --- what came of it --------------------------------------------------------------------

    async def standings(self, person: Person, at: datetime = AT) -> dict[PurposeId, Standing]:
        positions = await self.consents.positions(person, at)
        return {position.purpose_id: position.standing for position in positions}

    async def events(self, person: Person) -> list[str]:
        """What happened to a person's consents, in words such as "granted offers"."""
        found = await self.records.events(person)
        return [f"{event.event} {event.purpose_id}" for event in found]

    async def proof(self, person: Person, entry_id: EntryId, at: datetime) -> bytes | None:
        """The proof file of one answer, as it is handed out."""
        files = await self.records.proof_files(person, entry_id, at)
        return None if files is None else files.proof

    async def log_size(self) -> int:
        async with self.database.snapshot() as tx:
            return (await log.head(tx)).size

    async def log(self) -> list[OpenedEntry]:
        """The whole log, opened as far as our keys go."""
        async with self.database.snapshot() as tx:
            size = (await log.head(tx)).size
            stored = [one async for page in log.entries(tx, size=size) for one in page]
            wanted = sorted({one.key_id for one in stored if one.key_id is not None})
            wrapped = await keys.get_many(tx, wanted)
        keyring = self.core.journal.keyring()
        secrets = {key_id: keyring.unwrap(key) for key_id, key in wrapped.items()}
        return [_opened(one, secrets) for one in stored]

    async def payload(self, entry_id: EntryId) -> dict[str, Any]:
        """What an entry says, once opened."""
        (found,) = [one for one in await self.log() if one.read.id == entry_id]
        return found.payload

    async def index_of_events(self) -> list[StoredEvent]:
        """Every event of everybody, as the index of the log has it."""
        async with self.database.snapshot() as tx:
            found = [await consents.event(tx, EntryId(one.read.id)) for one in await self.log()]
        return [event for event in found if event is not None]


def _opened(stored: log.StoredEntry, secrets: dict[str, bytes]) -> OpenedEntry:
    opening: dict[str, Any] | None = None
    if stored.sealed is not None and stored.key_id is None:
        opening = canonical.parse(stored.sealed)
    elif stored.sealed is not None and stored.key_id in secrets:
        opening = opened(stored.sealed, secrets[stored.key_id], stored.hashed)
    return OpenedEntry(
        index=stored.index,
        read=entry.parse(stored.hashed),
        sealed=stored.sealed,
        opening=opening,
    )


@asynccontextmanager
async def open_shop(database: Database, folder: Path) -> AsyncIterator[Shop]:
    """Open a shop on a migrated database; the keys lie in a folder."""
    made = keystore.create(folder / "keys" / "keystore.json", KEK, "assent/tea", AT)
    core = build_core(database, made)
    yield Shop(core=core, publication=await publish(database, core.journal, PURPOSES, AT - DAY))


@asynccontextmanager
async def new_shop(folder: Path) -> AsyncIterator[Shop]:
    """Open a shop on a SQLite file of its own."""
    database = Database(f"sqlite+aiosqlite:///{folder}/data/assent.db")
    await migrations.upgrade(database)
    try:
        async with open_shop(database, folder) as shop:
            yield shop
    finally:
        await database.close()


async def reopened(folder: Path, purposes: Sequence[Purpose]) -> Shop:
    """Start again on the files of a shop, with a purposes file."""
    database = Database(f"sqlite+aiosqlite:///{folder}/data/assent.db")
    core = build_core(database, keystore.open_keystore(folder / "keys" / "keystore.json", KEK))
    made = catalogue(*purposes)
    return Shop(core=core, publication=await publish(database, core.journal, made, AT))


def on_disk(folder: Path) -> bytes:
    """Whatever lies in the files of the database: pages, free pages, write-ahead log."""
    return b"".join(path.read_bytes() for path in _files(folder / "data"))


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())
