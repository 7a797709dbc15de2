"""The purposes file: what is accepted, and how each fault is named."""

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.campaigns.policy import open_advisories
from bot.consent.faults import QUESTION_LIMIT
from bot.consent.loader import NOTICE_LIMIT, PurposesFileError, load
from bot.consent.purposes import Catalogue, Kind

EXAMPLE = Path(__file__).parents[2] / "examples" / "purposes.toml"
GOOD = """\
format = 1
locales = ["ru", "en"]

[controller]
name = { ru = "ООО «Чайная лавка»", en = "Tea Shop LLC" }
address = { ru = "Москва", en = "Moscow" }
country = "RU"
inn = "7707083893"
contact = "privacy@tea.example"

[[advisory]]
id = "RU-38FZ-5-10.7"
accepted_by = "O. Chaikina"
accepted_on = 2026-11-24

[[purpose]]
id = "personal-data"
kind = "processing"
title = { ru = "Данные", en = "Data" }
summary = { ru = "Храним имя", en = "We keep your name" }
notice = { ru = "Полный текст", en = "The full text" }
valid_for = "P3Y"

[[purpose]]
id = "offers"
kind = "advertising"
title = { ru = "Скидки", en = "Discounts" }
summary = { ru = "Реклама", en = "Advertising" }
notice_file = { ru = "offers.ru.txt", en = "offers.en.txt" }
requires = ["personal-data"]
keep_proof_for = "P90D"
"""
Load = Callable[[str], Catalogue]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Load a purposes file that says this, with the two notice files of GOOD beside it."""
    (tmp_path / "offers.ru.txt").write_text("Текст о скидках")
    (tmp_path / "offers.en.txt").write_text("The text on discounts")

    def loaded(text: str) -> Catalogue:
        (tmp_path / "purposes.toml").write_bytes(text.encode())
        return load(tmp_path / "purposes.toml")

    return loaded


def changed(*replacements: tuple[str, str]) -> str:
    """Return the good file with a few places changed."""
    text = GOOD
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def faults_of(load_text: Load, text: str) -> list[str]:
    with pytest.raises(PurposesFileError) as caught:
        load_text(text)
    return caught.value.faults


# --- what is accepted -------------------------------------------------------------------------


def test_the_example_file_loads() -> None:
    catalogue = load(EXAMPLE)
    assert [purpose.id for purpose in catalogue.purposes] == ["personal-data", "orders", "offers"]
    assert all(
        set(purpose.notice) == {"ru", "en"} and all(purpose.notice.values())
        for purpose in catalogue.purposes
    )
    assert catalogue.prerequisites("offers") == ("personal-data",)


def test_the_good_file_says_what_it_says(load_text: Load) -> None:
    catalogue = load_text(GOOD)
    data, offers = catalogue.purposes
    assert catalogue.controller.inn == "7707083893"
    assert data.kind is Kind.PROCESSING
    assert str(data.valid_for) == "P3Y"
    assert data.reask
    assert data.channels == ("telegram",)
    assert offers.notice == {"ru": "Текст о скидках", "en": "The text on discounts"}
    assert offers.requires == ("personal-data",)
    assert not offers.double_opt_in


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(
    load_text: Load, tmp_path: Path
) -> None:
    plain = load_text(GOOD)
    notice = "\ufeffТекст о скидках\r\n\r\nВторой абзац\r\n"
    (tmp_path / "offers.ru.txt").write_bytes(notice.encode())
    windows = load_text("\ufeff" + GOOD.replace("\n", "\r\n"))
    assert windows.controller == plain.controller
    assert windows.purposes[0] == plain.purposes[0]
    assert windows.purposes[1].notice["ru"] == "Текст о скидках\n\nВторой абзац"


def test_texts_are_kept_in_the_one_form_that_is_hashed(load_text: Load, tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Й")
    (tmp_path / "offers.ru.txt").write_bytes(f" {decomposed}\r{decomposed}\r\n".encode())
    text = changed(
        ('title = { ru = "Данные"', f'recipients = ["{decomposed}"]\ntitle = {{ ru = "Данные"'),
    )
    catalogue = load_text(text)
    assert catalogue.purposes[1].notice["ru"] == "Й\nЙ"
    assert catalogue.purposes[0].recipients == ("Й",)


def test_a_title_of_sixty_characters_fits(load_text: Load) -> None:
    catalogue = load_text(changed(('en = "Data"', f'en = "{"x" * 60}"')))
    assert len(catalogue.purposes[0].title["en"]) == 60


def test_a_notice_of_the_limit_fits(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "offers.ru.txt").write_text("т" * NOTICE_LIMIT)
    assert len(load_text(GOOD).purposes[1].notice["ru"]) == NOTICE_LIMIT


def test_an_inn_of_twelve_digits_and_a_foreign_registration_are_numbers(load_text: Load) -> None:
    assert load_text(changed(("7707083893", "500100732259"))).controller.inn == "500100732259"
    foreign = changed(('country = "RU"', 'country = "DE"'), ('inn = "77', 'registration = "HRB 77'))
    assert load_text(foreign).controller.registration == "HRB 7707083893"


def test_a_risk_accepted_under_an_unknown_name_is_not_accepted(load_text: Load) -> None:
    catalogue = load_text(changed(('"RU-38FZ-5-10.7"', '"RU-38FZ-5-10-7"')))
    assert open_advisories(catalogue) == ["RU-38FZ-5-10.7"]
    assert open_advisories(load_text(GOOD)) == []


def test_the_date_of_an_acceptance_is_kept_as_it_was_given(load_text: Load) -> None:
    catalogue = load_text(changed(("2026-11-24", "2999-12-31")))
    assert catalogue.advisories[0].accepted_on.isoformat() == "2999-12-31"


# --- faults -----------------------------------------------------------------------------------

SIXTY_ONE = "x" * 61
OVER_QUESTION = "🍵" * (QUESTION_LIMIT // 2 + 1)
FAULTS = [
    pytest.param([("format = 1", "format = 2")], "format: 2 is not", id="wrong format"),
    pytest.param([("format = 1", "")], "format: missing", id="no format"),
    pytest.param(
        [('locales = ["ru", "en"]', 'locales = ["ru", "fr"]')],
        "locales: 'fr' is not served",
        id="unknown locale",
    ),
    pytest.param(
        [('locales = ["ru", "en"]', 'locales = ["ru", "en", "ru"]')],
        "locales: a locale stands there twice",
        id="locale twice",
    ),
    pytest.param(
        [('locales = ["ru", "en"]', "locales = []")], "locales: empty", id="no locales at all"
    ),
    pytest.param(
        [(', en = "Discounts"', "")], "purpose[offers].title.en: missing", id="missing locale"
    ),
    pytest.param(
        [('en = "Discounts"', 'en = "Discounts", de = "Rabatte"')],
        "purpose[offers].title.de: this locale is not in",
        id="too many locales",
    ),
    pytest.param(
        [('en = "Discounts"', 'en = " "')], "purpose[offers].title.en: empty", id="blank title"
    ),
    pytest.param(
        [('en = "Discounts"', 'en = ""')], "purpose[offers].title.en: empty", id="empty title"
    ),
    pytest.param(
        [('en = "Discounts"', f'en = "{SIXTY_ONE}"')],
        "purpose[offers].title.en: 61 characters",
        id="title too long",
    ),
    pytest.param(
        [('en = "Discounts"', 'en = "Two\\nlines"')],
        "purpose[offers].title.en: a title is one line",
        id="title of two lines",
    ),
    pytest.param(
        [('en = "Advertising"', f'en = "{OVER_QUESTION}"')],
        f"purpose[offers].summary.en: {QUESTION_LIMIT + 2} UTF-16 units",
        id="summary over the limit",
    ),
    pytest.param(
        [('requires = ["personal-data"]', 'requires = ["personal"]')],
        "purpose[offers].requires: there is no purpose 'personal'",
        id="unknown prerequisite",
    ),
    pytest.param(
        [('requires = ["personal-data"]', 'requires = ["offers"]')],
        "purpose[offers].requires: a cycle",
        id="requires itself",
    ),
    pytest.param(
        [('valid_for = "P3Y"', 'requires = ["offers"]')],
        "purpose[personal-data].requires: a cycle",
        id="cycle",
    ),
    pytest.param(
        [('valid_for = "P3Y"', 'requires = ["offers"]'), ('requires = ["personal-data"]', "")],
        "purpose[personal-data].requires: 'offers' must stand before",
        id="prerequisite after its dependent",
    ),
    pytest.param(
        [('kind = "advertising"', 'kind = "marketing"')],
        "purpose[offers].kind: 'marketing' is not possible",
        id="unknown kind",
    ),
    pytest.param([('"offers"', '"personal-data"')], "used twice", id="duplicate id"),
    pytest.param([('"offers"', '"Offers"')], "purpose[Offers].id: use lower", id="id in capitals"),
    pytest.param([('"offers"', f'"{"o" * 49}"')], ".id: use lower", id="id too long"),
    pytest.param([('id = "offers"\n', "")], "purpose[2].id: missing", id="no id"),
    pytest.param([("7707083893", "7707083894")], "controller.inn: not an INN", id="bad INN"),
    pytest.param([("7707083893", "770708389")], "controller.inn: not an INN", id="short INN"),
    pytest.param(
        [('inn = "7707083893"\n', "")], "controller.inn: missing", id="nobody knows the controller"
    ),
    pytest.param(
        [('inn = "7707083893"', 'inn = "7707083893"\nregistration = "1"')],
        "controller.registration: give either",
        id="two numbers",
    ),
    pytest.param(
        [('country = "RU"', 'country = "Russia"')],
        "controller.country: 'Russia' is not a two-letter",
        id="bad country",
    ),
    pytest.param(
        [('contact = "privacy@tea.example"\n', "")], "controller.contact: missing", id="no contact"
    ),
    pytest.param(
        [("accepted_on = 2026-11-24\n", "")],
        "advisory[RU-38FZ-5-10.7].accepted_on: missing",
        id="advisory without a date",
    ),
    pytest.param(
        [("accepted_on = 2026-11-24", 'accepted_on = "yesterday"')],
        "advisory[RU-38FZ-5-10.7].accepted_on: ",
        id="advisory with another date",
    ),
    pytest.param(
        [("offers.ru.txt", "gone.txt")],
        "purpose[offers].notice_file.ru: gone.txt cannot be read",
        id="notice file missing",
    ),
    pytest.param(
        [("notice_file = { ru", 'notice = { ru = "т", en = "t" }\nnotice_file = { ru')],
        "purpose[offers].notice_file: give exactly one",
        id="two notices",
    ),
    pytest.param(
        [('notice = { ru = "Полный текст", en = "The full text" }\n', "")],
        "purpose[personal-data].notice_file: give exactly one",
        id="no notice",
    ),
    pytest.param(
        [('"P90D"', '"P90D"\nkeep_proof_rule = { ru = "закон" }')],
        "purpose[offers].keep_proof_rule.en: missing",
        id="a rule without a locale",
    ),
    pytest.param(
        [('"P90D"', '"P90D"\nkeep_proof_rule = { ru = "закон", en = "one\\ntwo" }')],
        "purpose[offers].keep_proof_rule.en: a rule is one line",
        id="a rule of two lines",
    ),
    pytest.param(
        [('"P90D"', f'"P90D"\nkeep_proof_rule = {{ ru = "закон", en = "{"x" * 201}" }}')],
        "purpose[offers].keep_proof_rule.en: 201 characters; at most 200",
        id="a long rule",
    ),
    pytest.param(
        [('keep_proof_for = "P90D"', 'keep_proof_rule = { ru = "закон", en = "law" }')],
        "purpose[offers].keep_proof_rule: it says why, but not for how long",
        id="a rule without a term",
    ),
    pytest.param(
        [("keep_proof_for", "keep_proofs_for")],
        "purpose[offers].keep_proofs_for: unknown key",
        id="unknown key",
    ),
    pytest.param(
        [("format = 1", "format = 1\nlocale = 'ru'")], "locale: unknown key", id="unknown key above"
    ),
    pytest.param(
        [('requires = ["personal-data"]', 'channels = ["telegram", "fax"]')],
        "purpose[offers].channels: 'fax' is not served",
        id="unknown channel",
    ),
    pytest.param(
        [('requires = ["personal-data"]', 'double_opt_in = "yes"')],
        "purpose[offers].double_opt_in: ",
        id="a word where true or false belongs",
    ),
    pytest.param([("[[purpose]]", "[[purposes]]")] * 2, "purpose: missing", id="no purposes"),
    *(
        pytest.param(
            [('"P3Y"', f'"{text}"')],
            f"purpose[personal-data].valid_for: {text!r} is not a period",
            id=f"period {text}",
        )
        for text in ("3 years", "P", "P0D", "-P1D", "P0.5Y", "P9999Y", "p1y", "P1Y2", "")
    ),
]


@pytest.mark.parametrize(("replacements", "fault"), FAULTS)
def test_each_fault_is_named_with_its_file_and_key(
    load_text: Load, tmp_path: Path, replacements: list[tuple[str, str]], fault: str
) -> None:
    found = faults_of(load_text, changed(*replacements))
    assert all(line.startswith(f"{tmp_path / 'purposes.toml'}: ") for line in found)
    assert any(fault in line for line in found), found
    assert all("\n" not in line for line in found)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\xcf\xf0\xe8\xe2\xe5\xf2", "offers.ru.txt is not UTF-8 text"),
        (b"", "the text is empty"),
        (b"\xef\xbb\xbf \r\n", "the text is empty"),
        ("т".encode() * (NOTICE_LIMIT + 1), f"{NOTICE_LIMIT + 1} UTF-16 units"),
    ],
    ids=["windows-1251", "empty", "only a mark and a line end", "too long"],
)
def test_a_notice_file_that_cannot_be_shown_is_named(
    load_text: Load, tmp_path: Path, content: bytes, fault: str
) -> None:
    (tmp_path / "offers.ru.txt").write_bytes(content)
    (found,) = faults_of(load_text, GOOD)
    assert found.startswith(f"{tmp_path / 'purposes.toml'}: purpose[offers].notice_file.ru: ")
    assert fault in found


def test_all_faults_are_told_at_once(load_text: Load) -> None:
    text = changed(
        ("7707083893", "123"),
        ('"P3Y"', '"for ever"'),
        ('en = "Data"', f'en = "{SIXTY_ONE}"'),
        ('en = "Discounts"', 'de = "Rabatte"'),
        ('requires = ["personal-data"]', 'requires = ["other"]'),
        ("offers.ru.txt", "gone.txt"),
    )
    found = "\n".join(faults_of(load_text, text))
    for key in (
        "controller.inn",
        "purpose[personal-data].valid_for",
        "purpose[personal-data].title.en",
        "purpose[offers].title.en: missing",
        "purpose[offers].title.de",
        "purpose[offers].requires",
        "purpose[offers].notice_file.ru",
    ):
        assert f": {key}" in found


def test_faults_of_form_do_not_hide_faults_of_meaning(load_text: Load) -> None:
    text = changed(
        ("format = 1", "format = 3\nfoo = 1"),
        ("7707083893", "123"),
        ('en = "Data"', f'en = "{SIXTY_ONE}"'),
        ('kind = "advertising"', 'kind = "spam"'),
    )
    found = faults_of(load_text, text)
    keys = {re.sub(r"^.*?purposes\.toml: ", "", line).split(":")[0] for line in found}
    assert keys == {
        "format",
        "foo",
        "controller.inn",
        "purpose[personal-data].title.en",
        "purpose[offers].kind",
    }


def test_a_purpose_of_faulty_form_is_still_known_to_those_that_require_it(load_text: Load) -> None:
    found = faults_of(load_text, changed(('kind = "processing"', 'kind = "process"')))
    assert len(found) == 1
    assert "purpose[personal-data].kind" in found[0]


def test_what_is_no_toml_at_all_says_where(load_text: Load) -> None:
    (found,) = faults_of(load_text, GOOD + "\n[[purpose\n")
    assert "not TOML" in found
    assert "line" in found


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "purposes.toml"
    path.write_bytes(GOOD.encode("cp1251"))
    with pytest.raises(PurposesFileError, match="not UTF-8 text"):
        load(path)


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(PurposesFileError) as caught:
        load(tmp_path / "nowhere.toml")
    assert caught.value.faults[0].startswith(f"PURPOSES_FILE: {tmp_path / 'nowhere.toml'} ")
