"""People who write to the bot: met, found again, reached or not."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.rules import Reach, SubjectId
from bot.privacy.envelope import open_json, seal_json
from bot.privacy.profile import Profile
from bot.usecases.journal import Journal, Key
from storage import keys, subjects
from storage.database import Database

TELEGRAM: Final = "telegram"
SEEN_EVERY: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who has written to the bot, opened."""

    id: SubjectId
    profile: Profile
    key: Key = field(repr=False)
    locale: str
    reach: Reach
    created_at: datetime
    seen_at: datetime
    question_message_id: int | None
    receipt_message_id: int | None
    paused_until: datetime | None
    """No messages before this moment, by the person's own wish."""
    suppressed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Whom we know. Each method is one use-case and one transaction."""

    database: Database
    journal: Journal
    locales: Collection[str]
    default_locale: str

    async def meet(self, seen: Profile, at: datetime) -> Person:
        """Return the person behind an account; keep them, sealed, if they are new.

        What Telegram tells anew (a changed name) replaces what was kept; the first source stays.
        """
        known = await self.find(seen.account)
        if known is not None and self._is_fresh(known, seen, at):
            return known
        async with self.database.transaction() as tx:
            stored = await subjects.by_lookup(tx, self._lookup(seen.account))
            if stored is None:
                return await self._add(tx, seen, at)
            person = self.opened(stored)
            profile = _merged(person.profile, seen)
            await subjects.change(tx, person.id, sealed=self._seal(person.key, profile), seen_at=at)
        return replace(person, profile=profile, seen_at=at)

    async def find(self, account: str) -> Person | None:
        async with self.database.snapshot() as tx:
            stored = await subjects.by_lookup(tx, self._lookup(account))
        return None if stored is None else self.opened(stored)

    async def by_id(self, subject_id: SubjectId) -> Person | None:
        async with self.database.snapshot() as tx:
            stored = await subjects.by_id(tx, subject_id)
        return None if stored is None else self.opened(stored)

    async def set_locale(self, subject_id: SubjectId, locale: str) -> None:
        async with self.database.transaction() as tx:
            await subjects.change(tx, subject_id, locale=locale)

    async def set_messages(
        self, subject_id: SubjectId, *, question: int | None, receipt: int | None
    ) -> None:
        """Remember which messages ask and certify, so that they are edited, not repeated."""
        async with self.database.transaction() as tx:
            await subjects.change(
                tx, subject_id, question_message_id=question, receipt_message_id=receipt
            )

    async def pause(self, subject_id: SubjectId, until: datetime | None) -> None:
        """Let all messages rest until a moment; None: they go on. Consents stay as they are."""
        async with self.database.transaction() as tx:
            await subjects.lock(tx, subject_id)
            await subjects.change(tx, subject_id, paused_until=until)

    async def set_reach(self, subject_id: SubjectId, reach: Reach) -> None:
        async with self.database.transaction() as tx:
            await subjects.set_reach(tx, subject_id, reach)

    def _lookup(self, account: str) -> bytes:
        return self.journal.keyring().account_lookup(TELEGRAM, account)

    def _is_fresh(self, known: Person, seen: Profile, at: datetime) -> bool:
        is_same = _merged(known.profile, seen) == known.profile
        return is_same and at - known.seen_at < SEEN_EVERY

    def _seal(self, key: Key, profile: Profile) -> bytes:
        return seal_json(key.secret, profile.to_json(), key.id.encode())

    async def _add(self, tx: AsyncConnection, seen: Profile, at: datetime) -> Person:
        subject_id = SubjectId(self.journal.entropy(16).hex())
        key = await self.journal.new_key(tx, subject_id)
        forbidden = self.journal.keyring().suppression_hash(TELEGRAM, seen.account)
        suppressed = await subjects.is_suppressed(tx, forbidden)
        locale = self.locale_for(seen.language)
        is_first = await subjects.add(
            tx,
            subject_id=subject_id,
            channel=TELEGRAM,
            lookup=self._lookup(seen.account),
            sealed=self._seal(key, seen),
            locale=locale,
            at=at,
            suppressed=suppressed,
        )
        if not is_first:
            await keys.destroy(tx, key.id)
            return await self._met_meanwhile(tx, seen)
        return Person(
            id=subject_id,
            profile=seen,
            key=key,
            locale=locale,
            reach=Reach.REACHABLE,
            created_at=at,
            seen_at=at,
            question_message_id=None,
            receipt_message_id=None,
            paused_until=None,
            suppressed=suppressed,
        )

    async def _met_meanwhile(self, tx: AsyncConnection, seen: Profile) -> Person:
        stored = await subjects.by_lookup(tx, self._lookup(seen.account))
        assert stored is not None, "an account that is taken by nobody"  # noqa: S101
        return self.opened(stored)

    def locale_for(self, language: str) -> str:
        """Choose the served locale for an IETF tag of Telegram's ("en-GB" is served by "en")."""
        return self._served(language.split("-", maxsplit=1)[0].lower())

    def _served(self, locale: str) -> str:
        """The purposes file may serve a locale no longer: then another one speaks."""
        if locale in self.locales:
            return locale
        if self.default_locale in self.locales:
            return self.default_locale
        return next(iter(self.locales))

    def opened(self, stored: subjects.Subject) -> Person:
        """Open a stored person with their key."""
        key = Key(id=stored.id, secret=self.journal.keyring().unwrap(stored.key))
        return Person(
            id=stored.id,
            profile=Profile.from_json(open_json(key.secret, stored.sealed, key.id.encode())),
            key=key,
            locale=self._served(stored.locale),
            reach=stored.reach,
            created_at=stored.created_at,
            seen_at=stored.seen_at,
            question_message_id=stored.question_message_id,
            receipt_message_id=stored.receipt_message_id,
            paused_until=stored.paused_until,
            suppressed=stored.suppressed,
        )


def _merged(known: Profile, seen: Profile) -> Profile:
    """What Telegram tells now, with the first source that ever brought the person."""
    return replace(seen, source=known.source or seen.source)
