"""Why there is no dossier, and what can be done instead."""

from datetime import tzinfo
from gettext import NullTranslations

from bot.documents.times import moment
from bot.usecases.dossier_facts import Absent, ErasedEntry, NobodyKnown, NobodysEntry, NoSuchEntry


def absence(absent: Absent, words: NullTranslations, zone: tzinfo, locale: str) -> str:
    """Say it in one paragraph of plain text."""
    _ = words.gettext
    match absent:
        case NobodyKnown(forbidden_since=None):
            return _(
                "Nobody is kept here under this id: they never wrote to the bot, or they were "
                "erased. Nothing is left that would tell which."
            )
        case NobodyKnown(forbidden_since=since):
            assert since is not None  # noqa: S101 the case above took None
            return _(
                "Whoever has this account was erased on {time} and asked never to be written to "
                "again. Nothing else is kept of them."
            ).format(time=moment(since, zone, locale))
        case NoSuchEntry():
            return _(
                "The log has no such entry. Compare the 32 characters, or the number, with the "
                "receipt."
            )
        case NobodysEntry():
            return _("Entry no. {index} is about no person: it is of type {type}, {time}.").format(
                index=absent.index, type=absent.type, time=absent.at
            )
        case ErasedEntry():
            return _erased(absent, words, zone, locale)


def _erased(absent: ErasedEntry, words: NullTranslations, zone: tzinfo, locale: str) -> str:
    _ = words.gettext
    told = _(
        "Entry no. {index} ({type}, {time}) belongs to a person who was erased. Nobody can open it "
        "any more, unless that person has kept the proof file."
    ).format(index=absent.index, type=absent.type, time=absent.at)
    erasures = absent.erasures
    if erasures is None:
        return told
    first, last = (moment(at, zone, locale) for at in (erasures.first, erasures.last))
    if erasures.count == 1:
        return f"{told} " + _("By the log they were erased on {time}.").format(time=first)
    return f"{told} " + words.ngettext(
        "The log has {count} erasure after it, between {first} and {last}; it does not say "
        "which one is theirs.",
        "The log has {count} erasures after it, between {first} and {last}; it does not say "
        "which one is theirs.",
        erasures.count,
    ).format(count=erasures.count, first=first, last=last)
