"""Reads the purposes file and names every fault in it at once, each with its key."""

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import isodate
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.consent.purposes import (
    TITLE_LIMIT,
    Advisory,
    Catalogue,
    Controller,
    Kind,
    Period,
    Purpose,
)
from bot.errors import ConfigurationError

SERVED_LOCALES: Final = ("ru", "en")
SERVED_CHANNELS: Final = ("telegram",)
QUESTION_LIMIT: Final = 3000
"""UTF-16 units of a summary: with title and buttons' explanation it must fit one message."""
NOTICE_LIMIT: Final = 3900
"""UTF-16 units: with its title the full text must fit one message of 4096."""
ID_LIMIT: Final = 48
"""Characters: ids travel in callback_data of 64 bytes (Bot API, InlineKeyboardButton)."""
PURPOSE_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
INN_WEIGHTS: Final = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)

Text = Annotated[str, Field(min_length=1)]
Localised = dict[str, Text]


class PurposesFileError(ConfigurationError):
    """The purposes file cannot be used; `faults` names each key."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Controller(_Strict):
    name: Localised
    address: Localised
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    inn: str | None = None
    registration: str | None = None
    contact: Text


class _Advisory(_Strict):
    id: Text
    accepted_by: Text
    accepted_on: date


class _Purpose(_Strict):
    id: str
    kind: Literal["processing", "informational", "advertising"]
    title: Localised
    summary: Localised
    notice: Localised | None = None
    notice_file: Localised | None = None
    data: list[Text] = []
    recipients: list[Text] = []
    reask: bool = True
    valid_for: str | None = None
    keep_proof_for: str | None = None
    channels: list[str] = list(SERVED_CHANNELS)
    requires: list[str] = []
    double_opt_in: bool = False


class _File(_Strict):
    format: Literal[1]
    locales: Annotated[list[str], Field(min_length=1)]
    controller: _Controller
    advisory: list[_Advisory] = []
    purpose: Annotated[list[_Purpose], Field(min_length=1)]


def load(path: Path) -> Catalogue:
    """Read the file. Raises PurposesFileError with one line for each fault."""
    facts = _parse(path)
    try:
        file = _File.model_validate(facts)
    except ValidationError as error:
        raise PurposesFileError(
            [f"{path}: {_key(fault['loc'], facts)}: {_words(fault)}" for fault in error.errors()]
        ) from error
    faults = [f"{path}: {key}: {what}" for key, what in _faults(file)]
    notices = [_notices(purpose, path.parent) for purpose in file.purpose]
    for purpose, (_, notice_faults) in zip(file.purpose, notices, strict=True):
        faults += [f"{path}: purpose[{purpose.id}].{fault}" for fault in notice_faults]
    if faults:
        raise PurposesFileError(faults)
    return _catalogue(file, [texts for texts, _ in notices])


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))
    except OSError as error:
        raise PurposesFileError(
            [f"PURPOSES_FILE: {path} cannot be read ({error.strerror}); name an existing file"]
        ) from error
    except UnicodeDecodeError as error:
        raise PurposesFileError([f"{path}: not UTF-8 text; save it as UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise PurposesFileError([f"{path}: not TOML: {error}"]) from error


# --- faults of form ---------------------------------------------------------------------------


def _key(location: tuple[int | str, ...], facts: Mapping[str, Any]) -> str:
    """Write where a fault is: purpose[offers].title.en rather than purpose.2.title.en."""
    key = ""
    for part in location:
        if isinstance(part, int):
            key += f"[{_name(key, part, facts)}]"
        elif part in {"_Purpose", "_Advisory", "[key]"}:
            continue
        else:
            key += f".{part}" if key else part
    return key


def _name(key: str, number: int, facts: Mapping[str, Any]) -> str:
    tables = facts.get(key)
    if isinstance(tables, list) and number < len(tables) and isinstance(tables[number], dict):
        return str(tables[number].get("id", number + 1))
    return str(number + 1)


def _words(fault: Any) -> str:
    match fault["type"]:
        case "extra_forbidden":
            return "unknown key; see docs/reference.md for the keys there are"
        case "missing":
            return "missing; add it"
        case "literal_error":
            return f"{fault['input']!r} is not possible; use one of {fault['ctx']['expected']}"
        case "string_too_short" | "too_short":
            return "empty; fill it in"
        case "string_pattern_mismatch":
            return f"{fault['input']!r} is not a two-letter country code, like RU"
        case _:
            return str(fault["msg"])[0].lower() + str(fault["msg"])[1:]


# --- faults of meaning ------------------------------------------------------------------------


def _faults(file: _File) -> Iterator[tuple[str, str]]:
    yield from _locale_faults(file)
    yield from _controller_faults(file.controller)
    seen: list[str] = []
    for purpose in file.purpose:
        if purpose.id in seen:
            yield f"purpose[{purpose.id}].id", "used twice; each purpose needs an id of its own"
        yield from _purpose_faults(purpose)
        seen.append(purpose.id)
    yield from _order_faults(file.purpose)


def _locale_faults(file: _File) -> Iterator[tuple[str, str]]:
    for locale in file.locales:
        if locale not in SERVED_LOCALES:
            yield "locales", f"{locale!r} is not served; served are {', '.join(SERVED_LOCALES)}"
    if len(set(file.locales)) < len(file.locales):
        yield "locales", "a locale stands there twice"
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


def _localised(file: _File) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "controller.name", file.controller.name
    yield "controller.address", file.controller.address
    for purpose in file.purpose:
        for name in ("title", "summary", "notice", "notice_file"):
            texts = getattr(purpose, name)
            if texts is not None:
                yield f"purpose[{purpose.id}].{name}", texts


def _controller_faults(controller: _Controller) -> Iterator[tuple[str, str]]:
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


def _purpose_faults(purpose: _Purpose) -> Iterator[tuple[str, str]]:
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
        yield from _length_fault(f"{key}.summary.{locale}", summary, QUESTION_LIMIT)
    for name in ("valid_for", "keep_proof_for"):
        text = getattr(purpose, name)
        if text is not None and not _is_period(text):
            yield f"{key}.{name}", f"{text!r} is not a period; write it like P3Y or P90D"
    for channel in purpose.channels:
        if channel not in SERVED_CHANNELS:
            yield f"{key}.channels", f"{channel!r} is not served; served: telegram"


def _length_fault(key: str, text: str, limit: int) -> Iterator[tuple[str, str]]:
    units = len(text.encode("utf-16-le")) // 2
    if units > limit:
        yield key, f"{units} UTF-16 units; at most {limit} fit into the message"


def _is_period(text: str) -> bool:
    try:
        duration = isodate.parse_duration(text)
    except (isodate.ISO8601Error, ValueError):
        return False
    return not text.startswith("-") and bool(duration)


def _order_faults(purposes: list[_Purpose]) -> Iterator[tuple[str, str]]:
    """A purpose is asked after what it requires, so that must stand before it in the file."""
    order = [purpose.id for purpose in purposes]
    requires = {purpose.id: purpose.requires for purpose in purposes}
    for purpose in purposes:
        key = f"purpose[{purpose.id}].requires"
        for required in purpose.requires:
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


# --- notices ----------------------------------------------------------------------------------


def _notices(purpose: _Purpose, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return the full texts by locale, and what is wrong with them."""
    if (purpose.notice is None) == (purpose.notice_file is None):
        return {}, ["notice_file: give exactly one of notice and notice_file"]
    texts: dict[str, str] = dict(purpose.notice or {})
    faults = []
    for locale, name in (purpose.notice_file or {}).items():
        try:
            texts[locale] = (folder / name).read_bytes().decode("utf-8-sig")
        except OSError as error:
            faults.append(f"notice_file.{locale}: {name} cannot be read ({error.strerror})")
        except UnicodeDecodeError:
            faults.append(f"notice_file.{locale}: {name} is not UTF-8 text; save it as UTF-8")
    key = "notice" if purpose.notice_file is None else "notice_file"
    for locale, text in texts.items():
        if not text.strip():
            faults.append(f"{key}.{locale}: the text is empty; write what people agree to")
        faults += [
            f"{where}: {what}"
            for where, what in _length_fault(f"{key}.{locale}", text, NOTICE_LIMIT)
        ]
    return texts, faults


# --- the catalogue ----------------------------------------------------------------------------


def _normal(texts: Mapping[str, str]) -> dict[str, str]:
    return {
        locale: unicodedata.normalize("NFC", text.replace("\r\n", "\n").strip())
        for locale, text in texts.items()
    }


def _period(text: str | None) -> Period | None:
    return None if text is None else Period(text)


def _catalogue(file: _File, notices: list[dict[str, str]]) -> Catalogue:
    controller = file.controller
    return Catalogue(
        locales=tuple(file.locales),
        controller=Controller(
            name=_normal(controller.name),
            address=_normal(controller.address),
            country=controller.country,
            inn=controller.inn,
            registration=controller.registration,
            contact=controller.contact,
        ),
        advisories=tuple(Advisory(**advisory.model_dump()) for advisory in file.advisory),
        purposes=tuple(
            _purpose(purpose, texts) for purpose, texts in zip(file.purpose, notices, strict=True)
        ),
    )


def _purpose(purpose: _Purpose, notice: dict[str, str]) -> Purpose:
    return Purpose(
        id=purpose.id,
        kind=Kind(purpose.kind),
        title=_normal(purpose.title),
        summary=_normal(purpose.summary),
        notice=_normal(notice),
        data=tuple(purpose.data),
        recipients=tuple(purpose.recipients),
        reask=purpose.reask,
        valid_for=_period(purpose.valid_for),
        keep_proof_for=_period(purpose.keep_proof_for),
        channels=tuple(purpose.channels),
        requires=tuple(purpose.requires),
        double_opt_in=purpose.double_opt_in,
    )
