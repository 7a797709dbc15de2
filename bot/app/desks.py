"""The use-cases of a running bot, built once."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.app.core import Core
from bot.delivery.flights import Flights
from bot.settings import Settings
from bot.usecases.aftermath import Aftermath
from bot.usecases.campaigns import CampaignDesk
from bot.usecases.consents import ConsentDesk
from bot.usecases.conversations import Conversations
from bot.usecases.events import EventWriter
from bot.usecases.holds import HoldDesk
from bot.usecases.inbox import Inbox
from bot.usecases.people import People
from bot.usecases.publication import Publication
from bot.usecases.records import RecordDesk
from bot.usecases.retention import RetentionDesk
from bot.usecases.sealing import SealDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """The use-cases of a running bot."""

    people: People
    consents: ConsentDesk
    records: RecordDesk
    campaigns: CampaignDesk
    aftermath: Aftermath
    seals: SealDesk
    inbox: Inbox
    conversations: Conversations
    retention: RetentionDesk
    holds: HoldDesk


def build_desks(
    settings: Settings,
    core: Core,
    publication: Publication,
    flights: Flights,
    wake_sender: Callable[[], None],
) -> Desks:
    people = People(
        database=core.database,
        journal=core.journal,
        locales=publication.catalogue.locales,
        default_locale=settings.default_locale,
    )
    events = EventWriter(journal=core.journal)
    return Desks(
        people=people,
        consents=ConsentDesk(
            database=core.database,
            events=events,
            people=people,
            publication=publication,
            recall=flights.recall,
        ),
        records=RecordDesk(
            database=core.database,
            journal=core.journal,
            signer=core.signer,
            recall=flights.recall,
        ),
        campaigns=CampaignDesk(
            database=core.database,
            journal=core.journal,
            publication=publication,
            wake_sender=wake_sender,
        ),
        aftermath=Aftermath(database=core.database, journal=core.journal),
        seals=SealDesk(database=core.database, journal=core.journal),
        inbox=Inbox(database=core.database, keyring=core.journal.keyring),
        conversations=Conversations(database=core.database, keyring=core.journal.keyring),
        retention=RetentionDesk(database=core.database, journal=core.journal),
        holds=HoldDesk(database=core.database, journal=core.journal, recall=flights.recall),
    )
