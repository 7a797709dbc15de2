"""Publishing what the purposes file says: a changed text becomes a new version, with a proof."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.purposes import Catalogue, Purpose
from bot.consent.rules import PurposeId
from bot.errors import ConfigurationError
from bot.proof.notice import notice_canonical
from bot.usecases.journal import Journal
from storage import notices, retention
from storage.database import Database
from storage.notices import PublishedNotice


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The catalogue with the versions in force: what this process asks and shows."""

    catalogue: Catalogue
    versions: Mapping[PurposeId, int]
    texts: Mapping[tuple[PurposeId, str], PublishedNotice]
    """By purpose and locale."""

    def text(self, purpose_id: PurposeId, locale: str) -> PublishedNotice:
        return self.texts[purpose_id, locale]


async def publish(
    database: Database, journal: Journal, catalogue: Catalogue, at: datetime
) -> Publication:
    """Make the file's texts the ones in force.

    A text that never stood in this form becomes a new version; one that is changed back makes
    its earlier version current again. All or nothing.
    """
    versions: dict[PurposeId, int] = {}
    texts: dict[tuple[PurposeId, str], PublishedNotice] = {}
    async with database.transaction() as tx:
        for position, purpose in enumerate(catalogue.purposes):
            purpose_id = PurposeId(purpose.id)
            version = await _version(tx, journal, catalogue, purpose, at)
            await notices.put_purpose(
                tx,
                purpose_id,
                kind=purpose.kind,
                position=position,
                version=version,
                requires=tuple(PurposeId(p) for p in catalogue.prerequisites(purpose.id)),
            )
            await retention.put_rule(
                tx,
                purpose_id,
                period=None if purpose.keep_proof_for is None else str(purpose.keep_proof_for),
                rule=purpose.keep_proof_rule,
            )
            versions[purpose_id] = version
            for locale in catalogue.locales:
                text = await notices.text(tx, purpose_id, version, locale)
                if text is not None:
                    texts[purpose_id, locale] = text
        await notices.retire_others(tx, set(versions))
    return Publication(catalogue=catalogue, versions=versions, texts=texts)


async def _version(
    tx: AsyncConnection,
    journal: Journal,
    catalogue: Catalogue,
    purpose: Purpose,
    at: datetime,
) -> int:
    purpose_id = PurposeId(purpose.id)
    known = await notices.versions(tx, purpose_id)
    for version, hashes in sorted(known.items()):
        if hashes == _hashes(catalogue, purpose, version):
            return version
    return await _publish_new(tx, journal, catalogue, purpose, max(known, default=0) + 1, at)


async def _publish_new(
    tx: AsyncConnection,
    journal: Journal,
    catalogue: Catalogue,
    purpose: Purpose,
    version: int,
    at: datetime,
) -> int:
    purpose_id = PurposeId(purpose.id)
    accepts = {version}
    current = await notices.current_version(tx, purpose_id)
    _refuse_silent_change(purpose, await notices.kind(tx, purpose_id))
    if current is not None and not purpose.reask:
        accepts |= await notices.accepted(tx, purpose_id, current)
    else:
        # The foreign key wants the purpose first; put_purpose corrects the rest.
        await notices.put_purpose(
            tx, purpose_id, kind=purpose.kind, position=0, version=version, requires=()
        )
    await notices.add_version(
        tx, purpose_id, version, reask=purpose.reask, accepts=frozenset(accepts), at=at
    )
    for locale in catalogue.locales:
        facts = _facts(catalogue, purpose, version, locale)
        canonical = notice_canonical(facts)
        written = await journal.write(tx, "notice.published", {"notice": facts}, at, key=None)
        text = PublishedNotice(
            purpose_id=purpose_id,
            version=version,
            locale=locale,
            sha256=hashlib.sha256(canonical).hexdigest(),
            canonical=canonical.decode(),
            entry_id=written.entry_id,
        )
        await notices.add_text(tx, text)
    return version


def _refuse_silent_change(purpose: Purpose, kind: str | None) -> None:
    """An agreement to one kind of messages is none to another, whatever the file says."""
    if kind is not None and kind != purpose.kind and not purpose.reask:
        fault = (
            f"PURPOSES_FILE: purpose[{purpose.id}].reask: a purpose that was {kind} cannot "
            f"become {purpose.kind.value} without asking again; set reask = true"
        )
        raise ConfigurationError([fault])


def _hashes(catalogue: Catalogue, purpose: Purpose, version: int) -> dict[str, str]:
    return {
        locale: hashlib.sha256(
            notice_canonical(_facts(catalogue, purpose, version, locale))
        ).hexdigest()
        for locale in catalogue.locales
    }


def _facts(catalogue: Catalogue, purpose: Purpose, version: int, locale: str) -> dict[str, Any]:
    controller = catalogue.controller
    return {
        "controller": {
            "name": controller.name[locale],
            "address": controller.address[locale],
            "country": controller.country,
            "registration": controller.inn or controller.registration or "",
            "contact": controller.contact,
        },
        "purpose": purpose.id,
        "kind": purpose.kind.value,
        "version": version,
        "locale": locale,
        "title": purpose.title[locale],
        "summary": purpose.summary[locale],
        "text": purpose.notice[locale],
        "data": list(purpose.data),
        "recipients": list(purpose.recipients),
        "valid_for": None if purpose.valid_for is None else str(purpose.valid_for),
    }
