"""Checks calls against the machine-readable Bot API: names, types, what is required."""

import json
from pathlib import Path
from typing import Any, Final

from bot.sandbox.refusal import bad_request

API: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("botapi.json").read_text())
METHODS: Final[dict[str, list[dict[str, Any]]]] = API["methods"]
TEXT_TYPES: Final = {"String", "InputFile"}
MISSING: Final = {
    "text": "message text is empty",
    "chat_id": "chat_id is empty",
    "photo": "there is no photo in the request",
    "document": "there is no document in the request",
    "callback_query_id": "query is too old and response timeout expired or query ID is invalid",
}


def checked(method: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call in their types; unknown ones are ignored, as there."""
    found = {}
    for field in METHODS[method]:
        name = field["name"]
        value = given.get(name)
        if value is None or value == "":
            if field["required"] and name in MISSING:
                raise bad_request(MISSING[name])
            if field["required"]:
                raise bad_request(f'parameter "{name}" is required')
            continue
        found[name] = _typed(name, value, field["types"])
    return found


def _typed(name: str, value: Any, types: list[str]) -> Any:
    for wanted in types:
        fits, converted = _as(value, wanted)
        if fits:
            return converted
    raise bad_request(f'field "{name}" must be of type {" or ".join(types)}')


def _as(value: Any, wanted: str) -> tuple[bool, Any]:  # noqa: PLR0911 one line a type
    if wanted == "Integer":
        if isinstance(value, bool):
            return False, None
        if isinstance(value, str) and value.lstrip("-").isdigit():
            return True, int(value)
        return isinstance(value, int), value
    if wanted in {"Float", "Float number"}:
        return isinstance(value, int | float), value
    if wanted in {"Boolean", "True"}:
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return True, value.lower() == "true"
        return isinstance(value, bool), value
    if wanted in TEXT_TYPES:
        return isinstance(value, str | bytes | tuple), value
    return _as_json(value, list if wanted.startswith("Array of") else dict)


def _as_json(value: Any, kind: type) -> tuple[bool, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return False, None
    return isinstance(value, kind), value
