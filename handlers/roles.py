"""Who may do what: the permission table, and the guard that asks it before every handler."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aiogram import BaseMiddleware
from aiogram.dispatcher.flags import get_flag
from aiogram.types import CallbackQuery, Message, TelegramObject

from handlers import screen
from handlers.i18n import _


class Role(StrEnum):
    """What a person is to the company; whoever is nothing of this is a customer."""

    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """What a handler asks for (the flag `permission`)."""

    SEND = "send"
    """Write, schedule, stop campaigns."""
    EXPORT = "export"
    """Read the consent log."""
    STATISTICS = "statistics"
    STAFF = "staff"
    RECOVER = "recover"
    """Decide what may go on after a restore."""
    DOSSIER = "dossier"
    """Read everything about one person."""
    PRIVACY = "privacy"
    """Place and release legal holds."""


PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission) - {Permission.STAFF},
    Role.OPERATOR: frozenset({Permission.SEND}),
    Role.AUDITOR: frozenset({Permission.EXPORT, Permission.STATISTICS, Permission.DOSSIER}),
}
COMMANDS: Final[Mapping[str, Permission]] = {
    "broadcast": Permission.SEND,
    "campaigns": Permission.SEND,
    "cancel": Permission.SEND,
    "stats": Permission.STATISTICS,
    "export": Permission.EXPORT,
    "dossier": Permission.DOSSIER,
    "staff": Permission.STAFF,
    "hold": Permission.PRIVACY,
}
"""The staff's commands; each is in the menu of those who may use it."""

FLAG: Final = "permission"


@dataclass(frozen=True, slots=True)
class Roles:
    """Who has a role. Owners come from the settings and need not press Start."""

    owner_ids: frozenset[int]

    def of(self, user_id: int) -> Role | None:
        return Role.OWNER if user_id in self.owner_ids else None

    def may(self, user_id: int, permission: Permission) -> bool:
        role = self.of(user_id)
        return role is not None and permission in PERMISSIONS[role]

    def commands_of(self, user_id: int) -> list[str]:
        return [name for name, needed in COMMANDS.items() if self.may(user_id, needed)]


class Guard(BaseMiddleware):
    """Checks the role again at every act, also inside a conversation under way."""

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        needed = get_flag(data, FLAG)
        roles: Roles = data["roles"]
        if needed is None or not isinstance(event, Message | CallbackQuery):
            return await handler(event, data)
        user = event.from_user
        if user is not None and roles.may(user.id, Permission(needed)):
            return await handler(event, data)
        refusal = _("This is for the shop's staff. What you can do here: /help")
        if isinstance(event, CallbackQuery):
            return await screen.acknowledge(event, refusal)
        return await event.answer(refusal)
