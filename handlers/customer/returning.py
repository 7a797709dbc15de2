"""Somebody comes back after blocking the bot: told what they are subscribed to, then reached."""

from datetime import datetime

from aiogram.exceptions import TelegramForbiddenError

from bot.consent.purposes import Kind
from bot.consent.rules import Reach, Standing
from bot.usecases.people import People, Person
from handlers import screen
from handlers.customer.data import Show
from handlers.customer.reception import Reception
from handlers.i18n import _, escape
from handlers.screen import Button, Screen


async def welcome_back(person: Person, people: People, reception: Reception, at: datetime) -> None:
    """Tell first, then resume: nothing is sent to a person who was not told."""
    catalogue = reception.publication.catalogue
    titles = [
        catalogue.purpose(position.purpose_id).title[person.locale]
        for position in await reception.desk.positions(person, at)
        if position.standing is Standing.LIVE
        and catalogue.purpose(position.purpose_id).kind is not Kind.PROCESSING
    ]
    if titles:
        lines = "\n".join(f"✅ {escape(title)}" for title in titles)
        text = _(
            "Welcome back! While the bot was blocked nothing was sent. You are still subscribed "
            "to:\n{titles}\n\nMessages resume now. Leave everything: /stop"
        ).format(titles=lines)
        rows = [[Button(text=_("Your subscriptions"), data=Show().pack())]]
        shown = Screen(text=text, rows=rows)
        try:
            await screen.send(reception.bot, int(person.profile.account), shown)
        except TelegramForbiddenError:
            return  # still blocked: a press under an old message reaches us all the same
    await people.set_reach(person.id, Reach.REACHABLE)
