"""The chat page: people with phones, side by side in a browser.

The page belongs to whoever sits at this machine. Requests under another host's name (DNS
rebinding) and writes that another site's page started are refused; nothing is loaded from
anywhere else.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders, UploadFile
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.sandbox.formatting import CAPTION_LIMIT, TEXT_LIMIT, formatted
from bot.sandbox.people import Person, Seen
from bot.sandbox.refusal import Refusal, bad_request
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World

COALESCE_SECONDS: Final = 0.05
RECHECK_SECONDS: Final = 2.0
"""Descriptions and menus change without a new version of the world: look again this often."""
RETRY_MILLISECONDS: Final = 1000
SHOWN_MESSAGES: Final = 200
QUOTE_LENGTH: Final = 200
FILE_BYTES: Final = 50 * 1024 * 1024
"""The most that a bot may send (Bot API, "Sending files"); people may send more, we need not."""
HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
STATIC: Final = Path(__file__).parent / "static"
STATIC_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
INLINE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""What a browser may show; anything else is only downloaded, because it could run as ours."""
PAGE_TYPE: Final = "text/html"
PAGE_POLICY: Final = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""A page that the bot sent opens in an origin of its own: it reaches nothing of ours."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
COPIED: Final = (
    "message_id",
    "date",
    "edit_date",
    "text",
    "entities",
    "caption",
    "caption_entities",
    "photo",
    "document",
    "media_group_id",
    "reply_markup",
)

Endpoint = Callable[[Request], Awaitable[Response]]


def page_routes(
    sandbox: Sandbox,
    people: Sequence[Person],
    *,
    tips: Sequence[str] = (),
    captions: Mapping[int, str] | None = None,
    lang: str = "en",
) -> list[BaseRoute]:
    """Return the routes of the page, one pane for each of `people`, in their order.

    `tips` say what to try; `captions` say who somebody is ("customer"), by their id; `lang`
    ("en" or "ru") is the language of the top bar and of the tips. A pane speaks the language
    of its person.
    """
    page = _Page(
        sandbox=sandbox,
        people={person.id: person for person in people},
        tips=tuple(tips),
        captions=dict(captions or {}),
        lang=lang,
        static={path.name: path.read_bytes() for path in STATIC.iterdir() if path.is_file()},
    )
    return [
        _route("/", page.home),
        _route("/static/{name}", page.file_of_the_page),
        _route("/events", page.events),
        _route("/files/{id}", page.file),
        _route("/people/{id:int}/messages", page.write, "POST"),
        _route("/people/{id:int}/files", page.attach, "POST"),
        _route("/people/{id:int}/presses", page.press, "POST"),
        _route("/people/{id:int}/block", page.block, "POST"),
        _route("/people/{id:int}/unblock", page.unblock, "POST"),
    ]


def _route(path: str, endpoint: Endpoint, method: str = "GET") -> Route:
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return JSONResponse({"error": refusal.description}, refusal.status)

    return Route(path, answered, methods=[method], middleware=[Middleware(_Guard)])


# --- who may ask ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Guard:
    """Lets in only what this machine's own page asks for; puts the headers on every answer."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        why = _why_foreign(scope["method"], Headers(scope=scope))
        app = PlainTextResponse(why, 403) if why else self.app
        await app(scope, receive, send_guarded)


def _why_foreign(method: str, headers: Headers) -> str:
    """Say what is foreign about a request; nothing when it is ours."""
    host = headers.get("host", "")
    if _host_name(host) not in HOSTS:
        return "This page answers only to 127.0.0.1 and localhost."
    # Programs send no Origin; browsers send one with every POST.
    origin = headers.get("origin")
    if method == "POST" and origin is not None and origin != f"http://{host}":
        return "Another site may not write here."
    return ""


def _host_name(host: str) -> str:
    with suppress(ValueError):
        return urlsplit(f"//{host}").hostname or ""
    return ""


# --- the page ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    sandbox: Sandbox
    people: Mapping[int, Person]
    tips: Sequence[str]
    captions: Mapping[int, str]
    lang: str
    static: Mapping[str, bytes] = field(repr=False)

    async def home(self, _: Request) -> Response:
        return Response(self.static["page.html"], media_type="text/html")

    async def file_of_the_page(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.static:
            raise Refusal(404, "no such file")
        return Response(self.static[name], media_type=STATIC_TYPES[Path(name).suffix])

    # --- watching -----------------------------------------------------------------------------

    async def events(self, _: Request) -> Response:
        """Tell what the page shows, then each chat again whenever it looks different.

        Server-sent events: one `page`, then `chat` with the whole chat of one person.
        """
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[str]:
        about = {"lang": self.lang, "tips": list(self.tips), "people": list(self.people)}
        yield f"retry: {RETRY_MILLISECONDS}\nevent: page\ndata: {json.dumps(about)}\n\n"
        world = self.sandbox.world
        told: dict[int, str] = {}
        while True:
            version = world.version
            for person in self.people.values():
                chat = json.dumps(self._chat(person), separators=(",", ":"))
                if told.get(person.id) != chat:
                    told[person.id] = chat
                    yield f'event: chat\ndata: {{"now":{time.time():.3f},"chat":{chat}}}\n\n'
            await asyncio.sleep(COALESCE_SECONDS)
            if not await _has_changed(world, version):
                yield ": nothing new\n\n"  # finds out whether anybody still listens

    def _chat(self, person: Person) -> dict[str, Any]:
        """Return what one phone shows."""
        world, account, chat = self.sandbox.world, person.account, person.chat
        shown = list(chat.messages.values())[-SHOWN_MESSAGES:]
        return {
            "id": person.id,
            "name": f"{account.first_name} {account.last_name}".strip(),
            "first_name": account.first_name,
            "caption": self.captions.get(person.id, ""),
            "lang": account.language_code,
            "bot": {
                "name": _bot_text(world, "name", account.language_code) or world.bot["first_name"],
                "username": world.bot["username"],
            },
            "description": _bot_text(world, "description", account.language_code),
            "commands": _commands(world, person),
            "has_blocked": account.has_blocked,
            "typing_until": chat.is_typing_until,
            "messages": [_message(facts, world.bot["id"]) for facts in shown],
        }

    async def file(self, request: Request) -> Response:
        file = self.sandbox.world.files.get(request.path_params["id"])
        if file is None:
            raise Refusal(404, "no such file")
        if "open" in request.query_params and file.mime == PAGE_TYPE:
            policy = {"Content-Security-Policy": PAGE_POLICY}
            return Response(file.content, media_type=PAGE_TYPE, headers=policy)
        is_shown = file.mime in INLINE_TYPES and "download" not in request.query_params
        kind = "inline" if is_shown else "attachment"
        mime = file.mime if file.mime in INLINE_TYPES else "application/octet-stream"
        disposition = f"{kind}; filename*=UTF-8''{quote(file.name, safe='')}"
        return Response(file.content, media_type=mime, headers={"Content-Disposition": disposition})

    # --- what a thumb can do ------------------------------------------------------------------

    async def write(self, request: Request) -> Response:
        person = self._person(request)
        given = await _given(request)
        text, entities = _text(given.get("text"), given.get("entities"), TEXT_LIMIT)
        if not text:
            raise bad_request("message text is empty")
        self._refuse_when_blocked(person)
        sent = await person.send(text, entities=entities)
        return JSONResponse({"message_id": sent.id})

    async def attach(self, request: Request) -> Response:
        """Send `file`, with `caption` and its `entities`, as `kind`: photo or document."""
        person = self._person(request)
        if int(request.headers.get("content-length", "0")) > FILE_BYTES:
            raise Refusal(413, "file is too big")
        async with request.form() as form:
            upload, kind = form.get("file"), form.get("kind")
            if not isinstance(upload, UploadFile) or kind not in {"photo", "document"}:
                raise bad_request("a file and its kind are needed")
            content = await upload.read()
            entities = _json(str(form.get("entities") or "[]"))
            caption, entities = _text(form.get("caption") or "", entities, CAPTION_LIMIT)
        if not content:
            raise bad_request("file must be non-empty")
        self._refuse_when_blocked(person)
        world = self.sandbox.world
        mime = upload.content_type or "application/octet-stream"
        file = world.store_file(content, upload.filename or "file", mime)
        body = world.file_facts(file, as_photo=kind == "photo")
        if caption:
            body |= {"caption": caption, "caption_entities": entities}
        sent = await person.send_body(body)
        return JSONResponse({"message_id": sent.id})

    async def press(self, request: Request) -> Response:
        """Press a button that the message still has; answer with what the bot answered."""
        person = self._person(request)
        given = await _given(request)
        message_id, data = given.get("message_id"), given.get("data")
        facts = person.chat.messages.get(message_id) if isinstance(message_id, int) else None
        if facts is None:
            raise Refusal(404, "no such message")
        message = Seen(facts)
        if not isinstance(data, str) or data not in [
            button.get("callback_data") for button in message.buttons
        ]:
            raise Refusal(409, "the message does not have this button any more")
        try:
            answer = await person.press_data(data, message)
        except TimeoutError:
            raise Refusal(504, "the bot did not answer") from None
        return JSONResponse({key: answer[key] for key in ("text", "show_alert")})

    async def block(self, request: Request) -> Response:
        person = self._person(request)
        if not person.account.has_blocked:
            await person.block()
        return JSONResponse({})

    async def unblock(self, request: Request) -> Response:
        person = self._person(request)
        if person.account.has_blocked:
            await person.unblock()
        return JSONResponse({})

    def _person(self, request: Request) -> Person:
        person = self.people.get(request.path_params["id"])
        if person is None:
            raise Refusal(404, "no such person")
        return person

    def _refuse_when_blocked(self, person: Person) -> None:
        if person.account.has_blocked:
            raise Refusal(409, "unblock the bot first")


# --- reading what came ------------------------------------------------------------------------


async def _given(request: Request) -> dict[str, Any]:
    body = _json(await request.body())
    if not isinstance(body, dict):
        raise bad_request("a JSON object is needed")
    return body


def _json(source: str | bytes) -> Any:
    try:
        return json.loads(source)
    except (ValueError, RecursionError):
        raise bad_request("can't parse JSON") from None


def _text(text: Any, entities: Any, limit: int) -> tuple[str, list[dict[str, Any]]]:
    if not isinstance(text, str) or not isinstance(entities or [], list):
        raise bad_request("text and a list of entities are needed")
    if not all(isinstance(entity, dict) for entity in entities or []):
        raise bad_request("an entity is an object")
    return formatted(text, None, entities, limit, "")


# --- telling what is shown --------------------------------------------------------------------


async def _has_changed(world: World, version: int) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(RECHECK_SECONDS), world.changed:
            await world.changed.wait_for(lambda: world.version != version)
    return world.version != version


def _message(facts: Mapping[str, Any], bot_id: int) -> dict[str, Any]:
    message = {key: facts[key] for key in COPIED if key in facts}
    message["is_own"] = facts.get("from", {}).get("id") != bot_id
    quoted = facts.get("reply_to_message")
    if quoted is not None:
        message["quoted"] = {
            "message_id": quoted["message_id"],
            "is_own": quoted.get("from", {}).get("id") != bot_id,
            "text": Seen(quoted).text[:QUOTE_LENGTH],
        }
    return message


def _commands(world: World, person: Person) -> list[dict[str, str]]:
    """Return somebody's menu (Bot API, "Determining list of commands")."""
    language = person.account.language_code
    for scope in (f"chat:{person.id}", "all_private_chats:", "default:"):
        for key in (f"{scope}:{language}", f"{scope}:"):
            if world.commands.get(key):
                return list(world.commands[key])
    return []


def _bot_text(world: World, kind: str, language: str) -> str:
    return world.texts.get(f"{kind}:{language}") or world.texts.get(f"{kind}:") or ""
