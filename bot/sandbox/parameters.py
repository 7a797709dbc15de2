"""Checks calls against the machine-readable Bot API: names, types, what is required.

Stricter than Telegram in one thing: there, a number that cannot be read counts as 0 and an object
where text is wanted as its JSON; here both are refused, because they are faults of the caller.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from bot.sandbox.refusal import bad_request

API: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("botapi.json").read_text())
METHODS: Final[dict[str, list[dict[str, Any]]]] = API["methods"]
INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
WORDS: Final = {
    "true": True,
    "yes": True,
    "1": True,
    "false": False,
    "no": False,
    "0": False,
}
MAY_BE_EMPTY: Final = {("setWebhook", "url")}
"""Required by the letter, but "Use an empty string to remove webhook integration"."""
MISSING: Final = {
    "text": "message text is empty",
    "chat_id": "chat_id is empty",
    "photo": "there is no photo in the request",
    "document": "there is no document in the request",
    "callback_query_id": "query is too old and response timeout expired or query ID is invalid",
    "message_id": "message identifier is not specified",
    "action": "wrong parameter action in request",
    "file_id": "invalid file_id",
    "media": "there are no messages to send",
}


def checked(method: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call in their types; unknown ones are ignored, as there."""
    found = {}
    for field in METHODS[method]:
        name = field["name"]
        value = given.get(name)
        if value is None or value == "":
            if field["required"] and (method, name) not in MAY_BE_EMPTY:
                raise bad_request(MISSING.get(name, f'parameter "{name}" is required'))
            continue
        found[name] = _readable(_typed(name, value, field["types"]))
    return found


def _readable(value: Any) -> Any:
    """Refuse halves of surrogate pairs, which JSON can carry and UTF-8 cannot."""
    if not isinstance(value, tuple):
        try:
            json.dumps(value, ensure_ascii=False, default=_content).encode()
        except UnicodeEncodeError as error:
            raise bad_request("strings must be encoded in UTF-8") from error
    return value


def _content(_: object) -> str:
    """Stand in for the bytes of a file: they are no string of the call."""
    return ""


def _typed(name: str, value: Any, types: list[str]) -> Any:
    for wanted in types:
        fits, converted = _as(value, wanted)
        if fits:
            return converted
    raise bad_request(f'field "{name}" must be of type {" or ".join(types)}')


def _as(value: Any, wanted: str) -> tuple[bool, Any]:
    match wanted:
        case "Integer":
            return _as_integer(value)
        case "Boolean":
            return _as_boolean(value)
        case "String":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return isinstance(value, str) or is_number, str(value)
        case "InputFile":
            return isinstance(value, str | tuple), value
        case _:
            return _as_json(value, list if wanted.startswith("Array of") else dict)


def _as_integer(value: Any) -> tuple[bool, Any]:
    if isinstance(value, str) and INTEGER.fullmatch(value.strip()):
        return True, int(value)
    return isinstance(value, int) and not isinstance(value, bool), value


def _as_boolean(value: Any) -> tuple[bool, Any]:
    if isinstance(value, bool):
        return True, value
    word = str(value).lower()
    return word in WORDS, WORDS.get(word)


def _as_json(value: Any, kind: type) -> tuple[bool, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return False, None
    return isinstance(value, kind), value
