"""Who may do what: every command, every button and every typed step, read from the routers."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest
from aiogram import Bot, Dispatcher, Router
from aiogram.dispatcher.event.handler import HandlerObject
from aiogram.filters import Command, StateFilter
from aiogram.filters.callback_data import CallbackQueryFilter
from aiogram.types import Update
from shop import (
    OWNER_ID,
    Shop,
    answers_to_presses,
    deliveries,
    events,
    query,
    settled,
)

from bot.app.chat import build_dispatcher, footer_words
from bot.app.core import build_core, open_keys, upgrade
from bot.app.desks import build_desks
from bot.app.menus import Menus
from bot.app.telegram import build_bot
from bot.clock import utc_now
from bot.consent.loader import load
from bot.delivery.flights import Flights
from bot.delivery.pace import Pace
from bot.sandbox.people import Person, Seen
from bot.usecases.publication import publish
from handlers.customer.reception import Reception
from handlers.i18n import Language
from handlers.operator.drafting import Drafting
from handlers.roles import FLAG, Permission, Role, Roles
from handlers.routers import include_all
from storage.database import Database

EVERYONE = None
SEND, EXPORT, STATISTICS, STAFF, RECOVER, DOSSIER, PRIVACY = (
    Permission.SEND,
    Permission.EXPORT,
    Permission.STATISTICS,
    Permission.STAFF,
    Permission.RECOVER,
    Permission.DOSSIER,
    Permission.PRIVACY,
)
EXPECTED: dict[str, Permission | None] = {
    "/start": EVERYONE,
    "/stop": EVERYONE,
    "/subscriptions": EVERYONE,
    "/privacy": EVERYONE,
    "/mydata": EVERYONE,
    "/forget": EVERYONE,
    "/language": EVERYONE,
    "/help": EVERYONE,
    "/broadcast": SEND,
    "/campaigns": SEND,
    "/cancel": SEND,
    "/export": EXPORT,
    "/dossier": DOSSIER,
    "/stats": STATISTICS,
    "/staff": STAFF,
    "/hold": PRIVACY,
    "press a": EVERYONE,
    "press t": EVERYONE,
    "press l": EVERYONE,
    "press s": EVERYONE,
    "press w": EVERYONE,
    "press subs": EVERYONE,
    "press rest": EVERYONE,
    "press u": EVERYONE,
    "press p": EVERYONE,
    "press pl": EVERYONE,
    "press pa": EVERYONE,
    "press erase": EVERYONE,
    "press x": EVERYONE,
    "press leave": EVERYONE,
    "press why": EVERYONE,
    "press op": SEND,
    "press d": SEND,
    "press at": SEND,
    "press m": SEND,
    "press pg": SEND,
    "press cv": SEND,
    "press ep": EXPORT,
    "press ew": EXPORT,
    "press eu": EXPORT,
    "press dx": DOSSIER,
    "press rg": RECOVER,
    "typed Looking:person": DOSSIER,
    "press hl": PRIVACY,
    "press hr": PRIVACY,
    "typed Writing:content": SEND,
    "typed Writing:links": SEND,
    "typed Writing:erid": SEND,
    "typed Writing:time": SEND,
    "typed Writing:deciding": SEND,
    "other stop": EVERYONE,
    "other unknown_command": EVERYONE,
    "other unexpected": EVERYONE,
    "other in_a_group": EVERYONE,
    "other unknown_press": EVERYONE,
}
"""A new command, button or step needs a line here, and thought about who may use it."""
MAY: Mapping[Role, set[Permission]] = MappingProxyType(
    {
        Role.OWNER: {SEND, EXPORT, STATISTICS, STAFF, RECOVER, DOSSIER, PRIVACY},
        Role.ADMIN: {SEND, EXPORT, STATISTICS, RECOVER, DOSSIER, PRIVACY},
        Role.OPERATOR: {SEND},
        Role.AUDITOR: {EXPORT, STATISTICS, DOSSIER},
    }
)
CAMPAIGN = "0" * 32
PRESSES = {
    "press op": "op:offers",
    "press d": f"d:yes:{CAMPAIGN}:1",
    "press at": f"at:{CAMPAIGN}:1:0:1",
    "press m": f"m:resume:{CAMPAIGN}",
    "press pg": "pg:7",
    "press cv": "cv",
    "press ep": "ep:7",
    "press ew": "ew:7:*",
    "press eu": "eu",
    "press dx": "dx",
    "press rg": "rg",
    "press hl": f"hl:{CAMPAIGN}",
    "press hr": f"hr:{CAMPAIGN}",
    "press a": f"a:agree:{'A' * 22}",
    "press t": f"t:{'A' * 22}:1",
    "press l": "l:xx",
    "press s": "s:1:none",
    "press w": "w:none",
    "press subs": "subs",
    "press rest": "rest:0",
    "press u": f"u:{CAMPAIGN}",
    "press p": f"p:{CAMPAIGN}",
    "press pl": "pl:0",
    "press pa": "pa",
    "press x": "x",
    "press leave": f"leave:{'B' * 22}",
    "press why": f"why:{'B' * 22}",
    "press erase": "erase:0",
}
"""One press for each button; that of erasing stands last, because it ends everything."""
REFUSED = "for the shop's staff"


# --- the table is complete ------------------------------------------------------------------------


def names_of(handler: HandlerObject) -> Iterator[str]:
    """Say what brings an event to a handler."""
    kinds = [item.callback for item in handler.filters or ()]
    commands = [
        f"/{word}"
        for kind in kinds
        if isinstance(kind, Command)
        for word in kind.commands
        if isinstance(word, str)
    ]
    presses = [
        f"press {kind.callback_data.__prefix__}"
        for kind in kinds
        if isinstance(kind, CallbackQueryFilter)
    ]
    steps = [
        f"typed {state.state}"
        for kind in kinds
        if isinstance(kind, StateFilter)
        for state in kind.states
    ]
    yield from commands + presses + steps or [f"other {handler.callback.__name__}"]


def everything() -> dict[str, Permission | None]:
    dispatcher = Dispatcher()
    include_all(dispatcher)
    found: dict[str, Permission | None] = {}
    for router in dispatcher.chain_tail:
        for handler in (*router.message.handlers, *router.callback_query.handlers):
            for name in names_of(handler):
                flag = handler.flags.get(FLAG)
                assert found.setdefault(name, flag) == flag, f"{name} asks for two permissions"
    return found


def test_every_handler_has_its_permission_in_the_table() -> None:
    assert everything() == EXPECTED
    assert set(PRESSES) == {name for name in EXPECTED if name.startswith("press")}


def test_a_handler_without_a_line_in_the_table_is_found() -> None:
    """The test above can fail: it sees what a new router would bring."""
    router = Router()

    @router.message(Command("newest"))
    async def newest() -> None: ...

    assert list(names_of(router.message.handlers[0])) == ["/newest"]


# --- the running bot: strangers, customers, the owner ---------------------------------------------


def new_messages(person: Person, before: int) -> list[Seen]:
    return [message for message in person.received if message.id > before]


def kept(shop: Shop) -> tuple[Any, ...]:
    """What staff could change, and consents."""
    tables = ("campaign", "occurrence", "log_entry", "conversation")
    counts = [query(shop, f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608
    return (*counts, events(shop), deliveries(shop))


async def test_a_strangers_staff_command_gets_one_new_message_without_buttons(shop: Shop) -> None:
    stranger, customer = shop.customer(1), shop.customer(2)
    await shop.answer_all(customer)
    await settled(shop)
    before = kept(shop)
    for name, permission in EXPECTED.items():
        if permission is EVERYONE or not name.startswith("/"):
            continue
        for person in (stranger, customer):
            said = await person.send(name)
            await settled(shop)
            (answer,) = new_messages(person, said.id)
            assert REFUSED in answer.text
            assert not answer.buttons
    assert kept(shop) == before


async def test_staff_buttons_pressed_by_others_change_nothing_and_are_answered(
    shop: Shop,
) -> None:
    stranger, customer = shop.customer(1), shop.customer(2)
    await shop.answer_all(customer)
    control = await shop.preview("A draft")
    await settled(shop)
    before = kept(shop)
    messages = len(customer.received)
    for name, data in PRESSES.items():
        if EXPECTED[name] is EVERYONE:
            continue
        for person in (stranger, customer):
            assert REFUSED in (await person.press_data(data, control))["text"]
    await settled(shop)
    assert kept(shop) == before
    assert not stranger.received
    assert len(customer.received) == messages
    assert set(answers_to_presses(shop).values()) == {1}


async def test_a_strangers_presses_make_nobody_known(shop: Shop) -> None:
    stranger = shop.customer(1)
    for data in PRESSES.values():
        await stranger.press_data(data)
    await settled(shop)
    assert query(shop, "SELECT count(*) FROM subject") == [(0,)]
    assert query(shop, "SELECT count(*) FROM inbox WHERE state = 'set_aside'") == [(0,)]


async def test_the_owner_may_do_everything_from_the_first_message(shop: Shop) -> None:
    for name in EXPECTED:
        if not name.startswith("/"):
            continue
        said = await shop.owner.send(name)
        answer = await shop.owner.wait(lambda m: m.is_from_bot, after=said.id)
        assert REFUSED not in answer.text
    for name, data in PRESSES.items():
        if name == "press erase":
            await settled(shop)
            assert query(shop, "SELECT count(*) FROM inbox WHERE state = 'set_aside'") == [(0,)]
        assert REFUSED not in (await shop.owner.press_data(data))["text"]
    await settled(shop)
    assert query(shop, "SELECT count(*) FROM inbox WHERE state = 'set_aside'") == [(0,)]


async def test_a_log_without_answers_is_exported_all_the_same(shop: Shop) -> None:
    owner = shop.owner
    asked = await shop.say(owner, "/export", "For which period")
    await owner.press("Everything", asked)
    await owner.press("All purposes", await owner.wait("For which purpose"))
    await owner.wait("python -m bot verify")
    names = [m.facts["document"]["file_name"] for m in owner.received if m.file_id]
    assert [name.rsplit(".", 1)[-1] for name in names] == ["csv", "zip"]


# --- roles that nobody can be given yet -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Appointed(Roles):
    """Roles by account, as a table of staff would give them; can be taken away."""

    staff: dict[int, Role] = field(default_factory=dict)

    def of(self, user_id: int) -> Role | None:
        return self.staff.get(user_id) or super(Appointed, self).of(user_id)


@dataclass(slots=True)
class Office:
    """The conversations of a shop, with roles of our choice, handled one update at a time."""

    shop: Shop
    roles: Appointed
    bot: Bot
    dispatcher: Dispatcher

    async def handle_all(self) -> None:
        pending = self.shop.sandbox.world.pending
        while pending:
            facts = pending.popleft()
            update = Update.model_validate(facts, context={"bot": self.bot})
            await self.dispatcher.feed_update(
                self.bot, update, stored_at=utc_now(), update_id=update.update_id
            )

    async def hears(self, person: Person, text: str) -> list[Seen]:
        """Say something; return what was answered."""
        said = await person.send(text)
        await self.handle_all()
        return new_messages(person, said.id)

    async def feels(self, person: Person, data: str, message: Seen | None = None) -> str:
        """Press something; return what the phone shows."""
        pressing = asyncio.ensure_future(person.press_data(data, message))
        world = self.shop.sandbox.world
        async with world.changed:
            await world.changed.wait_for(lambda: bool(world.pending))
        await self.handle_all()
        return str((await pressing)["text"])


@pytest.fixture
async def office(closed_shop: Shop) -> AsyncIterator[Office]:
    async with opened(closed_shop) as office:
        yield office


@asynccontextmanager
async def opened(shop: Shop) -> AsyncIterator[Office]:
    """Build the conversations as bot.app.chat does."""
    settings = shop.settings
    roles = Appointed(frozenset({OWNER_ID}))
    database = Database(settings.database_url)
    bot = build_bot(settings, Pace(settings.broadcast_rate))
    try:
        await upgrade(database)
        keystore, _ = await open_keys(settings, database, origin="assent/tea", at=utc_now())
        core = build_core(database, keystore)
        catalogue = load(settings.purposes_file)
        publication = await publish(database, core.journal, catalogue, utc_now())
        language = Language(settings.default_locale)
        desks = build_desks(settings, core, publication, Flights(), lambda: None)
        dispatcher = build_dispatcher(
            core,
            publication,
            desks,
            Drafting(
                bot=bot,
                desk=desks.campaigns,
                words=footer_words(language, publication),
                zone=settings.zone,
                rate=settings.broadcast_rate,
            ),
            Reception(
                bot=bot,
                desk=desks.consents,
                people=desks.people,
                publication=publication,
                zone=settings.zone,
            ),
            language,
            Menus(
                bot=bot,
                database=database,
                language=language,
                publication=publication,
                roles=roles,
            ),
        )
        yield Office(shop, roles, bot, dispatcher)
    finally:
        await bot.session.close()
        await database.close()


@pytest.mark.parametrize("role", Role)
async def test_a_role_may_what_its_row_says_and_nothing_else(office: Office, role: Role) -> None:
    member = office.shop.customer(1)
    office.roles.staff[member.id] = role
    for name, permission in EXPECTED.items():
        is_allowed = permission is EVERYONE or permission in MAY[role]
        if name.startswith("/"):
            answers = await office.hears(member, name)
            assert (REFUSED not in answers[0].text) is is_allowed, name
            assert is_allowed or (len(answers) == 1 and not answers[0].buttons)
    for name, data in PRESSES.items():
        permission = EXPECTED[name]
        is_allowed = permission is EVERYONE or permission in MAY[role]
        assert (REFUSED not in await office.feels(member, data)) is is_allowed, name


@pytest.mark.parametrize("role", Role)
async def test_a_menu_shows_just_what_its_role_may(office: Office, role: Role) -> None:
    member = office.shop.customer(1)
    office.roles.staff[member.id] = role
    await office.hears(member, "/help")
    menu = office.shop.sandbox.world.commands[f"chat:{member.id}:en"]
    staffs = {
        f"/{command['command']}"
        for command in menu
        if EXPECTED[f"/{command['command']}"] is not EVERYONE
    }
    assert staffs == {name for name, needed in EXPECTED.items()
                      if name.startswith("/") and needed in MAY[role]}  # fmt: skip


async def test_a_role_that_is_taken_away_ends_in_the_middle_of_a_conversation(
    office: Office,
) -> None:
    shop, operator = office.shop, office.shop.customer(1)
    office.roles.staff[operator.id] = Role.OPERATOR
    (asked,) = await office.hears(operator, "/broadcast")
    await office.feels(operator, "op:offers", asked)
    sample, control = await office.hears(operator, "Draft of an operator")
    assert sample.text.startswith("Draft of an operator")
    del office.roles.staff[operator.id]
    (refused,) = await office.hears(operator, "Another version, after the dismissal")
    assert REFUSED in refused.text
    for button in control.buttons:
        assert REFUSED in await office.feels(operator, button["callback_data"], control)
    assert query(shop, "SELECT revision, state FROM campaign") == [(1, "draft")]
    assert deliveries(shop) == {}
