"""Every conversation, in the order in which they are asked; what leaves comes first."""

from copy import deepcopy

from aiogram import Dispatcher, F, Router
from aiogram.enums import ChatType
from aiogram.types import CallbackQuery

from handlers import faults
from handlers.admin import dossier, exporting, holding, looking, restored
from handlers.customer import answering, basics, leaving, proofs, rights, subscriptions
from handlers.operator import broadcasting, managing
from handlers.operator.tidying import Tidying
from handlers.roles import Guard


def private() -> Router:
    """Consent is given, and campaigns are written, in private chats only."""
    router = Router(name="private")
    router.message.filter(F.chat.type == ChatType.PRIVATE, ~F.from_user.is_bot)
    router.callback_query.filter(is_ours)
    for pattern in (
        dossier.forwards,  # what somebody else wrote is no word of whoever forwards it here
        leaving.router,  # /stop and the plain words work inside any conversation (promise 8)
        answering.router,
        subscriptions.router,
        rights.router,
        proofs.router,
        basics.router,
        broadcasting.router,
        managing.router,
        exporting.router,
        dossier.router,
        looking.router,
        restored.router,
        holding.router,
    ):
        part = deepcopy(pattern)  # a router belongs to one dispatcher for ever
        for observer in (part.message, part.callback_query):
            observer.middleware(Guard())
            observer.middleware(Tidying())
        router.include_router(part)
    return router


def is_ours(query: CallbackQuery) -> bool:
    """Whether one of our buttons can have brought this press: in private, printable ASCII.

    Whatever else a forger sends is answered by the last router, and no database reads it.
    """
    is_private = query.message is None or query.message.chat.type == ChatType.PRIVATE
    data = query.data or ""
    return is_private and data.isascii() and data.isprintable()


def include_all(dispatcher: Dispatcher) -> None:
    dispatcher.include_router(deepcopy(faults.router))
    dispatcher.include_router(private())
    dispatcher.include_router(deepcopy(basics.last))
