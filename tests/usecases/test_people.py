"""People are found by a keyed hash of their account, and kept sealed (promise 6)."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tea_shop import AT, DAY, HOUR, Shop, on_disk

from bot.consent.rules import Reach, SubjectId
from bot.privacy.profile import Profile
from bot.usecases.people import SEEN_EVERY
from storage.schema import data_key


async def test_the_same_account_is_the_same_person(shop: Shop) -> None:
    first = await shop.meet("1")
    assert (await shop.meet("1", AT + DAY)).id == first.id
    assert (await shop.meet("2")).id != first.id


async def test_somebody_who_never_wrote_is_unknown(shop: Shop) -> None:
    assert await shop.people.find("1") is None
    assert await shop.people.by_id(SubjectId("0" * 32)) is None


async def test_a_person_is_found_with_what_telegram_told(shop: Shop) -> None:
    met = await shop.meet(
        "1", first_name="Екатерина", last_name="Чай", username="katya", source="poster_7"
    )
    found = await shop.people.find("1")
    assert found == met
    assert await shop.people.by_id(met.id) == met
    assert met.profile == Profile(
        account="1",
        first_name="Екатерина",
        last_name="Чай",
        username="katya",
        language="en",
        source="poster_7",
    )


async def test_a_changed_name_replaces_the_old_one_at_once(shop: Shop) -> None:
    await shop.meet("1", first_name="Katya")
    await shop.meet("1", AT + timedelta(seconds=1), first_name="Ekaterina")
    found = await shop.people.find("1")
    assert found is not None
    assert found.profile.first_name == "Ekaterina"


@pytest.mark.parametrize("pause", [timedelta(seconds=1), SEEN_EVERY, DAY])
async def test_the_first_source_stays(shop: Shop, pause: timedelta) -> None:
    await shop.meet("1")
    await shop.meet("1", AT + pause, source="poster_7")
    await shop.meet("1", AT + 2 * pause, source="other")
    await shop.meet("1", AT + 3 * pause)
    found = await shop.people.find("1")
    assert found is not None
    assert found.profile.source == "poster_7"


async def test_when_a_person_was_seen_is_written_only_now_and_then(shop: Shop) -> None:
    await shop.meet("1")
    assert (await shop.meet("1", AT + HOUR)).seen_at == AT
    assert (await shop.meet("1", AT + SEEN_EVERY)).seen_at == AT + SEEN_EVERY


@pytest.mark.parametrize(
    ("language", "locale"),
    [("ru", "ru"), ("en", "en"), ("en-GB", "en"), ("EN", "en"), ("de", "ru"), ("", "ru")],
)
async def test_a_language_is_served_by_its_locale_or_the_default_one(
    shop: Shop, language: str, locale: str
) -> None:
    assert (await shop.meet("1", language=language)).locale == locale


async def test_a_chosen_language_outlives_what_telegram_says(shop: Shop) -> None:
    person = await shop.meet("1")
    await shop.people.set_locale(person.id, "ru")
    assert (await shop.meet("1", AT + DAY, first_name="New")).locale == "ru"


async def test_messages_reach_and_pause_are_remembered(shop: Shop) -> None:
    person = await shop.meet("1")
    await shop.people.set_messages(person.id, question=7, receipt=9)
    await shop.people.set_reach(person.id, Reach.BLOCKED)
    await shop.people.pause(person.id, AT + DAY)
    found = await shop.people.find("1")
    assert found is not None
    assert (found.question_message_id, found.receipt_message_id) == (7, 9)
    assert (found.reach, found.paused_until) == (Reach.BLOCKED, AT + DAY)


async def test_first_updates_at_the_same_time_make_one_person(either_shop: Shop) -> None:
    met = await asyncio.gather(*(either_shop.meet("1") for _ in range(8)))
    assert len({person.id for person in met}) == 1
    assert len({person.key.secret for person in met}) == 1
    async with either_shop.database.snapshot() as tx:
        kept = list((await tx.execute(select(data_key.c.id))).scalars())
    assert kept == [met[0].id]  # no key of nobody


async def test_neither_account_nor_name_lies_in_the_database_in_clear(
    shop: Shop, tmp_path: Path
) -> None:
    await shop.meet("700100200", first_name="Ekaterina", username="katya_tea", source="poster_7")
    files = on_disk(tmp_path)
    assert len(files) > 10_000
    for secret in ("700100200", "Ekaterina", "katya_tea", "poster_7"):
        assert secret.encode() not in files
        assert secret.encode().hex().encode() not in files


async def test_a_person_does_not_appear_in_a_log_line(shop: Shop) -> None:
    person = await shop.meet("700100200", first_name="Ekaterina")
    assert "700100200" not in repr(person)
    assert "Ekaterina" not in repr(person)
    assert person.key.secret.hex() not in repr(person)
    assert repr(person.key.secret) not in repr(person)
