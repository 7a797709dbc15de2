"""Every conversation, in the order in which they are asked; what leaves comes first."""

from copy import deepcopy

from aiogram import Dispatcher, F, Router
from aiogram.enums import ChatType

from handlers import faults
from handlers.admin import exporting, looking
from handlers.customer import answering, basics, leaving, rights, subscriptions
from handlers.operator import broadcasting, managing
from handlers.roles import Guard


def private() -> Router:
    """Consent is given, and campaigns are written, in private chats only."""
    router = Router(name="private")
    router.message.filter(F.chat.type == ChatType.PRIVATE)
    for pattern in (
        leaving.router,  # /stop and the plain words work inside any conversation (promise 8)
        answering.router,
        subscriptions.router,
        rights.router,
        basics.router,
        broadcasting.router,
        managing.router,
        exporting.router,
        looking.router,
    ):
        part = deepcopy(pattern)  # a router belongs to one dispatcher for ever
        part.message.middleware(Guard())
        part.callback_query.middleware(Guard())
        router.include_router(part)
    return router


def include_all(dispatcher: Dispatcher) -> None:
    dispatcher.include_router(deepcopy(faults.router))
    dispatcher.include_router(private())
    dispatcher.include_router(deepcopy(basics.last))
