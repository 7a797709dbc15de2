"""What the facts of a dossier are called. `_` translates: the caller chooses the language."""

from collections.abc import Callable

from bot.campaigns.states import DeliveryState
from bot.consent.rules import EventKind, Reach, Standing

Translate = Callable[[str], str]


def event_word(event: EventKind, _: Translate) -> str:
    return {
        EventKind.GRANTED: _("agreed"),
        EventKind.CONFIRMED: _("confirmed"),
        EventKind.REFUSED: _("declined"),
        EventKind.WITHDRAWN: _("withdrawn"),
        EventKind.EXPIRED: _("ended, its time was over"),
        EventKind.SUPERSEDED: _("replaced by an answer to a newer text"),
        EventKind.IMPORTED: _("imported"),
        EventKind.ERASED: _("erased"),
    }[event]


def standing_word(standing: Standing, _: Translate) -> str:
    return {
        Standing.LIVE: _("holds"),
        Standing.NEVER_ASKED: _("never answered"),
        Standing.UNCONFIRMED: _("not confirmed"),
        Standing.REFUSED: _("declined"),
        Standing.WITHDRAWN: _("withdrawn"),
        Standing.EXPIRED: _("consent ended"),
        Standing.OLDER_TEXT: _("agreed to an older text"),
        Standing.PREREQUISITE: _("a required consent is missing"),
    }[standing]


def reach_word(reach: Reach, _: Translate) -> str:
    return {
        Reach.REACHABLE: _("can be written to"),
        Reach.BLOCKED: _("blocked the bot, or the account is gone"),
        Reach.RETURNED: _("came back after blocking the bot, not told yet"),
    }[reach]


def method_word(method: str, _: Translate) -> str:
    return {
        "callback": _("a press of a button"),
        "text": _("a plain word"),
        "command": _("a command"),
        "undo": _("a withdrawal taken back"),
        "prerequisite": _("ended because a consent that it requires ended"),
        "clock": _("nobody acted: its time was over"),
    }.get(method, method)


def state_word(state: DeliveryState, _: Translate) -> str:
    return {
        DeliveryState.PLANNED: _("waiting"),
        DeliveryState.READY: _("waiting"),
        DeliveryState.LEASED: _("waiting"),
        DeliveryState.SENDING: _("under way"),
        DeliveryState.SENT: _("sent"),
        DeliveryState.FAILED: _("not delivered"),
        DeliveryState.SUPPRESSED: _("not sent"),
        DeliveryState.UNCERTAIN: _("unknown whether it arrived"),
    }[state]


def reason_word(reason: str, _: Translate) -> str:
    """Say why a message was not sent, not delivered, or is in doubt; an unknown code stays."""
    return {
        "never_asked": _("never answered"),
        "unconfirmed": _("not confirmed"),
        "refused": _("declined"),
        "withdrawn": _("left"),
        "expired": _("consent ended"),
        "older_text": _("agreed to an older text"),
        "prerequisite": _("a required consent is missing"),
        "blocked": _("blocked the bot"),
        "suppressed": _("wants never to be written to"),
        "paused": _("paused all messages"),
        "erased": _("erased"),
        "cancelled": _("campaign cancelled"),
        "deactivated": _("account deleted"),
        "chat_not_found": _("chat not found"),
        "content_refused": _("Telegram refused the message"),
        "unreadable": _("could not be addressed"),
        "connection_lost": _("the connection broke after the request"),
        "restart": _("the program ended in between"),
        "restore": _("the database was put back from a copy"),
        "no_message_id": _("Telegram's answer could not be read"),
    }.get(reason, reason)


def not_proven(_: Translate) -> tuple[str, ...]:
    """What no dossier can show, in plain words."""
    return (
        _("Who sat behind the account, and that they understood the text."),
        _(
            "That the clocks were right: times of answers and messages are those of this program, "
            "dates of words are Telegram's. A press has no time of Telegram's own."
        ),
        _(
            "That a message was read, or arrived on the phone: «sent» means that Telegram took "
            "it. Where the outcome is unknown, it may have arrived or not."
        ),
        _(
            "That the person never wrote under another account, or was never written to by other "
            "means than this bot."
        ),
        _(
            "That the rows about messages are whole, as long as their campaign is not sealed in "
            "the log: until then they rest on the operator's database alone."
        ),
        _("That the signing key is the operator's: compare its fingerprint by another way."),
    )
