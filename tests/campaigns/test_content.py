"""Content: counted as Telegram counts, known by its hash, with links that work."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.campaigns import content
from bot.campaigns.content import (
    Content,
    ContentFault,
    ContentKind,
    Entity,
    LinkButton,
    LinkFault,
    body,
    excess,
    faults,
    keep,
    parse_links,
    utf16_length,
)
from bot.sandbox.formatting import formatted
from bot.sandbox.refusal import Refusal

LABEL = "Реклама. ООО «Чайная лавка», ИНН 7707083893"
HELLO = Content(
    kind=ContentKind.TEXT,
    text="Hello 🫖 tea",
    entities=(Entity(type="bold", offset=9, length=3),),
    buttons=(LinkButton(text="Shop", url="https://tea.example"),),
)
NOTHING_BUT_SPACE = st.text(st.sampled_from(" \n\t"), max_size=3)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


# --- counting


@given(TEXTS)
def test_length_is_what_the_bytes_of_utf_16_say(text: str) -> None:
    assert utf16_length(text) == sum(2 if ord(char) > 0xFFFF else 1 for char in text)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(ContentKind.TEXT, 4096), (ContentKind.PHOTO, 1024), (ContentKind.DOCUMENT, 1024)],
)
@pytest.mark.parametrize("label", [None, LABEL])
@pytest.mark.parametrize("filling", ["a", "🫖", "я"])
def test_what_fits_to_the_last_unit_is_sent_and_one_more_is_not(
    kind: ContentKind, limit: int, label: str | None, filling: str
) -> None:
    room = limit - (0 if label is None else utf16_length(label) + 2)
    text = filling * (room // utf16_length(filling)) + "." * (room % utf16_length(filling))
    fits = Content(kind=kind, text=text, file_id=None if kind is ContentKind.TEXT else "f")
    sent, _ = body(fits, label)
    assert utf16_length(sent) == limit
    assert faults(fits, label) == []
    longer = replace(fits, text=fits.text + ".")
    assert faults(longer, label) == [ContentFault.TOO_LONG]
    assert excess(longer, label) == 1
    formatted(sent, None, [], limit, "")
    with pytest.raises(Refusal, match="too long"):
        formatted(body(longer, label)[0], None, [], limit, "")


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_a_text_of_nothing_is_not_sent_even_with_a_label(text: str) -> None:
    assert faults(Content(kind=ContentKind.TEXT, text=text), LABEL) == [ContentFault.EMPTY]


def test_a_picture_without_words_is_sent_with_the_label_alone() -> None:
    picture = Content(kind=ContentKind.PHOTO, file_id="f")
    assert faults(picture, LABEL) == []
    assert body(picture, LABEL) == (LABEL, ())


def test_a_hundred_formatted_parts_are_sent_and_one_more_is_not() -> None:
    bold = Entity(type="bold", offset=0, length=1)
    assert faults(Content(kind=ContentKind.TEXT, text="a", entities=(bold,) * 100), None) == []
    cluttered = Content(kind=ContentKind.TEXT, text="a", entities=(bold,) * 101)
    assert faults(cluttered, None) == [ContentFault.TOO_MANY_ENTITIES]


# --- formatting


@given(before=NOTHING_BUT_SPACE, left=TEXTS, word=st.sampled_from(["tea", "чай", "🫖"]))
def test_formatting_stays_on_its_word_when_telegram_trims_the_text(
    before: str, left: str, word: str
) -> None:
    text = before + left + word
    bold = Entity(type="bold", offset=utf16_length(before + left), length=utf16_length(word))
    sent, entities = body(Content(kind=ContentKind.TEXT, text=text, entities=(bold,)), LABEL)
    shown, arrived = formatted(sent, None, [entity.to_json() for entity in entities], 4096, "")
    units = shown.encode("utf-16-le")
    spans = [
        units[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le")
        for e in arrived
        if e["type"] == "bold"
    ]
    assert spans == [word]


def test_formatting_that_a_bot_may_send_is_kept_whole_and_nothing_else() -> None:
    given_entities = [
        {"type": "text_link", "offset": 0, "length": 2, "url": "https://a.example", "user": None},
        {"type": "pre", "offset": 2, "length": 3, "language": "python"},
        {"type": "expandable_blockquote", "offset": 2, "length": 3},
        {"type": "custom_emoji", "offset": 6, "length": 2, "custom_emoji_id": "1"},
        {"type": "text_mention", "offset": 8, "length": 2, "user": {"id": 7}},
        {"type": "mention", "offset": 10, "length": 2},
        {"type": "url", "offset": 12, "length": 2},
    ]
    assert [entity.to_json() for entity in keep(given_entities)] == [
        {"type": "text_link", "offset": 0, "length": 2, "url": "https://a.example"},
        {"type": "pre", "offset": 2, "length": 3, "language": "python"},
        {"type": "expandable_blockquote", "offset": 2, "length": 3},
    ]


# --- identity


@pytest.mark.parametrize(
    "other",
    [
        replace(HELLO, kind=ContentKind.PHOTO),
        replace(HELLO, text="Hello 🫖 Tea"),
        replace(HELLO, entities=()),
        replace(HELLO, entities=(Entity(type="italic", offset=9, length=3),)),
        replace(HELLO, entities=(Entity(type="bold", offset=8, length=3),)),
        replace(HELLO, entities=(Entity(type="bold", offset=9, length=2),)),
        replace(HELLO, entities=(Entity(type="bold", offset=9, length=3, url="https://a.b"),)),
        replace(HELLO, entities=(Entity(type="bold", offset=9, length=3, language="c"),)),
        replace(HELLO, file_id="f"),
        replace(HELLO, buttons=()),
        replace(HELLO, buttons=(LinkButton(text="Shop", url="https://tea.example/"),)),
        replace(HELLO, buttons=(LinkButton(text="shop", url="https://tea.example"),)),
    ],
)
def test_no_part_of_a_message_changes_without_its_hash(other: Content) -> None:
    assert other.sha256(LABEL) != HELLO.sha256(LABEL)


def test_the_label_belongs_to_what_is_confirmed() -> None:
    assert len({HELLO.sha256(None), HELLO.sha256(""), HELLO.sha256(LABEL)}) == 3


ENTITIES = st.builds(
    Entity,
    type=st.sampled_from(sorted(content.KEPT_ENTITIES)),
    offset=st.integers(0, 4096),
    length=st.integers(1, 4096),
    url=st.none() | TEXTS,
    language=st.none() | TEXTS,
)
CONTENTS = st.builds(
    Content,
    kind=st.sampled_from(ContentKind),
    text=TEXTS,
    entities=st.lists(ENTITIES, max_size=3).map(tuple),
    file_id=st.none() | TEXTS,
    buttons=st.lists(st.builds(LinkButton, text=TEXTS, url=TEXTS), max_size=3).map(tuple),
)


@given(CONTENTS)
def test_round_trip_through_what_is_stored(written: Content) -> None:
    read = Content.from_json(written.to_json())
    assert read == written
    assert read.to_json() == written.to_json()
    assert read.sha256(LABEL) == written.sha256(LABEL)


# --- link buttons


def test_links_are_read_line_by_line_with_any_dash() -> None:
    text = (
        "Our shop - https://tea.example\n\n"
        "  Чай — https://чай.example/a?b=c-d  \n"
        "Green - and black – http://a.example:8080\n"
        "Ask : tg://resolve?domain=tea\n"
    )
    assert parse_links(text) == (
        LinkButton(text="Our shop", url="https://tea.example"),
        LinkButton(text="Чай", url="https://чай.example/a?b=c-d"),
        LinkButton(text="Green - and black", url="http://a.example:8080"),
        LinkButton(text="Ask", url="tg://resolve?domain=tea"),
    )


@pytest.mark.parametrize(
    "line",
    [
        "Our shop",
        "https://tea.example",
        "- https://tea.example",
        "Shop - tea.example",
        "Shop - ftp://tea.example",
        "Shop - javascript:alert(1)",
        "Shop - https://",
        "Shop - https://localhost",
        "Shop - https://.",
        "Shop - https://tea..example",
        "Shop - https://[tea.example",
        "Shop - https://tea.example:99999",
        "Shop - tg:",
        "Shop - tg://",
        "Shop - https://tea.example and more",
        "a" * 65 + " - https://tea.example",
        "🫖" * 33 + " - https://tea.example",
    ],
)
def test_a_line_that_is_no_button_is_named_by_the_number_that_its_author_sees(line: str) -> None:
    with pytest.raises(LinkFault) as fault:
        parse_links(f"Shop - https://tea.example\n\n{line}\nShop - https://tea.example")
    assert fault.value.detail == "3"


def test_a_button_may_have_sixty_four_units_of_text() -> None:
    assert parse_links("🫖" * 32 + " - https://tea.example")[0].text == "🫖" * 32


def test_ten_buttons_are_read_and_the_eleventh_is_named() -> None:
    line = "Shop - https://tea.example\n"
    assert len(parse_links(line * 10)) == 10
    with pytest.raises(LinkFault) as fault:
        parse_links(line * 11)
    assert fault.value.detail == "11"


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_no_line_at_all_is_a_fault_of_the_first(text: str) -> None:
    with pytest.raises(LinkFault) as fault:
        parse_links(text)
    assert fault.value.detail == "1"


@given(st.text())
def test_whatever_is_typed_gives_buttons_or_the_number_of_a_line(text: str) -> None:
    assert 1 <= _number_of_fault(text) <= max(1, len(text.splitlines()))


def _number_of_fault(text: str) -> int:
    try:
        return len(parse_links(text))
    except LinkFault as fault:
        return int(fault.detail)
