"""A bot's side of the wire, and the machine-readable Bot API to measure answers against."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from bot.sandbox.people import Person
from bot.sandbox.server import Sandbox, serve

DATA = Path(__file__).parent.parent / "data"
API = json.loads((DATA / "botapi" / "api.json").read_text())
CASES = json.loads((DATA / "vectors" / "telegram-errors" / "cases.json").read_text())["cases"]
TOKEN = "4242:made-up"
DEADLINE_SECONDS = 10.0
ANNA = 7
PLAIN_TYPES: dict[str, type | tuple[type, ...]] = {
    "String": str,
    "Integer": int,
    "Boolean": bool,
    "Float": (int, float),
}


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def begin(press: Coroutine[Any, Any, Any]) -> None:
    """Press, and let nobody wait for the answer."""
    task = asyncio.ensure_future(press)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


class Bot:
    """Calls methods as a program of a stranger would: plain HTTP and nothing else."""

    def __init__(self, sandbox: Sandbox, http: httpx.AsyncClient) -> None:
        self.sandbox = sandbox
        self.http = http

    def url(self, method: str, token: str = TOKEN) -> str:
        return f"{self.sandbox.url}/bot{token}/{method}"

    async def call(self, method: str, **parameters: Any) -> httpx.Response:
        return await self.http.post(self.url(method), json=parameters)

    async def ok(self, method: str, **parameters: Any) -> Any:
        response = await self.call(method, **parameters)
        body = response.json()
        assert (response.status_code, body.get("ok")) == (200, True), body
        return body["result"]

    async def refusal(self, method: str, **parameters: Any) -> tuple[int, str]:
        """Return status and description of a refusal, whose form is checked."""
        return refusal_of(await self.call(method, **parameters))

    async def updates(self, **parameters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.ok("getUpdates", **parameters)
        return found


def refusal_of(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert body.keys() - {"parameters"} == {"ok", "error_code", "description"}
    assert body["ok"] is False
    assert body["error_code"] == response.status_code
    if "parameters" in body:
        assert faults_in(body["parameters"], "ResponseParameters") == []
    return response.status_code, body["description"]


@asynccontextmanager
async def running_bot() -> AsyncIterator[Bot]:
    """A simulator with Anna, who has started the bot and whose message is acknowledged."""
    async with serve(Sandbox(token=TOKEN)) as sandbox:
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=DEADLINE_SECONDS, limits=limits) as http:
            await anna(sandbox).start()
            sandbox.world.pending.clear()
            yield Bot(sandbox, http)


def anna(sandbox: Sandbox) -> Person:
    return sandbox.person(ANNA, "Anna", last_name="K", username="anna_k", language_code="ru")


# --- the types of the Bot API -----------------------------------------------------------------


def faults_in(value: Any, kind: str, where: str = "") -> list[str]:
    """Say what is wrong with a value that should be of a type of the Bot API.

    Unknown fields are faults: the simulator knows no newer Bot API than the file.
    """
    where = where or kind
    if kind.startswith("Array of "):
        inner = kind.removeprefix("Array of ")
        if not isinstance(value, list):
            return [f"{where}: not an array"]
        return [
            fault
            for place, item in enumerate(value)
            for fault in faults_in(item, inner, f"{where}[{place}]")
        ]
    if kind in PLAIN_TYPES:
        fits = isinstance(value, PLAIN_TYPES[kind])
        is_bool = isinstance(value, bool)
        return [] if fits and is_bool == (kind == "Boolean") else [f"{where}: {value!r}, no {kind}"]
    described = API["types"][kind]
    if "subtypes" in described:
        return faults_in_union(value, described["subtypes"], where)
    return _faults_in_object(value, described["fields"], where)


def faults_in_union(value: Any, kinds: list[str], where: str) -> list[str]:
    found = [faults_in(value, kind, f"{where}/{kind}") for kind in kinds]
    return [] if [] in found else min(found, key=len)


def _faults_in_object(value: Any, fields: list[dict[str, Any]], where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: not an object"]
    known = {field["name"]: field for field in fields}
    missing = [
        f"{where}.{name}: missing"
        for name, field in known.items()
        if field["required"] and name not in value
    ]
    unknown = [f"{where}.{name}: unknown" for name in value if name not in known]
    wrong = [
        fault
        for name, item in value.items()
        if name in known
        for fault in faults_in_union(item, known[name]["types"], f"{where}.{name}")
    ]
    return [*missing, *unknown, *wrong]
