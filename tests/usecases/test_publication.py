"""A changed text is a new version; no text that anybody agreed to is ever lost."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from tea_shop import AT, DATA, DAY, HOUR, OFFERS, ORDERS, Shop, purpose

from bot.campaigns.campaign import Author, CampaignUnknown
from bot.campaigns.content import Content, ContentKind
from bot.consent.purposes import Kind, Period
from bot.consent.rules import PurposeId, Standing
from bot.errors import ConfigurationError
from bot.proof import canonical
from bot.usecases.publication import publish
from storage import consents, notices

NEWS = PurposeId("news")


async def live_versions(shop: Shop, *accounts: str) -> list[str]:
    """Which of these people may be written to under NEWS now."""
    found = []
    for account in accounts:
        person = await shop.meet(account)
        if (await shop.standings(person))[NEWS] is Standing.LIVE:
            found.append(account)
    return found


async def joined(shop: Shop, account: str) -> None:
    await shop.answer(await shop.meet(account), NEWS)


async def test_the_same_file_again_publishes_nothing(shop: Shop) -> None:
    size = await shop.log_size()
    again = await publish(shop.database, shop.core.journal, shop.publication.catalogue, AT + DAY)
    assert again.versions == {DATA: 1, ORDERS: 1, OFFERS: 1}
    assert await shop.log_size() == size


@pytest.mark.parametrize(
    "change",
    [
        {"text": "the second text"},
        {"data": ("telegram-account",)},
        {"recipients": ("Telegram",)},
        {"valid_for": Period("P1Y")},
        {"kind": Kind.ADVERTISING},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_whatever_is_hashed_makes_a_new_version_when_it_changes(
    shop: Shop, change: dict[str, Any]
) -> None:
    await shop.publish(purpose(NEWS))
    await joined(shop, "1")
    assert (await shop.publish(purpose(NEWS, **change))).versions[NEWS] == 2
    assert await live_versions(shop, "1") == []


async def test_what_nobody_agrees_to_makes_no_new_version(shop: Shop) -> None:
    await shop.publish(purpose(NEWS))
    law = {"ru": "закон", "en": "law"}
    changed = purpose(
        NEWS,
        double_opt_in=True,
        keep_proof_for=Period("P1Y"),
        keep_proof_rule=law,
        reask=False,
    )
    assert (await shop.publish(changed)).versions[NEWS] == 1


async def test_a_change_in_one_language_is_a_version_of_all(shop: Shop) -> None:
    await shop.publish(purpose(NEWS))
    before = purpose(NEWS)
    published = await shop.publish(replace(before, notice={**before.notice, "ru": "другой текст"}))
    assert published.versions[NEWS] == 2
    assert {published.text(NEWS, locale).version for locale in ("ru", "en")} == {2}


async def test_a_material_change_lets_older_consents_rest(shop: Shop) -> None:
    await shop.publish(purpose(NEWS, "one"))
    await joined(shop, "1")
    await shop.publish(purpose(NEWS, "two"))
    await joined(shop, "2")
    assert await live_versions(shop, "1", "2") == ["2"]
    assert (await shop.standings(await shop.meet("1")))[NEWS] is Standing.OLDER_TEXT


async def test_an_editorial_change_keeps_consents(shop: Shop) -> None:
    await shop.publish(purpose(NEWS, "one"))
    await joined(shop, "1")
    published = await shop.publish(purpose(NEWS, "two", reask=False))
    assert published.versions[NEWS] == 2
    await joined(shop, "2")
    assert await live_versions(shop, "1", "2") == ["1", "2"]


async def test_a_text_changed_back_is_the_earlier_version_again(shop: Shop) -> None:
    await shop.publish(purpose(NEWS, "one"))
    await joined(shop, "1")
    await shop.publish(purpose(NEWS, "two"))
    await joined(shop, "2")
    size = await shop.log_size()
    published = await shop.publish(purpose(NEWS, "one"))
    assert published.versions[NEWS] == 1
    assert await shop.log_size() == size  # nothing new was said
    assert await live_versions(shop, "1", "2") == ["1"]


async def test_an_editorial_change_after_a_material_one_keeps_only_the_newer(shop: Shop) -> None:
    for account, text, reask in (
        ("1", "one", True),
        ("2", "two", True),
        ("3", "three", False),
        ("4", "four", False),
    ):
        await shop.publish(purpose(NEWS, text, reask=reask))
        await joined(shop, account)
    assert await live_versions(shop, "1", "2", "3", "4") == ["2", "3", "4"]


async def test_a_material_change_after_an_editorial_one_keeps_nobody(shop: Shop) -> None:
    for account, text, reask in (("1", "one", True), ("2", "two", False), ("3", "three", True)):
        await shop.publish(purpose(NEWS, text, reask=reask))
        await joined(shop, account)
    assert await live_versions(shop, "1", "2", "3") == ["3"]


async def test_an_editorial_change_after_a_return_builds_on_what_is_in_force(shop: Shop) -> None:
    for account, text in (("1", "one"), ("2", "two")):
        await shop.publish(purpose(NEWS, text))
        await joined(shop, account)
    await shop.publish(purpose(NEWS, "one"))
    await shop.publish(purpose(NEWS, "three", reask=False))
    assert await live_versions(shop, "1", "2") == ["1"]


async def test_another_kind_of_messages_is_never_an_editorial_change(shop: Shop) -> None:
    await shop.publish(purpose(NEWS))
    with pytest.raises(ConfigurationError, match=r"reask.*set reask = true"):
        await shop.publish(purpose(NEWS, kind=Kind.ADVERTISING, reask=False))


async def test_whether_a_change_was_editorial_is_kept_with_its_version(shop: Shop) -> None:
    """The word in the file is about this change; changing only the word changes nothing."""
    await shop.publish(purpose(NEWS, "one"))
    await joined(shop, "1")
    await shop.publish(purpose(NEWS, "two"))
    await shop.publish(purpose(NEWS, "two", reask=False))
    assert await live_versions(shop, "1") == []


async def test_under_a_retired_purpose_nobody_may_be_written_to(shop: Shop) -> None:
    await shop.publish(purpose(NEWS), purpose(DATA))
    person = await shop.meet()
    await shop.answer(person, NEWS)
    await shop.publish(purpose(DATA))
    async with shop.database.snapshot() as tx:
        terms = await notices.terms(tx)
        assert NEWS not in terms
        assert await consents.audience(tx, NEWS, terms, AT, after=None, limit=9) == []
        standings = await consents.standings_of(tx, [person.id], NEWS, terms, AT)
    assert standings[person.id][0] == Standing.OLDER_TEXT


async def test_a_purpose_that_comes_back_finds_its_consents_again(shop: Shop) -> None:
    await shop.publish(purpose(NEWS), purpose(DATA))
    await joined(shop, "1")
    await shop.publish(purpose(DATA))
    await shop.publish(purpose(NEWS), purpose(DATA))
    assert await live_versions(shop, "1") == ["1"]


async def test_no_campaign_can_be_written_for_a_retired_purpose(shop: Shop) -> None:
    await shop.publish(purpose(DATA))
    content = Content(kind=ContentKind.TEXT, text="Hello")
    with pytest.raises(CampaignUnknown, match=NEWS):
        await shop.campaigns.draft(NEWS, content, Author(account="1", locale="en"), AT)


async def test_every_text_stays_readable_for_ever(shop: Shop) -> None:
    for text in ("one", "two", "one", "three"):
        await shop.publish(purpose(NEWS, text))
    await shop.publish(purpose(DATA))
    for version, text in ((1, "one"), (2, "two"), (3, "three")):
        for locale in ("ru", "en"):
            found = await shop.consents.text(NEWS, version, locale)
            assert found is not None
            facts = canonical.parse(found.canonical.encode())
            assert text in facts["text"]
            assert (facts["version"], facts["locale"]) == (version, locale)
    assert await shop.consents.text(NEWS, 4, "en") is None


async def test_each_publication_is_an_entry_that_anybody_can_open(shop: Shop) -> None:
    size = await shop.log_size()
    published = await shop.publish(purpose(NEWS, "one"), at=AT + HOUR)
    entries = (await shop.log())[size:]
    assert [one.read.type for one in entries] == ["notice.published"] * 2
    for one in entries:
        notice = one.payload["notice"]
        text = published.text(NEWS, notice["locale"])
        assert text.entry_id == one.read.id
        assert text.canonical.encode() == canonical.canonical_bytes(notice)
        assert text.sha256 == hashlib.sha256(text.canonical.encode()).hexdigest()
        assert notice["controller"]["registration"] == "7707083893"


async def test_a_purpose_knows_all_it_requires(shop: Shop) -> None:
    await shop.publish(
        purpose(DATA), purpose(ORDERS, requires=(DATA,)), purpose(OFFERS, requires=(ORDERS,))
    )
    async with shop.database.snapshot() as tx:
        terms = await notices.terms(tx)
    assert terms[OFFERS].requires == (DATA, ORDERS)
    assert terms[DATA].requires == ()
