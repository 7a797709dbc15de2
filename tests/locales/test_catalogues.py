"""Both catalogues are whole, say the same, and use the words of the contract."""

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import bot
import handlers
from bot.errors import AssentError
from handlers import words
from handlers.i18n import Language
from locales import LOCALES, catalogue_file, translations

ROOT = Path(__file__).parents[2]
KEYWORDS = {"phrase": None, "_": None, "gettext": None, "ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"\{[^{}]*\}")
TAG = re.compile(r"</?[a-z]+[^<>]*>")
COMMAND = re.compile(r"(?<![\w<])/[a-z]+")
PHRASE = str | tuple[str, ...]


def said() -> set[PHRASE]:
    """Every phrase of the code; of plurals, both English forms."""
    found = set()
    for package in ("bot", "handlers", "storage"):
        for _, _, message, _, _ in extract_from_dir(ROOT / package, keywords=KEYWORDS):
            found.add(tuple(message) if isinstance(message, list | tuple) else message)
    return found


def catalogue(locale: str) -> Catalog:
    with catalogue_file(locale).open("rb") as file:
        return read_po(file, locale=locale)


SAID = said()
FILES = {locale: catalogue(locale) for locale in LOCALES}


def entries(locale: str) -> dict[PHRASE, PHRASE]:
    found = {}
    for message in FILES[locale]:
        if message.id:
            key = tuple(message.id) if isinstance(message.id, list | tuple) else message.id
            text = message.string
            found[key] = tuple(text) if isinstance(text, list | tuple) else str(text)
    return found


def forms(phrase: PHRASE) -> tuple[str, ...]:
    return phrase if isinstance(phrase, tuple) else (phrase,)


def test_there_is_something_to_translate() -> None:
    assert len(SAID) > 150
    assert any(isinstance(phrase, tuple) for phrase in SAID), "plurals"


@pytest.mark.parametrize("locale", LOCALES)
def test_every_phrase_has_its_entry_and_no_entry_is_left_over(locale: str) -> None:
    keys = set(entries(locale))
    assert sorted(map(str, SAID - keys)) == [], "not in the catalogue"
    assert sorted(map(str, keys - SAID)) == [], "no longer said"
    assert list(FILES[locale].obsolete) == []


@pytest.mark.parametrize("locale", LOCALES)
def test_no_entry_is_empty_or_doubtful(locale: str) -> None:
    for key, text in entries(locale).items():
        assert all(form.strip() for form in forms(text)), key
    assert [message.id for message in FILES[locale] if message.id and message.fuzzy] == []


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("pattern", [PLACEHOLDER, TAG, COMMAND], ids=["{}", "<b>", "/command"])
def test_placeholders_tags_and_commands_are_those_of_the_phrase(
    locale: str, pattern: re.Pattern[str]
) -> None:
    for key, text in entries(locale).items():
        wanted = Counter(pattern.findall(forms(key)[-1]))
        for form in forms(text):
            assert Counter(pattern.findall(form)) == wanted, (locale, key, form)


@pytest.mark.parametrize("locale", LOCALES)
def test_tags_are_closed_in_their_order(locale: str) -> None:
    for key, text in entries(locale).items():
        for form in forms(text):
            opened: list[str] = []
            for tag in TAG.findall(form):
                name = re.findall(r"[a-z]+", tag)[0]
                if tag.startswith("</"):
                    assert opened, key
                    assert opened.pop() == name, key
                else:
                    opened.append(name)
            assert opened == [], key


def test_the_english_entries_are_the_phrases_in_english_quotation_marks() -> None:
    def in_english(key: object) -> object:
        return key.replace("«", "“").replace("»", "”") if isinstance(key, str) else key

    different = {key: text for key, text in entries("en").items() if in_english(key) != text}
    assert different == {"Cancel campaign": "Cancel"}


def test_plurals_have_three_russian_forms_and_two_english_ones() -> None:
    for locale, count in (("ru", 3), ("en", 2)):
        plurals = [text for key, text in entries(locale).items() if isinstance(key, tuple)]
        assert plurals
        assert {len(text) for text in plurals} == {count}
        assert FILES[locale].num_plurals == count


@pytest.mark.parametrize(
    ("number", "form"), [(1, 0), (2, 1), (4, 1), (5, 2), (11, 2), (12, 2), (21, 0), (111, 2)]
)
def test_russian_numbers_take_their_form(number: int, form: int) -> None:
    [key, *_] = [key for key in SAID if isinstance(key, tuple)]
    text = entries("ru")[key]
    assert translations()["ru"].ngettext(*forms(key), number) == forms(text)[form]


def test_every_refusal_can_be_told_in_both_languages() -> None:
    for package in (bot, handlers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    classes, errors = [AssentError], {AssentError}
    while classes:
        for inner in classes.pop().__subclasses__():
            errors.add(inner)
            classes.append(inner)
    assert len(errors) > 10
    for error in errors:
        for locale in LOCALES:
            assert error.message_key in entries(locale), error


BUTTONS: dict[Callable[[], str], tuple[str, str]] = {
    words.agree: ("Agree", "Соглашаюсь"),
    words.decline: ("Decline", "Отказываюсь"),
    words.full_text: ("Full text", "Полный текст"),
    words.confirm: ("Confirm", "Подтверждаю"),
    words.unsubscribe: ("Unsubscribe", "Отписаться"),
    words.undo: ("Undo", "Вернуть"),
    words.why: ("Why do I get this?", "Почему я это получаю?"),
    words.proof: ("Proof", "Доказательство"),
    words.delete_everything: ("Delete everything", "Удалить всё"),
    words.pause: ("Pause", "Пауза"),
    words.send_now: ("Send now", "Отправить сейчас"),
    words.schedule: ("Schedule", "Запланировать"),
    words.test_to_me: ("Test to me", "Тест себе"),
    words.yes_send: ("Yes, send", "Да, отправить"),
    words.resume: ("Resume", "Продолжить"),
    words.cancel: ("Cancel", "Отмена"),
    words.cancel_campaign: ("Cancel", "Отменить"),
}
"""CONTRACT.md, "Chat"."""


@pytest.mark.parametrize("button", BUTTONS, ids=lambda button: button.__name__)
def test_the_words_on_buttons_are_those_of_the_contract(button: Callable[[], str]) -> None:
    language = Language("ru")
    for locale, wanted in zip(("en", "ru"), BUTTONS[button], strict=True):
        with language.speaking(locale):
            assert re.sub(r"^[^\w]+", "", button()) == wanted


def test_no_button_is_missing_in_this_test() -> None:
    labels = {
        function
        for name, function in inspect.getmembers(words, inspect.isfunction)
        if function.__module__ == words.__name__ and not inspect.signature(function).parameters
    }
    assert labels == set(BUTTONS)


@pytest.mark.parametrize(
    "text", ["stop", "UNSUBSCRIBE", "стоп", "Отписаться!", "отписка", " отпишите. "]
)
def test_the_plain_words_of_the_contract_mean_stop(text: str) -> None:
    assert words.means_stop(text)
