"""Text as Telegram takes it: what HTML means, what is trimmed, where entities end up.

The cases of HTML follow the rules of tdlib/td, MessageEntity.cpp (parse_html).
"""

import html
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.sandbox.formatting import (
    REMOVED,
    UNKEPT,
    check_entities,
    clean,
    detect,
    formatted,
    trim,
)
from bot.sandbox.markup import link_fault, parse_html, units
from bot.sandbox.refusal import Refusal

LIMIT = 100_000
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
MARKS = st.sampled_from(["b", "i", "u", "s", "code", "tg-spoiler", "blockquote"])
EMOJI = "😀"
INVALID = (
    "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched "
    "surrogate code units"
)


def kept(text: str) -> str:
    """What Telegram keeps of a text, said in another way than the code says it."""
    for mark in REMOVED:
        text = text.replace(mark, "")
    spaced = "".join(" " if ord(c) < 32 and c != "\n" else c for c in text)
    return spaced.strip(" \n")


def part(text: str, entity: dict[str, Any]) -> str:
    """The words under an entity, cut out of UTF-16 as a phone does."""
    start, length = 2 * entity["offset"], 2 * entity["length"]
    return text.encode("utf-16-le")[start : start + length].decode("utf-16-le")


def bold(offset: int, length: int) -> dict[str, Any]:
    return {"type": "bold", "offset": offset, "length": length}


# --- HTML -------------------------------------------------------------------------------------


@given(TEXTS)
@example("\r\n a & b < c > d \"e\" 'f' &amp; &#60; \r")
@example(f" {EMOJI}\t{EMOJI}\u202e ")
def test_escaped_text_arrives_as_it_was_without_entities(text: str) -> None:
    shown, entities = formatted(html.escape(text), "HTML", None, LIMIT, "")

    assert shown == kept(text)
    assert {entity["type"] for entity in entities} <= {"bot_command", "url"}


@given(TEXTS)
def test_html_itself_takes_nothing_away(text: str) -> None:
    assert parse_html(html.escape(text)) == (text, [])


@given(st.lists(st.tuples(st.none() | MARKS, TEXTS), max_size=6))
@example([(None, EMOJI), ("b", f"a{EMOJI}"), ("i", "ю")])
def test_an_entity_covers_exactly_the_words_between_its_tags(
    pieces: list[tuple[str | None, str]],
) -> None:
    source = "".join(
        html.escape(words) if tag is None else f"<{tag}>{html.escape(words)}</{tag}>"
        for tag, words in pieces
    )

    text, entities = parse_html(source)

    assert text == "".join(words for _, words in pieces)
    marked = [words for tag, words in pieces if tag is not None and words]
    assert [part(text, entity) for entity in entities] == marked


@given(st.text("<>/&;=\"' abip#x1\0é"))
def test_any_source_is_either_read_or_refused(source: str) -> None:
    refused = ""
    text, entities = "", list[dict[str, Any]]()
    try:
        text, entities = parse_html(source)
    except Refusal as refusal:
        refused = refusal.description

    assert refused == "" or refused.startswith("Bad Request: can't parse entities: ")
    assert check_entities(text, entities) == entities


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("a &lt;b&gt; &amp; &quot;c&quot;", 'a <b> & "c"', []),
        ("&lt &#60 &#x3c;", "< < <", []),
        ("&nbsp;&copy;&apos;&", "&nbsp;&copy;&apos;&", []),
        ("&#0; &#1114111; &#x;", "&#0; &#1114111; &#x;", []),
        ("a > b", "a > b", []),
        ("<B>x</b >", "x", [bold(0, 1)]),
        ("<b>x</>", "x", [bold(0, 1)]),
        ("<b></b>", "", []),
        (f"{EMOJI}<b>{EMOJI}</b>", EMOJI * 2, [bold(2, 2)]),
        ("<b>a<i>b</i></b>", "ab", [bold(0, 2), {**bold(1, 1), "type": "italic"}]),
        ("<ins>a</ins>", "a", [{**bold(0, 1), "type": "underline"}]),
        ("<del>a</del>", "a", [{**bold(0, 1), "type": "strikethrough"}]),
        ('<span class="tg-spoiler">a</span>', "a", [{**bold(0, 1), "type": "spoiler"}]),
        ("<blockquote>a</blockquote>", "a", [{**bold(0, 1), "type": "blockquote"}]),
        (
            "<blockquote expandable>a</blockquote>",
            "a",
            [{**bold(0, 1), "type": "expandable_blockquote"}],
        ),
        (
            "<a href='https://tea.example/?a=1&amp;b=2>'>a</a>",
            "a",
            [{**bold(0, 1), "type": "text_link", "url": "https://tea.example/?a=1&b=2>"}],
        ),
        (
            "<a>tea.example</a>",
            "tea.example",
            [{**bold(0, 11), "type": "text_link", "url": "tea.example"}],
        ),
        ('<a href="nowhere">a</a>', "a", []),
        (
            '<pre><code class="language-python">x</code></pre>',
            "x",
            [{"type": "pre", "offset": 0, "length": 1, "language": "python"}],
        ),
        ('<code class="language-python">x</code>', "x", [{**bold(0, 1), "type": "code"}]),
        ("<pre>x</pre>", "x", [{**bold(0, 1), "type": "pre"}]),
    ],
)
def test_html_means_what_telegram_says(
    source: str, text: str, entities: list[dict[str, Any]]
) -> None:
    assert parse_html(source) == (text, entities)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("ю&lt;<tag>", 'Unsupported start tag "tag" at byte offset 6'),
        (f"{EMOJI}<b", "Unclosed start tag at byte offset 4"),
        ("<", "Unclosed start tag at byte offset 0"),
        ("<i =x>a</i>", 'Empty attribute name in the tag "i" at byte offset 0'),
        (
            "<i x>a</i>",
            'Expected equal sign in declaration of an attribute of the tag "i" at byte offset 0',
        ),
        ("<i x=", 'Unclosed start tag "i" at byte offset 0'),
        ("<i x=a,>", "Unexpected end of name token at byte offset 5"),
        ('<i x="a>', "Unclosed start tag at byte offset 0"),
        ("</b>", "Unexpected end tag at byte offset 0"),
        ("<b>a</b", "Unclosed end tag at byte offset 4"),
        ("<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b><i>a</i>", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<span>a</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        (
            "&#xd83d;",
            INVALID,
        ),
    ],
)
def test_broken_html_is_refused_in_the_words_of_telegram(source: str, why: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_html(source)

    assert refusal.value.description == f"Bad Request: can't parse entities: {why}"


# --- units, trimming, cleaning ----------------------------------------------------------------


@given(TEXTS)
def test_lengths_count_utf16_units(text: str) -> None:
    assert units(text) == sum(2 if ord(c) > 0xFFFF else 1 for c in text)


@st.composite
def marked_texts(draw: st.DrawFn) -> tuple[str, str, str]:
    """A text in three parts, the middle one marked; the edges are often white space."""
    blank = st.text(" \n\r\t\u202e" + EMOJI + "я", max_size=5)
    return draw(blank), draw(blank), draw(blank)


@given(marked_texts())
@example((f" \n{EMOJI}", "\r b \r", f"{EMOJI} "))
def test_entities_move_with_what_is_cut_and_taken_out(parts: tuple[str, str, str]) -> None:
    before, words, after = parts
    entity = bold(units(before), units(words))

    text, entities = trim(*clean(before + words + after, [entity]))

    assert text == kept(before + words + after)
    assert len(entities) <= 1
    covered = "".join(part(text, found) for found in entities)
    assert covered.strip(" \n") == kept(words)
    assert clean(text, entities) == trim(text, entities) == (text, entities)


@given(TEXTS)
def test_what_is_kept_is_kept_for_good(text: str) -> None:
    once = formatted(text, None, None, LIMIT, "")[0] if text else ""

    assert formatted(once, None, None, LIMIT, "")[0] == once
    assert not UNKEPT.search(once)


def test_no_break_spaces_are_not_trimmed() -> None:
    assert formatted("\u00a0a\u00a0", None, None, LIMIT, "") == ("\u00a0a\u00a0", [])


def test_an_entity_of_nothing_but_white_space_at_the_edge_vanishes() -> None:
    assert trim("a  ", [bold(1, 2)]) == ("a", [])


# --- entities of the bot and of Telegram ------------------------------------------------------


def test_a_parse_mode_wins_over_entities() -> None:
    shown = formatted("<i>a</i>", "html", [bold(0, 8)], LIMIT, "")

    assert shown == ("a", [{**bold(0, 1), "type": "italic"}])


def test_entities_without_a_length_and_those_that_telegram_finds_are_left_out() -> None:
    mention = {"type": "mention", "offset": 0, "length": 2}

    assert check_entities("@x", [bold(0, 0), mention]) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/start", [("bot_command", "/start")]),
        (f"{EMOJI} /start now", [("bot_command", "/start")]),
        ("/start@tea_shop_bot", [("bot_command", "/start@tea_shop_bot")]),
        ("(/help)", [("bot_command", "/help")]),
        ("and/or ю/or a//b", []),
        ("see https://tea.example/a ok", [("url", "https://tea.example/a")]),
    ],
)
def test_commands_and_links_are_found_where_they_stand(
    text: str, found: list[tuple[str, str]]
) -> None:
    entities = detect(text, [])

    assert [(entity["type"], part(text, entity)) for entity in entities] == found


@pytest.mark.parametrize("kind", ["code", "pre", "text_link"])
def test_nothing_is_found_inside_code_and_links(kind: str) -> None:
    entity = {"type": kind, "offset": 0, "length": 13}

    assert detect("run /start it", [entity]) == [entity]


def test_commands_are_found_inside_bold_words() -> None:
    assert len(detect("/start", [bold(0, 6)])) == 2


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://tea.example", None),
        ("tea.example/path", None),
        ("tg://user?id=7", None),
        ("http://127.0.0.1:8080/a", None),
        ("http://[::1]:8080/a", None),
        ("https://name:word@tea.example", None),
        ("localhost", "Wrong HTTP URL"),
        ("http://localhost:8080", "Wrong HTTP URL"),
        ("tea example.com", "Wrong HTTP URL"),
        ("", "URL host is empty"),
        ("https:///a.b", "URL host is empty"),
        ("https://tea.example:port", "Wrong port number specified in the URL"),
        ("ftp://tea.example", "Unsupported URL protocol"),
        ("javascript:alert(1)", "Wrong port number specified in the URL"),
    ],
)
def test_links_are_taken_as_telegram_takes_them(url: str, fault: str | None) -> None:
    assert link_fault(url) == fault
