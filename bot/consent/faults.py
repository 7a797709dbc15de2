"""What a purposes file of the right form can still say wrongly: each fault with its key."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import isodate

from bot.consent.file import SERVED_CHANNELS, ControllerTable, PurposeTable, Readable
from bot.consent.purposes import TITLE_LIMIT, Period

QUESTION_LIMIT: Final = 3000
"""UTF-16 units of a summary: with title and buttons' explanation it must fit one message."""
RULE_LIMIT: Final = 200
"""Characters of a rule of retention: /privacy shows one for each purpose in one message."""
ID_LIMIT: Final = 48
"""Characters: ids travel in callback_data of 64 bytes (Bot API, InlineKeyboardButton)."""
PURPOSE_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
FAR_START: Final = datetime(2400, 2, 29, tzinfo=UTC)
"""A consent that began even then must have an end that the calendar knows."""
INN_WEIGHTS: Final = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)


def faults_of(file: Readable, served_locales: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the key and what is wrong with it, in the order of the file."""
    yield from _locale_faults(file, served_locales)
    if file.controller is not None:
        yield from _controller_faults(file.controller)
    seen = list(file.unreadable)
    for purpose in file.purposes:
        if purpose.id in seen:
            yield f"purpose[{purpose.id}].id", "used twice; each purpose needs an id of its own"
        yield from _purpose_faults(purpose)
        seen.append(purpose.id)
    yield from _order_faults(file.purposes, file.unreadable)


def _locale_faults(file: Readable, served: Collection[str]) -> Iterator[tuple[str, str]]:
    for locale in file.locales:
        if locale not in served:
            yield "locales", f"{locale!r} is not served; served are {', '.join(served)}"
    if len(set(file.locales)) < len(file.locales):
        yield "locales", "a locale stands there twice"
    if file.locales:
        for key, texts in _localised(file):
            yield from _text_faults(key, texts, file.locales)


def _text_faults(
    key: str, texts: Mapping[str, str], locales: list[str]
) -> Iterator[tuple[str, str]]:
    for locale in locales:
        if locale not in texts:
            yield f"{key}.{locale}", "missing; every locale of `locales` needs this text"
        elif not texts[locale].strip():
            yield f"{key}.{locale}", "empty; fill it in"
    for locale in sorted(set(texts) - set(locales)):
        yield f"{key}.{locale}", "this locale is not in `locales`; add it there or remove this"


def _localised(file: Readable) -> Iterator[tuple[str, Mapping[str, str]]]:
    if file.controller is not None:
        yield "controller.name", file.controller.name
        yield "controller.address", file.controller.address
    for purpose in file.purposes:
        for name in ("title", "summary", "notice", "notice_file", "keep_proof_rule"):
            texts = getattr(purpose, name)
            if texts is not None:
                yield f"purpose[{purpose.id}].{name}", texts


def _controller_faults(controller: ControllerTable) -> Iterator[tuple[str, str]]:
    if controller.inn is not None and not _is_inn(controller.inn):
        yield "controller.inn", "not an INN: 10 or 12 digits with a right check digit"
    if controller.inn is None and controller.registration is None:
        needed = "inn" if controller.country == "RU" else "registration"
        yield f"controller.{needed}", "missing; say under which number the controller is known"
    if controller.inn is not None and controller.registration is not None:
        yield "controller.registration", "give either inn or registration, not both"


def _is_inn(text: str) -> bool:
    """Check the digits (order of the Federal Tax Service, 2012-06-29, annex on the INN)."""
    if not re.fullmatch(r"\d{10}|\d{12}", text, re.ASCII):
        return False
    digits = [int(digit) for digit in text]
    checks = (9,) if len(digits) == len("7707083893") else (10, 11)
    return all(
        sum(w * d for w, d in zip(INN_WEIGHTS[-at:], digits, strict=False)) % 11 % 10 == digits[at]
        for at in checks
    )


def _purpose_faults(purpose: PurposeTable) -> Iterator[tuple[str, str]]:
    key = f"purpose[{purpose.id}]"
    if not PURPOSE_ID.fullmatch(purpose.id) or len(purpose.id) > ID_LIMIT:
        yield f"{key}.id", f"use lower case letters, digits and hyphens, at most {ID_LIMIT}"
    for locale, title in purpose.title.items():
        if len(title) > TITLE_LIMIT:
            yield (
                f"{key}.title.{locale}",
                f"{len(title)} characters; at most {TITLE_LIMIT} fit on a button",
            )
        if "\n" in title:
            yield f"{key}.title.{locale}", "a title is one line"
    for locale, summary in purpose.summary.items():
        yield from length_fault(f"{key}.summary.{locale}", summary, QUESTION_LIMIT)
    for name in ("valid_for", "keep_proof_for"):
        text = getattr(purpose, name)
        if text is not None and not _is_period(text):
            yield f"{key}.{name}", f"{text!r} is not a period; write it like P3Y or P90D"
    yield from _rule_faults(purpose)
    for channel in purpose.channels:
        if channel not in SERVED_CHANNELS:
            yield f"{key}.channels", f"{channel!r} is not served; served: telegram"


def _rule_faults(purpose: PurposeTable) -> Iterator[tuple[str, str]]:
    key = f"purpose[{purpose.id}].keep_proof_rule"
    if purpose.keep_proof_rule is not None and purpose.keep_proof_for is None:
        yield key, "it says why, but not for how long; add keep_proof_for"
    for locale, rule in (purpose.keep_proof_rule or {}).items():
        if "\n" in rule.strip():
            yield f"{key}.{locale}", "a rule is one line"
        if len(rule) > RULE_LIMIT:
            yield f"{key}.{locale}", f"{len(rule)} characters; at most {RULE_LIMIT} are shown"


def length_fault(key: str, text: str, limit: int) -> Iterator[tuple[str, str]]:
    units = len(text.encode("utf-16-le")) // 2
    if units > limit:
        yield key, f"{units} UTF-16 units; at most {limit} fit into the message"


def _is_period(text: str) -> bool:
    """Half years and ends beyond the calendar parse, but a consent could not end with them."""
    try:
        return Period(text).end(FAR_START) > FAR_START
    except (isodate.ISO8601Error, ValueError, OverflowError):
        return False


def _order_faults(
    purposes: list[PurposeTable], unreadable: Collection[str]
) -> Iterator[tuple[str, str]]:
    """A purpose is asked after what it requires, so that must stand before it in the file."""
    order = [purpose.id for purpose in purposes]
    requires = {purpose.id: purpose.requires for purpose in purposes}
    for purpose in purposes:
        key = f"purpose[{purpose.id}].requires"
        for required in purpose.requires:
            if required in unreadable:
                continue
            if required not in order:
                yield key, f"there is no purpose {required!r}"
            elif _reaches(required, purpose.id, requires):
                yield key, f"a cycle: {purpose.id!r} and {required!r} require each other"
            elif order.index(required) > order.index(purpose.id):
                yield key, f"{required!r} must stand before {purpose.id!r} in the file"


def _reaches(start: str, goal: str, requires: Mapping[str, list[str]]) -> bool:
    seen: set[str] = set()
    open_ids = [start]
    while open_ids:
        current = open_ids.pop()
        if current == goal:
            return True
        if current not in seen:
            seen.add(current)
            open_ids += requires.get(current, [])
    return False
