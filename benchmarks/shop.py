"""A shop in a temporary folder, with many people who agreed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.app.core import Core, build_core
from bot.app.desks import Desks, build_desks
from bot.clock import utc_now
from bot.consent.acts import Act, Choice, Method, Shown
from bot.consent.purposes import Catalogue, Controller, Kind, Purpose
from bot.consent.rules import PurposeId
from bot.delivery.flights import Flights
from bot.privacy.profile import Profile
from bot.settings import Settings
from bot.usecases.publication import Publication, publish
from storage import keystore, migrations
from storage.database import Database
from storage.prompts import Step

TEXT = {"en": "A text of some length, as people are shown it before they answer."}
CATALOGUE = Catalogue(
    locales=("en",),
    controller=Controller(
        name=TEXT, address=TEXT, country="DE", contact="a@b.example", registration="HRB 1"
    ),
    advisories=(),
    purposes=(
        Purpose(id="orders", kind=Kind.INFORMATIONAL, title=TEXT, summary=TEXT, notice=TEXT),
    ),
)
ORDERS = PurposeId("orders")
SHOWN = Shown(text=TEXT["en"], entities=(), buttons=("Agree", "Decline"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The parts that a benchmark drives."""

    database: Database
    core: Core
    publication: Publication

    def desks(self, flights: Flights | None = None) -> Desks:
        settings = Settings(_env_file=None, default_locale="en")
        flights = Flights() if flights is None else flights
        return build_desks(settings, self.core, self.publication, flights, lambda: None)


async def open_shop(folder: Path) -> Shop:
    database = Database(f"sqlite+aiosqlite:///{folder}/data/assent.db")
    await migrations.upgrade(database)
    kek = keystore.create_kek(folder / "keys" / "assent.key")
    made_at = datetime(2026, 1, 1, tzinfo=UTC)
    opened = keystore.create(folder / "keys" / "assent.keystore.json", kek, "bench/shop", made_at)
    core = build_core(database, opened)
    publication = await publish(database, core.journal, CATALOGUE, made_at)
    return Shop(database=database, core=core, publication=publication)


async def agree(desks: Desks, account: int) -> None:
    """Let somebody be met, asked and agree: three transactions, one log entry."""
    now = utc_now()
    person = await desks.people.meet(
        Profile(account=str(account), first_name="Person", language="en"), now
    )
    nonce = await desks.consents.ask(person, ORDERS, Step.ANSWER, SHOWN, now)
    act = Act(method=Method.CALLBACK, update_id=account)
    await desks.consents.answer(person, nonce, Choice.AGREE, act, now)
