"""A dossier for people: one HTML file that opens offline, runs no script, and prints on A4."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from gettext import NullTranslations
from math import ceil
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.documents import dossier_words as named
from bot.documents.times import moment, span
from bot.usecases.dossier_facts import (
    Dossier,
    Ending,
    Happening,
    Message,
    Said,
    Stand,
    Text,
)

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
Pair = tuple[str, str]
"""A label and what stands beside it."""


def as_page(dossier: Dossier, words: NullTranslations, zone: tzinfo, locale: str) -> bytes:
    composer = _Composer(dossier, words.gettext, zone, locale)
    template = TEMPLATES.get_template("dossier.html")
    return template.render(locale=locale, **composer.page()).encode()


@dataclass(frozen=True, slots=True)
class _Composer:
    """Turns facts into translated words; the template only puts them in their places."""

    dossier: Dossier
    translate: Callable[[str], str]
    zone: tzinfo
    locale: str

    def page(self) -> dict[str, Any]:
        dossier, _ = self.dossier, self.translate
        return {
            "words": self._headings(),
            "controller": self._controller(),
            "about": self._about(),
            "who": self._who(),
            "stands": [self._stand(stand) for stand in dossier.stands],
            "endings": [self._ending(ending) for ending in dossier.endings],
            "happenings": [self._happening(one) for one in dossier.happenings],
            "messages": [self._message(message) for message in dossier.messages],
            "campaigns": [self._campaign(said) for said in dossier.campaigns],
            "texts": [self._text(text) for text in dossier.texts],
            "log": self._log(),
            "checkpoint": dossier.log.checkpoint,
            "not_proven": named.not_proven(_),
        }

    def _headings(self) -> dict[str, str]:
        _ = self.translate
        return {
            "title": _("Dossier"),
            "who": _("The person"),
            "stands": _("How the consents stand"),
            "no_stands": _("This person has answered no question."),
            "endings": _("Refusals and withdrawals, and how soon they counted"),
            "no_endings": _("There is no refusal and no withdrawal."),
            "happenings": _("Every answer, with what was shown"),
            "shown": _("Shown to the person:"),
            "buttons": _("Buttons:"),
            "messages": _("Messages"),
            "no_messages": _("Nothing was ever to be sent to this person."),
            "messages_note": _(
                "The time is when the outcome was recorded. Allowed by: the entry of the consent "
                "that was read in the transaction that committed the message to be sent."
            ),
            "campaigns": _(
                "What the messages said, without the label and the buttons that stood below"
            ),
            "texts": _("The texts of the purposes"),
            "log": _("The log and its signature"),
            "check": _(
                "Each answer above has its proof as a file. Drop it on verifier.html from a "
                "release of Assent, or: python -m bot verify FILE"
            ),
            "not_proven": _("What this does not prove"),
            "purpose": _("Purpose"),
            "state": _("State"),
            "since": _("Since"),
            "version": _("Text version"),
            "until": _("Until"),
            "entry": _("Entry"),
            "time": _("Time"),
            "campaign": _("Campaign"),
            "message": _("Message id"),
            "allowed": _("Allowed by"),
            "seal": _("Sealed in"),
            "unreadable": _("Its key is gone: what it said cannot be read any more."),
        }

    def _about(self) -> list[str]:
        _, (index, entry_id) = self.translate, self.dossier.opening
        return [
            _("Made on {time} by {software}.").format(
                time=self._time(self.dossier.made_at), software=self.dossier.software
            ),
            _("Who asked for it is recorded in the log as entry no. {index}: {entry_id}").format(
                index=index, entry_id=entry_id
            ),
        ]

    def _controller(self) -> str:
        """Name whoever asked for consent, as their newest text does; empty: nothing was asked."""
        names = [text.facts["controller"]["name"] for text in self.dossier.texts]
        return names[-1] if names else ""

    # --- the person ---------------------------------------------------------------------------

    def _who(self) -> list[Pair]:
        _, who = self.translate, self.dossier.who
        profile = who.profile
        name = f"{profile.first_name} {profile.last_name}".strip()
        pairs = [
            (_("Account (Telegram id)"), profile.account),
            (_("Name"), name or "–"),
            (_("User name"), f"@{profile.username}" if profile.username else "–"),
            (_("Language"), profile.language or "–"),
            (_("Came from"), profile.source or "–"),
            (_("Known since"), self._time(who.known_since)),
            (_("Last seen (to within 12 hours)"), self._time(who.last_seen)),
            (_("Our own id of the person"), who.subject_id),
            (_("Reach"), named.reach_word(who.reach, _)),
        ]
        if who.paused_until is not None:
            pairs.append((_("All messages paused until"), self._time(who.paused_until)))
        if who.suppressed:
            pairs.append(
                (
                    _("Never to be written to"),
                    _("asked so at an earlier erasure; only their own later yes lifts it"),
                )
            )
        if who.hold is not None:
            pairs.append((_("Legal hold since"), self._time(who.hold.placed_at)))
            if who.hold.erasure_wanted_at is not None:
                wanted = self._time(who.hold.erasure_wanted_at)
                pairs.append((_("Erasure asked for, waits for the hold"), wanted))
        return pairs

    def _stand(self, stand: Stand) -> dict[str, str]:
        consent = stand.consent
        return {
            "purpose": self._title(consent.purpose_id),
            "state": named.standing_word(stand.standing, self.translate),
            "since": self._time(consent.since),
            "version": str(consent.notice_version),
            "until": "–" if consent.expires_at is None else self._time(consent.expires_at),
            "entry": self._number(consent.entry_id),
        }

    # --- what happened ------------------------------------------------------------------------

    def _ending(self, ending: Ending) -> dict[str, Any]:
        _, happening, before = self.translate, ending.happening, ending.last_before
        pairs = [(_("Stored here"), self._time(happening.at))]
        if ending.acted_at is not None:
            pairs.insert(
                0, (_("Written by the person (Telegram's date)"), self._time(ending.acted_at))
            )
        if happening.written_at is not None:
            pairs.append((_("Counts since"), self._time(happening.written_at)))
            pairs.append((_("It took"), self._took(ending, happening.written_at)))
        pairs.append(
            (
                _("Last message before"),
                _("none") if before is None else self._message_line(before),
            )
        )
        crossed = [self._message_line(message) for message in ending.crossed]
        return {
            "title": self._heading(happening),
            "pairs": pairs,
            "crossed": crossed,
            "after": _("Messages after that rest on the consent from before"),
            "none": _("none"),
            "crossed_note": _("It was on its way already, or its outcome was recorded later."),
        }

    def _took(self, ending: Ending, written_at: datetime) -> str:
        _ = self.translate
        stored = _("{span} from storing").format(
            span=span(written_at - ending.happening.at, self.locale)
        )
        if ending.acted_at is None:
            return stored
        # Telegram's dates are whole seconds: the act may be up to a second before its date's end.
        longest = timedelta(seconds=ceil((written_at - ending.acted_at).total_seconds()))
        acted = _("at most {span} from the person's act").format(span=span(longest, self.locale))
        return f"{acted}, {stored}"

    def _message_line(self, message: Message) -> str:
        sending, _ = message.sending, self.translate
        line = f"{self._time(sending.at)}, {_campaign_name(sending.campaign_number)}, "
        line += named.state_word(sending.state, _)
        if sending.message_id is not None:
            line += f", {_('message')} {sending.message_id}"
        return line

    def _heading(self, happening: Happening) -> str:
        event = named.event_word(happening.event, self.translate)
        return f"{self._title(happening.purpose_id)}: {event}"

    def _happening(self, happening: Happening) -> dict[str, Any]:
        _, said = self.translate, happening.payload
        shown = said.get("shown")
        pairs = [
            (_("Time"), self._time(happening.at)),
            (_("Entry"), f"№ {happening.index}: {happening.entry_id}"),
            (_("How"), named.method_word(said["method"], _)),
            (
                _("Text"),
                _("version {version}, {locale}, SHA-256 {sha256}").format(
                    version=said["notice_version"],
                    locale=said["locale"],
                    sha256=said["notice_sha256"],
                ),
            ),
        ]
        telegram = [
            (_("update"), said.get("update_id")),
            (_("press"), said.get("callback_id")),
            (_("message"), said.get("message_id")),
        ]
        told = ", ".join(f"{name} {value}" for name, value in telegram if value is not None)
        optional = [
            (_("Telegram's ids"), told or None),
            (_("Telegram's date of the message"), self._said_time(said.get("message_date"))),
            (_("Asked"), self._said_time(said.get("prompt_date"))),
            (_("Until"), self._said_time(said.get("expires"))),
            (_("Entry before"), said.get("previous")),
        ]
        pairs += [(label, value) for label, value in optional if value is not None]
        return {
            "title": self._heading(happening),
            "pairs": pairs,
            "shown": shown["text"] if shown else None,
            "buttons": shown["buttons"] if shown else [],
            "not_shown": _("Nothing was shown: it was no answer to a question."),
            "proof": base64.b64encode(happening.proof).decode(),
            "file": f"proof-{happening.entry_id[:8]}.tlog-proof",
            "save": _("Save the proof"),
        }

    def _message(self, message: Message) -> dict[str, str]:
        sending, _ = message.sending, self.translate
        state = named.state_word(sending.state, _)
        if sending.reason is not None:
            state += f" ({named.reason_word(sending.reason, _)})"
        seal = sending.seal_index
        return {
            "time": self._time(sending.at),
            "campaign": _campaign_name(sending.campaign_number),
            "purpose": self._title(sending.purpose_id),
            "state": state,
            "state_code": sending.state.value,
            "message": "–" if sending.message_id is None else str(sending.message_id),
            "allowed": "–" if message.consent_index is None else f"№ {message.consent_index}",
            "seal": _("not yet") if seal is None else f"№ {seal}",
        }

    def _campaign(self, said: Said) -> dict[str, Any]:
        return {
            "title": f"{_campaign_name(said.number)}, {self._title(said.purpose_id)}",
            "text": said.text,
            "sha256": said.content_sha256,
        }

    def _text(self, text: Text) -> dict[str, Any]:
        _, facts = self.translate, text.facts
        controller = facts["controller"]
        return {
            "title": facts["title"],
            "line": _("version {version}, {locale}, SHA-256 {sha256}").format(
                version=text.version, locale=text.locale, sha256=text.sha256
            ),
            "controller": ", ".join(
                controller[name] for name in ("name", "address", "registration", "contact")
            ),
            "published": _("Published by entry {entry_id}").format(entry_id=text.entry_id),
            "text": facts["text"],
        }

    def _log(self) -> list[Pair]:
        _, log = self.translate, self.dossier.log
        return [
            (_("Name of the log"), log.origin),
            (_("Entries"), str(log.size)),
            (_("Root"), log.root.hex()),
            (_("Key"), str(log.key)),
            (_("Fingerprint of the key"), log.key.fingerprint),
        ]

    # --- words for single facts ---------------------------------------------------------------

    def _time(self, at: datetime) -> str:
        return moment(at, self.zone, self.locale)

    def _said_time(self, at: str | None) -> str | None:
        return None if at is None else self._time(datetime.fromisoformat(at))

    def _number(self, entry_id: str) -> str:
        found = (one.index for one in self.dossier.happenings if one.entry_id == entry_id)
        return "".join(f"№ {index}" for index in found)

    def _title(self, purpose_id: str) -> str:
        """Return the latest title in the reader's language, else in any; else the bare id."""
        titles = self.dossier.titles.get(purpose_id, {})
        return titles.get(self.locale) or next(iter(titles.values()), purpose_id)


def _campaign_name(number: int | None) -> str:
    return "№ –" if number is None else f"№ {number}"
