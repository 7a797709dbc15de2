"""Policy: what the law and the purposes file refuse, and the label under advertising."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.campaigns import policy
from bot.campaigns.policy import EridMalformed, Refusal, RefusalKind
from bot.consent.purposes import Advisory, Catalogue, Controller, Kind, Purpose

NAMES = {"ru": "ООО «Чайная лавка»", "en": "Tea Shop LLC"}
ACCEPTED = Advisory(id="RU-38FZ-5-10.7", accepted_by="O. Chaikina", accepted_on=date(2026, 11, 24))
RUSSIAN = Controller(
    name=NAMES, address=NAMES, country="RU", contact="privacy@tea.example", inn="7707083893"
)
GERMAN = replace(RUSSIAN, country="DE", inn=None, registration="HRB 12345")


def purpose(kind: Kind) -> Purpose:
    return Purpose(id="it", kind=kind, title=NAMES, summary=NAMES, notice=NAMES)


def catalogue(controller: Controller, *advisories: Advisory) -> Catalogue:
    return Catalogue(
        locales=("ru", "en"), controller=controller, advisories=advisories, purposes=()
    )


@pytest.mark.parametrize("controller", [RUSSIAN, GERMAN])
def test_nothing_is_sent_under_a_purpose_of_kind_processing(controller: Controller) -> None:
    assert policy.refusals(catalogue(controller, ACCEPTED), purpose(Kind.PROCESSING)) == [
        Refusal(kind=RefusalKind.NOTHING_UNDER_PROCESSING)
    ]


def test_informational_messages_need_no_advisory_and_no_label() -> None:
    bare = catalogue(replace(RUSSIAN, inn=None))
    assert policy.refusals(bare, purpose(Kind.INFORMATIONAL)) == []
    assert policy.label(bare, purpose(Kind.INFORMATIONAL), "ru", None) is None


def test_russian_advertising_is_refused_by_the_advisorys_name_until_it_is_accepted() -> None:
    refusal = Refusal(kind=RefusalKind.ADVISORY, advisory_id="RU-38FZ-5-10.7")
    assert policy.refusals(catalogue(RUSSIAN), purpose(Kind.ADVERTISING)) == [refusal]
    other = replace(ACCEPTED, id="RU-38FZ-5-10.8")
    assert policy.refusals(catalogue(RUSSIAN, other), purpose(Kind.ADVERTISING)) == [refusal]
    assert policy.refusals(catalogue(RUSSIAN, ACCEPTED), purpose(Kind.ADVERTISING)) == []


@pytest.mark.parametrize("inn", [None, ""])
def test_russian_advertising_without_an_inn_is_refused(inn: str | None) -> None:
    unknown = catalogue(replace(RUSSIAN, inn=inn), ACCEPTED)
    assert policy.refusals(unknown, purpose(Kind.ADVERTISING)) == [
        Refusal(kind=RefusalKind.ADVERTISER_UNKNOWN)
    ]


def test_every_obstacle_is_named_at_once() -> None:
    kinds = [
        refusal.kind
        for refusal in policy.refusals(
            catalogue(replace(RUSSIAN, inn=None)), purpose(Kind.ADVERTISING)
        )
    ]
    assert kinds == [RefusalKind.ADVISORY, RefusalKind.ADVERTISER_UNKNOWN]


def test_a_russian_advisory_says_nothing_to_a_german_controller() -> None:
    assert policy.refusals(catalogue(GERMAN), purpose(Kind.ADVERTISING)) == []


@pytest.mark.parametrize("locale", ["ru", "en"])
def test_a_russian_label_is_russian_whatever_the_readers_language(locale: str) -> None:
    label = policy.label(catalogue(RUSSIAN, ACCEPTED), purpose(Kind.ADVERTISING), locale, None)
    assert label == "Реклама. ООО «Чайная лавка», ИНН 7707083893"


def test_a_russian_label_has_the_name_there_is_when_no_russian_one_is_served() -> None:
    english = replace(RUSSIAN, name={"en": "Tea Shop LLC"})
    label = policy.label(catalogue(english, ACCEPTED), purpose(Kind.ADVERTISING), "en", None)
    assert label == "Реклама. Tea Shop LLC, ИНН 7707083893"


@pytest.mark.parametrize(
    ("locale", "label"),
    [
        ("ru", "Реклама. ООО «Чайная лавка», рег. № HRB 12345"),
        ("en", "Advertisement. Tea Shop LLC, reg. no. HRB 12345"),
    ],
)
def test_elsewhere_the_label_is_in_the_language_of_the_campaign(locale: str, label: str) -> None:
    assert policy.label(catalogue(GERMAN), purpose(Kind.ADVERTISING), locale, None) == label


def test_a_label_without_a_number_does_not_mention_one() -> None:
    bare = catalogue(replace(GERMAN, registration=None))
    label = policy.label(bare, purpose(Kind.ADVERTISING), "en", None)
    assert label == "Advertisement. Tea Shop LLC"


def test_a_campaign_written_in_a_language_no_longer_served_keeps_its_label() -> None:
    label = policy.label(catalogue(GERMAN), purpose(Kind.ADVERTISING), "de", None)
    assert label is not None
    assert label.startswith("Advertisement. ООО «Чайная лавка»")


def test_the_erid_ends_the_label() -> None:
    label = policy.label(
        catalogue(RUSSIAN, ACCEPTED), purpose(Kind.ADVERTISING), "en", "2VtzqvaBCDe"
    )
    assert label == "Реклама. ООО «Чайная лавка», ИНН 7707083893. erid: 2VtzqvaBCDe"


@pytest.mark.parametrize(
    "typed", ["2VtzqvaBCDe", " 2VtzqvaBCDe\n", "erid: 2VtzqvaBCDe", "ERID=2VtzqvaBCDe"]
)
def test_an_erid_is_taken_as_people_copy_it(typed: str) -> None:
    assert policy.check_erid(typed) == "2VtzqvaBCDe"


@given(st.text())
def test_what_is_printed_as_erid_is_eight_to_sixty_four_letters_and_digits(typed: str) -> None:
    try:
        token = policy.check_erid(typed)
    except EridMalformed:
        return
    assert token.isascii()
    assert token.isalnum()
    assert 8 <= len(token) <= 64


@pytest.mark.parametrize("typed", ["", "short12", "x" * 65, "two tokens12", "кириллица123"])
def test_what_is_no_erid_is_refused(typed: str) -> None:
    with pytest.raises(EridMalformed):
        policy.check_erid(typed)
