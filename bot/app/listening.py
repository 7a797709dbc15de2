"""Taking updates in: stored and committed first, then acknowledged, then handled in order."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiogram import Bot, Dispatcher
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import GetUpdates
from aiogram.types import Update
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from bot.clock import Clock
from bot.logs import describe
from bot.supervisor import Supervisor
from bot.usecases.inbox import Inbox, Waiting
from bot.usecases.wrapping import KeystoreOutdated

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 25
RETRY_SECONDS: Final = 1.0
WINDOW: Final = 500
"""Updates held in memory at a time; the others wait in the database."""
BACKOFF_SECONDS: Final = 0.5
TROUBLES: Final = 8
"""So often an answer may fail while Telegram answers otherwise; then it counts as a failure."""
FINISH_SECONDS: Final = 5.0
"""How long a stop waits for an answer that is being given."""
LOOK_SECONDS: Final = 60.0
"""How often Telegram is asked whether updates wait for the webhook."""


@dataclass(slots=True, kw_only=True)
class Poller:
    """Asks Telegram for updates; acknowledges only what is committed (promise 4)."""

    bot: Bot
    inbox: Inbox
    clock: Clock
    arrived: asyncio.Event
    caught_up: asyncio.Event
    """Set once Telegram had nothing more: the backlog of an outage is in."""
    allowed: list[str]

    async def run(self) -> None:
        # A webhook of before would keep updates from being polled; they stay queued.
        with suppress(TelegramAPIError):
            await self.bot.delete_webhook()
        offset: int | None = None
        while True:
            try:
                offset = await self._poll(offset)
            except TelegramRetryAfter as error:
                await asyncio.sleep(error.retry_after)
            except TelegramConflictError:
                log.error("updates.conflict", hint="another program polls with this token")
                await asyncio.sleep(RETRY_SECONDS * 3)
            except TelegramUnauthorizedError:
                log.error("updates.unauthorized", hint="Telegram no longer accepts BOT_TOKEN")
                await asyncio.sleep(RETRY_SECONDS * 10)
            except (TelegramNetworkError, TelegramAPIError, TimeoutError) as error:
                log.warning("updates.unreachable", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
            except (SQLAlchemyError, KeystoreOutdated) as error:
                # Not acknowledged: Telegram keeps them until they can be stored.
                log.error("updates.not_stored", **describe(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _poll(self, offset: int | None) -> int | None:
        wait = POLL_SECONDS if self.caught_up.is_set() else 0
        updates = await self._fetch(offset, wait)
        if updates:
            await self.inbox.take_in(updates, self.clock())
            self.arrived.set()
            return int(updates[-1]["update_id"]) + 1
        await self.inbox.fetched(self.clock())
        self.caught_up.set()
        return offset

    async def _fetch(self, offset: int | None, wait: int) -> list[dict[str, Any]]:
        try:
            updates = await self.bot.get_updates(
                offset=offset, timeout=wait, allowed_updates=self.allowed, request_timeout=wait + 10
            )
        except ClientDecodeError as error:
            # One that aiogram cannot read must not keep back the others: they are stored as they
            # came, and that one is set aside when it is handled.
            log.warning("updates.unreadable", **describe(error))
            return _well_formed(error.data)
        return [as_json(update) for update in updates]


@dataclass(slots=True, kw_only=True)
class Webhook:
    """Keeps Telegram pushing updates to us, and knows when nothing waits there any more."""

    bot: Bot
    inbox: Inbox
    clock: Clock
    caught_up: asyncio.Event
    url: str
    secret: str
    allowed: list[str]

    async def run(self) -> None:
        is_set = False
        while True:
            try:
                if not is_set:
                    await self._set()
                    is_set = True
                await self._look()
            except TelegramRetryAfter as error:
                await asyncio.sleep(error.retry_after)
            except TelegramAPIError as error:
                log.warning("updates.unreachable", error=type(error).__name__)
            except SQLAlchemyError as error:
                log.error("updates.not_stored", **describe(error))
            await asyncio.sleep(LOOK_SECONDS if self.caught_up.is_set() else RETRY_SECONDS)

    async def _set(self) -> None:
        # One connection: several would bring the updates of a chat out of their order.
        await self.bot.set_webhook(
            self.url,
            secret_token=self.secret,
            allowed_updates=self.allowed,
            max_connections=1,
        )

    async def _look(self) -> None:
        """A quiet day is no outage: Telegram says that nothing waits for us."""
        info = await self.bot.get_webhook_info()
        if info.pending_update_count == 0:
            await self.inbox.fetched(self.clock())
            self.caught_up.set()


async def _finished(work: Coroutine[Any, Any, None]) -> None:
    """Let a conversation end its answer when the program stops, so that it comes only once."""
    answering = asyncio.ensure_future(work)
    try:
        await asyncio.shield(answering)
    except asyncio.CancelledError:
        await asyncio.wait([answering], timeout=FINISH_SECONDS)
        answering.cancel()
        with suppress(Exception, asyncio.CancelledError):
            await answering  # it is tried again at the next start
        raise


def _is_the_worlds(error: Exception) -> bool:
    """Whether the same update can succeed later: it waits then, and is not set aside."""
    own = DataError | IntegrityError | ProgrammingError | TelegramEntityTooLarge
    if isinstance(error, own):
        return False
    return isinstance(error, SQLAlchemyError | TelegramNetworkError | TelegramServerError)


def _well_formed(answer: Any) -> list[dict[str, Any]]:
    """Return the updates of an answer that can at least be acknowledged.

    Raises TelegramNetworkError for what is no answer to getUpdates at all.
    """
    result = answer.get("result") if isinstance(answer, dict) else None
    found = [
        update
        for update in (result if isinstance(result, list) else [])
        if isinstance(update, dict) and isinstance(update.get("update_id"), int)
    ]
    if not found:
        raise TelegramNetworkError(method=GetUpdates(), message="the answer cannot be read")
    return found


def as_json(update: Update) -> dict[str, Any]:
    facts: dict[str, Any] = update.model_dump(mode="json", exclude_none=True, by_alias=True)
    return facts


@dataclass(slots=True, kw_only=True)
class Handling:
    """Hands updates to the conversations: in order within a chat, chats side by side."""

    bot: Bot
    dispatcher: Dispatcher
    inbox: Inbox
    arrived: asyncio.Event
    idle: asyncio.Event
    """Set while every stored update is handled."""
    apologise: Callable[[Mapping[str, Any]], Awaitable[None]]
    _queues: dict[bytes, deque[Waiting]] = field(default_factory=dict)
    _last: int | None = None
    _held: int = 0

    async def run(self) -> None:
        async with Supervisor() as tasks:
            while True:
                self.arrived.clear()
                if not await self._take(tasks):
                    if not self._held and self._last is not None:
                        self._last = None  # an earlier one may have come after a later one
                        continue
                    if not self._held:
                        self.idle.set()
                    await self.arrived.wait()

    async def _take(self, tasks: Supervisor) -> bool:
        """Read what waits behind the last one read; False: nothing."""
        if self._held >= WINDOW:
            return False
        try:
            found = await self.inbox.waiting(after=self._last, limit=WINDOW - self._held)
        except SQLAlchemyError as error:
            log.error("updates.not_read", **describe(error))
            await asyncio.sleep(RETRY_SECONDS)
            return True
        for waiting in found:
            self.idle.clear()
            self._last, self._held = waiting.update_id, self._held + 1
            if waiting.chat in self._queues:
                self._queues[waiting.chat].append(waiting)
            else:
                self._queues[waiting.chat] = deque([waiting])
                tasks.start(self._handle_chat(waiting.chat), name="a chat's updates")
        return bool(found)

    async def _handle_chat(self, chat: bytes) -> None:
        queue = self._queues[chat]
        while queue:
            await self._handle(queue[0])
            queue.popleft()
            self._held -= 1
        del self._queues[chat]
        self.arrived.set()

    async def _handle(self, waiting: Waiting) -> None:
        """Handle one update until it is done or failed three times."""
        attempts, troubles = waiting.attempts, 0
        while True:
            try:
                await _finished(self._feed(waiting))
            except TelegramRetryAfter as error:
                await asyncio.sleep(error.retry_after)
            except Exception as error:  # noqa: BLE001 whatever a conversation does, others go on
                if _is_the_worlds(error) and troubles < TROUBLES:
                    log.warning("updates.retried", **describe(error))
                    troubles += await self._is_its_own_trouble(error)
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                log.error("updates.failed", attempt=attempts + 1, **describe(error))
                if await self._failed(waiting, attempts):
                    return
                attempts += 1
                await asyncio.sleep(BACKOFF_SECONDS * attempts)
            else:
                return

    async def _is_its_own_trouble(self, error: Exception) -> bool:
        """Whether Telegram answers everything but this: then it will not get better by waiting."""
        if isinstance(error, SQLAlchemyError):
            return False
        try:
            await self.bot.get_me()
        except TelegramAPIError:
            return False
        return True

    async def _feed(self, waiting: Waiting) -> None:
        update = Update.model_validate(waiting.content, context={"bot": self.bot})
        await self.dispatcher.feed_update(
            self.bot, update, stored_at=waiting.stored_at, update_id=waiting.update_id
        )
        await self.inbox.settle(waiting.update_id)

    async def _failed(self, waiting: Waiting, attempts: int) -> bool:
        try:
            is_over = await self.inbox.failed(waiting.update_id, attempts)
        except SQLAlchemyError:
            return False
        if is_over:
            await self._apologise(waiting)
        return is_over

    async def _apologise(self, waiting: Waiting) -> None:
        try:
            await self.apologise(waiting.content)
        except Exception as error:  # noqa: BLE001 nobody knows the shape of what failed
            log.warning("updates.not_apologised", **describe(error))
