"""Reads the purposes file and names every fault in it at once, each with its key."""

import tomllib
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from bot.consent.faults import faults_of, length_fault
from bot.consent.file import ControllerTable, File, PurposeTable, Readable
from bot.consent.purposes import (
    Advisory,
    Catalogue,
    Controller,
    Kind,
    Period,
    Purpose,
)
from bot.errors import ConfigurationError

SERVED_LOCALES: Final = ("ru", "en")
NOTICE_LIMIT: Final = 3900
"""UTF-16 units: with its title the full text must fit one message of 4096."""

Model = TypeVar("Model", bound=BaseModel)


class PurposesFileError(ConfigurationError):
    """The purposes file cannot be used; `faults` names each key."""


def load(path: Path) -> Catalogue:
    """Read the file. Raises PurposesFileError with one line for each fault."""
    facts = _parse(path)
    try:
        file = File.model_validate(facts)
    except ValidationError as error:
        form = [f"{_key(fault['loc'], facts)}: {_words(fault)}" for fault in error.errors()]
        faults, _ = _check(_readable(facts), path.parent)
        raise PurposesFileError([f"{path}: {fault}" for fault in form + faults]) from error
    faults, notices = _check(
        Readable(locales=file.locales, controller=file.controller, purposes=file.purpose),
        path.parent,
    )
    if faults:
        raise PurposesFileError([f"{path}: {fault}" for fault in faults])
    return _catalogue(file, notices)


def _check(file: Readable, folder: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the faults of meaning, and each purpose's full texts by locale."""
    faults = [f"{key}: {what}" for key, what in faults_of(file, SERVED_LOCALES)]
    notices = []
    for purpose in file.purposes:
        texts, notice_faults = _notices(purpose, folder)
        notices.append(texts)
        faults += [f"purpose[{purpose.id}].{fault}" for fault in notice_faults]
    return faults, notices


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
        elif part == "[key]":
            continue
        else:
            key += f".{part}" if key else part
    return key


def _name(key: str, number: int, facts: Mapping[str, Any]) -> str:
    tables = facts.get(key)
    if isinstance(tables, list) and number < len(tables) and isinstance(tables[number], dict):
        return str(tables[number].get("id", number + 1))
    return str(number + 1)


def _readable(facts: Mapping[str, Any]) -> Readable:
    """Take the parts of a faulty file that are in form, so that all faults are told at once."""
    locales, tables = facts.get("locales"), facts.get("purpose")
    tables = tables if isinstance(tables, list) else []
    read = [_read(PurposeTable, table) for table in tables]
    return Readable(
        locales=[code for code in locales if isinstance(code, str)]
        if isinstance(locales, list)
        else [],
        controller=_read(ControllerTable, facts.get("controller")),
        purposes=[purpose for purpose in read if purpose is not None],
        unreadable=[
            str(table.get("id"))
            for table, purpose in zip(tables, read, strict=True)
            if purpose is None and isinstance(table, dict)
        ],
    )


def _read(model: type[Model], table: object) -> Model | None:
    try:
        return model.model_validate(table)
    except ValidationError:
        return None


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


# --- notices ----------------------------------------------------------------------------------


def _notices(purpose: PurposeTable, folder: Path) -> tuple[dict[str, str], list[str]]:
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
            for where, what in length_fault(f"{key}.{locale}", text, NOTICE_LIMIT)
        ]
    return texts, faults


# --- the catalogue ----------------------------------------------------------------------------


def _normal(texts: Mapping[str, str]) -> dict[str, str]:
    return {locale: _normal_text(text) for locale, text in texts.items()}


def _normal_text(text: str) -> str:
    """NFC with LF line ends, as it is shown and hashed (bot.proof.canonical)."""
    with_lf = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", with_lf.strip())


def _period(text: str | None) -> Period | None:
    return None if text is None else Period(text)


def _catalogue(file: File, notices: list[dict[str, str]]) -> Catalogue:
    controller = file.controller
    return Catalogue(
        locales=tuple(file.locales),
        controller=Controller(
            name=_normal(controller.name),
            address=_normal(controller.address),
            country=controller.country,
            inn=controller.inn,
            registration=controller.registration,
            contact=_normal_text(controller.contact),
        ),
        advisories=tuple(Advisory(**advisory.model_dump()) for advisory in file.advisory),
        purposes=tuple(
            _purpose(purpose, texts) for purpose, texts in zip(file.purpose, notices, strict=True)
        ),
    )


def _purpose(purpose: PurposeTable, notice: dict[str, str]) -> Purpose:
    return Purpose(
        id=purpose.id,
        kind=Kind(purpose.kind),
        title=_normal(purpose.title),
        summary=_normal(purpose.summary),
        notice=_normal(notice),
        data=tuple(map(_normal_text, purpose.data)),
        recipients=tuple(map(_normal_text, purpose.recipients)),
        reask=purpose.reask,
        valid_for=_period(purpose.valid_for),
        keep_proof_for=_period(purpose.keep_proof_for),
        keep_proof_rule=None
        if purpose.keep_proof_rule is None
        else _normal(purpose.keep_proof_rule),
        channels=tuple(purpose.channels),
        requires=tuple(purpose.requires),
        double_opt_in=purpose.double_opt_in,
    )
