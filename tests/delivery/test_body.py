"""The body: content, label and the two buttons, as Telegram takes them."""

import pytest

from bot.campaigns.content import Content, ContentKind, Entity, LinkButton
from bot.delivery.body import Body, Words
from bot.sandbox.parameters import checked

WORDS = {
    "ru": Words(unsubscribe="Отписаться", why="Почему я это получаю?"),
    "en": Words(unsubscribe="Unsubscribe", why="Why do I get this?"),
}
LINK = LinkButton(text="Shop", url="https://tea.example")
BOLD = Entity(type="bold", offset=0, length=5)
DELIVERY = "x" * 22


def content(kind: ContentKind) -> Content:
    file_id = None if kind is ContentKind.TEXT else "file1"
    return Content(kind=kind, text="Hello", entities=(BOLD,), file_id=file_id, buttons=(LINK,))


@pytest.mark.parametrize(
    ("kind", "method", "text", "entities"),
    [
        (ContentKind.TEXT, "sendMessage", "text", "entities"),
        (ContentKind.PHOTO, "sendPhoto", "caption", "caption_entities"),
        (ContentKind.DOCUMENT, "sendDocument", "caption", "caption_entities"),
    ],
)
def test_each_kind_is_a_call_that_the_bot_api_knows(
    kind: ContentKind, method: str, text: str, entities: str
) -> None:
    body = Body(content=content(kind), label="Advertisement. Tea", words=WORDS)
    prepared = body.to("77", "en", DELIVERY)
    assert prepared.method == method
    assert checked(prepared.method, dict(prepared.fields)) == prepared.fields
    assert prepared.fields["chat_id"] == 77
    assert prepared.fields[text] == "Hello\n\nAdvertisement. Tea"
    assert prepared.fields[entities] == [{"type": "bold", "offset": 0, "length": 5}]
    if kind is not ContentKind.TEXT:
        assert prepared.fields[kind.value] == "file1"


@pytest.mark.parametrize(
    ("locale", "unsubscribe", "why"),
    [
        ("ru", "Отписаться", "Почему я это получаю?"),
        ("en", "Unsubscribe", "Why do I get this?"),
        ("de", "Отписаться", "Почему я это получаю?"),
    ],
)
def test_leaving_is_one_tap_away_in_every_locale_even_one_no_longer_served(
    locale: str, unsubscribe: str, why: str
) -> None:
    body = Body(content=content(ContentKind.TEXT), label=None, words=WORDS)
    keyboard = body.to("77", locale, DELIVERY).fields["reply_markup"]["inline_keyboard"]
    assert keyboard == [
        [{"text": "Shop", "url": "https://tea.example"}],
        [
            {"text": unsubscribe, "callback_data": f"leave:{DELIVERY}"},
            {"text": why, "callback_data": f"why:{DELIVERY}"},
        ],
    ]


def test_what_a_log_shows_of_a_message_is_its_method() -> None:
    prepared = Body(content=content(ContentKind.TEXT), label=None, words=WORDS).to("77", "en", "d")
    assert repr(prepared) == "Prepared(sendMessage)"
