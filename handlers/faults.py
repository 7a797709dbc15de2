"""The one place where errors become words: what we refuse on purpose, and what is our fault."""

import structlog
from aiogram import Bot, Router
from aiogram.exceptions import TelegramForbiddenError
from aiogram.filters import ExceptionTypeFilter
from aiogram.types import CallbackQuery, ErrorEvent, Message

from bot.campaigns.policy import CampaignRefused
from bot.errors import AssentError
from bot.usecases.campaign_drafts import ContentTooLong
from bot.usecases.proof_files import ProofLater
from handlers import screen
from handlers.i18n import _
from handlers.screen import Screen

router = Router(name="faults")
log = structlog.get_logger(__name__)


@router.error(ExceptionTypeFilter(ProofLater))
async def proof_later(event: ErrorEvent, bot: Bot) -> None:
    """Say it as a message that stays: the press has been answered already."""
    query = event.update.callback_query
    log.warning("conversation.proof_later", hint="the log is not signed: a copy was put back")
    if query is not None:
        await bot.send_message(query.from_user.id, _(ProofLater.message_key))


@router.error(ExceptionTypeFilter(AssentError))
async def refused(event: ErrorEvent, bot: Bot) -> None:
    """Say in the person's language what was wrong, what was kept, what to do."""
    error = event.exception
    assert isinstance(error, AssentError)  # noqa: S101 the filter says so
    log.info("conversation.refused", error=type(error).__name__)
    text = _(error.message_key)
    if isinstance(error, ContentTooLong):
        text = text.format(excess=error.over, limit=error.limit)
    if isinstance(error, CampaignRefused):
        text += " (" + ", ".join(r.advisory_id or r.kind.value for r in error.refusals) + ")"
    await _tell(event, bot, text)


@router.error(ExceptionTypeFilter(TelegramForbiddenError))
async def unreachable(event: ErrorEvent) -> None:
    """Whoever blocked the bot gets no answer; what they did before stands."""
    log.info("conversation.unreachable", update=event.update.update_id)


async def _tell(event: ErrorEvent, bot: Bot, text: str) -> None:
    query, message = event.update.callback_query, event.update.message
    if isinstance(query, CallbackQuery) and _needs_chat(query, text):
        if not screen.is_acknowledged(query):
            await screen.acknowledge(query)
        await screen.send(bot, query.from_user.id, Screen(text=text))
    elif isinstance(query, CallbackQuery):
        await screen.acknowledge(query, text, alert=True)
    elif isinstance(message, Message):
        await message.answer(text)


def _needs_chat(query: CallbackQuery, text: str) -> bool:
    return len(text) > screen.ALERT_LIMIT or screen.is_acknowledged(query)


async def apologise(bot: Bot, chat_id: int | None, query_id: str | None, text: str) -> None:
    """Tell a person that we failed them, once, after the last try."""
    if query_id is not None:
        await bot.answer_callback_query(query_id, text, show_alert=True)
    elif chat_id is not None:
        await bot.send_message(chat_id, text)
