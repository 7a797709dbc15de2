"""The dossier as paper and as JSON: nothing in it runs, nothing is cut, both say the same."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from complaint import ACCOUNT, HOSTILE, complaint, opened, send
from playwright.async_api import Browser, Route
from tea_shop import AT, HOUR, MINUTE, OFFERS, ORDERS, SHOWN, Shop, purpose

from bot.consent.acts import Act, Choice, Method, Shown
from bot.documents.absence import absence
from bot.documents.dossier_json import as_json
from bot.documents.dossier_page import as_page
from bot.documents.times import moment, span
from bot.proof import proof_file
from bot.usecases.dossier_facts import (
    Dossier,
    ErasedEntry,
    NobodyKnown,
    NobodysEntry,
    NoSuchEntry,
)
from locales import translations
from storage.dossiers import Erasures
from storage.prompts import Step

LOCALES = ("ru", "en")
WORDS = translations()
MOSCOW = ZoneInfo("Europe/Moscow")
A4 = {"width": 794, "height": 1123}
"""CSS pixels of 210 by 297 mm."""
A4_BOX = b"/MediaBox [0 0 594.95996 841.91998]"
SAYS = {
    "ru": (
        "Досье",
        "согласие отозвано",
        "не больше 3 с",
        "неясно, дошло ли",
        "Чего это не доказывает",
    ),
    "en": ("Dossier", "withdrawn", "at most 3 sec", "unknown whether it arrived", "does not prove"),
}


class Reading(HTMLParser):
    """What a browser would make of the page: tags, attributes, text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] != "style":
            self.text += data

    @property
    def proofs(self) -> dict[str, bytes]:
        """The files that its links save, by name."""
        return {
            str(facts["download"]): base64.b64decode(str(facts["href"]).partition("base64,")[2])
            for tag, facts in self.tags
            if tag == "a"
        }


def page_of(dossier: Dossier, locale: str) -> bytes:
    return as_page(dossier, WORDS[locale], MOSCOW, locale)


# --- the page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
async def test_the_page_says_it_all_in_the_readers_language(shop: Shop, locale: str) -> None:
    known = await complaint(shop)
    found = await opened(shop)
    read = Reading(page_of(found, locale))
    assert read.tags[0] == ("html", {"lang": locale})
    for words in (*SAYS[locale], ACCOUNT, known.granted, known.withdrawn, SHOWN.text, "501",
                  "On its way", found.log.checkpoint.split("\n")[0], found.log.root.hex(),
                  "18:00:01 +03:00", "Agree", found.opening[1]):  # fmt: skip
        assert words in read.text, words
    assert "{" not in read.text.replace(HOSTILE, ""), "a placeholder that nobody filled"


async def test_the_page_hands_out_every_proof(shop: Shop) -> None:
    await complaint(shop)
    found = await opened(shop)
    proofs = Reading(page_of(found, "en")).proofs
    assert proofs == {f"proof-{one.entry_id[:8]}.tlog-proof": one.proof for one in found.happenings}
    for content in proofs.values():
        proof_file.verify(content, found.log.key)


@pytest.mark.parametrize("locale", LOCALES)
async def test_what_people_wrote_is_text_and_never_markup(shop: Shop, locale: str) -> None:
    """Names, texts of campaigns, of purposes and of what was shown come from anybody."""
    hostile = purpose(ORDERS, HOSTILE)
    await shop.publish(purpose(OFFERS), hostile, at=AT - HOUR)
    shop.clock = lambda: AT
    person = await shop.meet(ACCOUNT, first_name=HOSTILE, last_name=HOSTILE, username=HOSTILE,
                             language=HOSTILE, source=HOSTILE)  # fmt: skip
    shown = Shown(text=HOSTILE, entities=(), buttons=(HOSTILE,))
    nonce = await shop.consents.ask(person, ORDERS, Step.ANSWER, shown, AT)
    act = Act(method=Method.CALLBACK, callback_id=HOSTILE)
    await shop.consents.answer(person, nonce, Choice.AGREE, act, AT)
    await send(shop, person, HOSTILE, AT + HOUR)
    page = page_of(await opened(shop), locale)
    read = Reading(page)
    assert read.text.count(HOSTILE) >= 9
    assert {tag for tag, _ in read.tags} & {"script", "iframe", "img", "object", "form"} == set()
    assert b"<script" not in page
    handlers = [name for _, facts in read.tags for name in facts if name.startswith("on")]
    assert handlers == []
    assert "49" not in read.text.split(HOSTILE)[1][:20], "a template in a name is not run"


async def test_the_page_loads_nothing(shop: Shop) -> None:
    await complaint(shop)
    page = page_of(await opened(shop), "en")
    assert re.findall(rb"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", page) == []
    for _, facts in Reading(page).tags:
        for name in ("src", "href", "action", "data"):
            assert str(facts.get(name) or "data:").startswith("data:application/octet-stream")\
                or facts.get(name) is None  # fmt: skip


async def test_somebody_without_answers_gets_a_page_that_says_so(shop: Shop) -> None:
    await shop.meet()
    read = Reading(page_of(await opened(shop), "en"))
    for words in ("answered no question", "no refusal and no withdrawal", "Nothing was ever to"):
        assert words in read.text


@pytest.mark.parametrize("locale", LOCALES)
async def test_it_prints_on_a4_and_nothing_is_cut(
    shop: Shop, browser: Browser, tmp_path: Path, locale: str
) -> None:
    known = await complaint(shop)
    long = "Очень длинное слово" + "ы" * 300 + "\n" + "Строка. " * 300
    for number in range(40):
        await send(shop, known.person, f"{number} {long}", AT + 5 * HOUR + number * MINUTE)
    await shop.answer(known.person, ORDERS, at=AT + 20 * HOUR)
    file = tmp_path / "dossier.html"
    file.write_bytes(page_of(await opened(shop), locale))
    context = await browser.new_context(viewport=A4, java_script_enabled=False)
    asked: list[str] = []

    async def note(route: Route) -> None:
        asked.append(route.request.url)
        await route.continue_()

    page = await context.new_page()
    await page.route("**/*", note)
    await page.goto(file.as_uri())
    await page.emulate_media(media="print")
    pdf = await page.pdf(prefer_css_page_size=True)
    assert asked == [file.as_uri()]
    assert pdf.count(A4_BOX) >= 5, "every page is A4"
    assert pdf.count(b"/MediaBox") == pdf.count(A4_BOX)
    # Between the margins of @page, on paper and on a telephone: nothing stands out to the right.
    for width, media in ((A4["width"] - 113, "print"), (390, "screen")):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.emulate_media(media="print" if media == "print" else "screen")
        root = page.locator("html")
        box = await root.evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert box[0] <= box[1], (media, box)
        if media == "print":
            tables = await page.locator("table").evaluate_all(
                "all => all.map(e => e.scrollWidth - e.parentElement.clientWidth)"
            )
            assert tables
            assert max(tables) <= 0, "a table is cut"


# --- the same as JSON -------------------------------------------------------------------------

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TOP = ["format", "made", "software", "recorded_as", "person", "consents", "events", "endings",
       "messages", "campaigns", "notices", "log", "not_proven"]  # fmt: skip
REFERENCE = (Path(__file__).parents[2] / "docs/reference.md").read_text()


async def test_the_json_says_the_same(shop: Shop) -> None:
    known = await complaint(shop)
    found = await opened(shop)
    facts = json.loads(as_json(found, WORDS["en"]))
    assert list(facts) == TOP
    assert facts["format"] == "assent-dossier/1"
    assert facts["recorded_as"] == {"index": found.opening[0], "entry_id": found.opening[1]}
    assert facts["person"]["account"] == ACCOUNT
    assert facts["person"]["first_name"] == HOSTILE
    assert [one["payload"]["event"] for one in facts["events"]] == ["granted"] * 3 + ["withdrawn"]
    for one, happening in zip(facts["events"], found.happenings, strict=True):
        assert base64.b64decode(one["proof"]) == happening.proof
        assert one["payload"] == happening.payload
    assert facts["endings"] == [
        {
            "entry_id": known.withdrawn,
            "purpose": "orders",
            "event": "withdrawn",
            "acted": "2026-11-24T14:59:59.000Z",
            "stored": "2026-11-24T15:00:01.000Z",
            "written": "2026-11-24T15:00:01.350Z",
            "seconds_from_act": 2.35,
            "seconds_from_storing": 0.35,
            "last_message_before": facts["messages"][1]["delivery"],
            "messages_after": [facts["messages"][2]["delivery"]],
        }
    ]
    assert [one["state"] for one in facts["messages"]] == [
        "sent", "uncertain", "sent", "suppressed"]  # fmt: skip
    assert facts["messages"][0]["message_id"] == "501", "ids are text"
    assert facts["messages"][0]["consent_entry"] == known.granted
    assert [one["sha256"] for one in facts["notices"]] == [one.sha256 for one in found.texts]
    assert facts["log"]["root"] == found.log.root.hex()
    for name in ("made",):
        assert TIME.fullmatch(facts[name])


async def test_every_key_of_the_json_is_in_the_reference(shop: Shop) -> None:
    await complaint(shop)
    facts = json.loads(as_json(await opened(shop), WORDS["en"]))
    told = REFERENCE.split("\n## The dossier\n", 1)[1].split("\n## ", 1)[0]
    for name in TOP:
        value = facts[name]
        first = value[0] if isinstance(value, list) else value
        keys = [name, *(first if isinstance(first, dict) else ())]
        for key in keys:
            assert f"`{key}`" in told, f"{name}.{key} is not in docs/reference.md"


# --- nobody, times ----------------------------------------------------------------------------


@pytest.mark.parametrize("locale", LOCALES)
def test_why_there_is_none_is_a_plain_sentence(locale: str) -> None:
    erased = ErasedEntry(index=17, type="consent.granted", at="2026-11-24T12:00:00.000Z",
                         erasures=None)  # fmt: skip
    one = Erasures(count=1, first=AT, last=AT)
    several = Erasures(count=3, first=AT, last=AT + HOUR)
    said = {
        absence(absent, WORDS[locale], MOSCOW, locale)
        for absent in (
            NobodyKnown(),
            NobodyKnown(forbidden_since=AT),
            NoSuchEntry(),
            NobodysEntry(index=0, type="notice.published", at="2026-11-24T12:00:00.000Z"),
            erased,
            ErasedEntry(index=17, type=erased.type, at=erased.at, erasures=one),
            ErasedEntry(index=17, type=erased.type, at=erased.at, erasures=several),
        )
    }
    assert len(said) == 7
    assert not [words for words in said if "{" in words]
    assert sum("15:00:00 +03:00" in words for words in said) == 3, "the operator's time"


@pytest.mark.parametrize(
    ("length", "locale", "words"),
    [
        (timedelta(milliseconds=350), "en", "0.35 sec"),
        (timedelta(milliseconds=350), "ru", "0,35 с"),
        (timedelta(0), "en", "0 sec"),
        (timedelta(minutes=10, seconds=3), "en", "10 min 3 sec"),
        (timedelta(days=2, hours=1), "en", "2 days 1 hr"),
        (timedelta(seconds=-1), "en", "−1 sec"),
        (timedelta(seconds=59, milliseconds=999), "en", "59.999 sec"),
    ],
)
def test_a_span_is_told_to_the_millisecond(length: timedelta, locale: str, words: str) -> None:
    assert span(length, locale) == words


def test_a_moment_has_the_offset_that_held_then() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert moment(before, berlin, "en") == "25 Oct 2026, 02:30:00 +02:00"
    assert moment(before + HOUR, berlin, "en") == "25 Oct 2026, 02:30:00 +01:00"
    assert moment(before, ZoneInfo("America/St_Johns"), "ru") == "24 окт. 2026, 22:00:00 -02:30"
