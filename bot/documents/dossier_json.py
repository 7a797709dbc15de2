"""A dossier for programs: the same facts as the page (docs/reference.md, "The dossier")."""

import base64
import json
from datetime import datetime
from gettext import NullTranslations
from typing import Any, Final

from bot.documents.dossier_words import not_proven
from bot.proof.entry import rfc3339
from bot.usecases.dossier_facts import (
    Dossier,
    Ending,
    Happening,
    Message,
    Said,
    Stand,
    Text,
    Vouched,
    Who,
)

FORMAT: Final = "assent-dossier/1"


def as_json(dossier: Dossier, words: NullTranslations) -> bytes:
    index, entry_id = dossier.opening
    facts = {
        "format": FORMAT,
        "made": rfc3339(dossier.made_at),
        "software": dossier.software,
        "recorded_as": {"index": index, "entry_id": entry_id},
        "person": _person(dossier.who),
        "consents": [_consent(stand) for stand in dossier.stands],
        "events": [_event(happening) for happening in dossier.happenings],
        "endings": [_ending(ending) for ending in dossier.endings],
        "messages": [_message(message) for message in dossier.messages],
        "campaigns": [_campaign(said) for said in dossier.campaigns],
        "notices": [_notice(text) for text in dossier.texts],
        "log": _log(dossier.log),
        "not_proven": list(not_proven(words.gettext)),
    }
    return json.dumps(facts, ensure_ascii=False, indent=2).encode() + b"\n"


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def _person(who: Who) -> dict[str, Any]:
    return {
        "subject": who.subject_id,
        "channel": who.channel,
        **who.profile.to_json(),
        "interface_language": who.locale,
        "known_since": rfc3339(who.known_since),
        "last_seen": rfc3339(who.last_seen),
        "reach": who.reach.value,
        "paused_until": _time(who.paused_until),
        "never_write_again": who.suppressed,
        "legal_hold_since": _time(who.hold.placed_at if who.hold else None),
        "erasure_wanted": _time(who.hold.erasure_wanted_at if who.hold else None),
    }


def _consent(stand: Stand) -> dict[str, Any]:
    consent = stand.consent
    return {
        "purpose": consent.purpose_id,
        "standing": stand.standing.value,
        "state": consent.state.value,
        "since": rfc3339(consent.since),
        "notice_version": consent.notice_version,
        "locale": consent.locale,
        "expires": _time(consent.expires_at),
        "entry_id": consent.entry_id,
    }


def _event(happening: Happening) -> dict[str, Any]:
    return {
        "index": happening.index,
        "entry_id": happening.entry_id,
        "event": happening.event.value,
        "time": rfc3339(happening.at),
        "written": _time(happening.written_at),
        "payload": dict(happening.payload),
        "proof": base64.b64encode(happening.proof).decode(),
    }


def _ending(ending: Ending) -> dict[str, Any]:
    happening, before = ending.happening, ending.last_before
    return {
        "entry_id": happening.entry_id,
        "purpose": happening.purpose_id,
        "event": happening.event.value,
        "acted": _time(ending.acted_at),
        "stored": rfc3339(happening.at),
        "written": _time(happening.written_at),
        "seconds_from_act": _seconds(ending.acted_at, happening.written_at),
        "seconds_from_storing": _seconds(happening.at, happening.written_at),
        "last_message_before": before.sending.delivery_id if before else None,
        "messages_after": [message.sending.delivery_id for message in ending.crossed],
    }


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds(), 3)


def _message(message: Message) -> dict[str, Any]:
    sending = message.sending
    return {
        "delivery": sending.delivery_id,
        "campaign": sending.campaign_id,
        "campaign_number": sending.campaign_number,
        "purpose": sending.purpose_id,
        "state": sending.state.value,
        "reason": sending.reason,
        "recorded": rfc3339(sending.at),
        "message_id": None if sending.message_id is None else str(sending.message_id),
        "consent_entry": sending.consent_entry_id,
        "consent_index": message.consent_index,
        "seal_entry": sending.seal_entry_id,
        "seal_index": sending.seal_index,
    }


def _campaign(said: Said) -> dict[str, Any]:
    return {
        "campaign": said.campaign_id,
        "number": said.number,
        "purpose": said.purpose_id,
        "content_sha256": said.content_sha256,
        "kind": said.kind,
        "text": said.text,
    }


def _notice(text: Text) -> dict[str, Any]:
    return {"entry_id": text.entry_id, "sha256": text.sha256, "notice": dict(text.facts)}


def _log(log: Vouched) -> dict[str, Any]:
    return {
        "origin": log.origin,
        "size": log.size,
        "root": log.root.hex(),
        "checkpoint": log.checkpoint,
        "key": str(log.key),
        "fingerprint": log.key.fingerprint,
    }
