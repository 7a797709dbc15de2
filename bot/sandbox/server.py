"""The simulator itself: the Bot API over HTTP, and what tests and the page need beside it."""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bot.sandbox.calls import Dropped, answered, given_parameters, known, planned, spoiled
from bot.sandbox.faults import Fault, FaultKind, Hold, RateLimit
from bot.sandbox.methods import METHODS
from bot.sandbox.parameters import INTEGER, checked
from bot.sandbox.people import Person
from bot.sandbox.refusal import Refusal, bad_request, too_many_requests
from bot.sandbox.world import Account, Chat, World

TOKEN: Final = re.compile(r"\d+:[A-Za-z0-9_-]+")
POLL_LIMIT: Final = 100
WEBHOOK_SECONDS: Final = 10
SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 a header's name
POLL_SECONDS: Final = 50
SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
SENDING: Final = {"sendMessage", "sendPhoto", "sendDocument", "sendMediaGroup", "copyMessage"}


@dataclass(slots=True, kw_only=True)
class Call:
    """One call that a bot made."""

    method: str
    parameters: dict[str, Any]
    started: float
    finished: float = 0.0
    status: int = 0
    response: dict[str, Any] = field(default_factory=dict)

    @property
    def chat_id(self) -> Any:
        """The chat as a number, however it was written: forms have only text."""
        named = self.parameters.get("chat_id")
        return int(named) if isinstance(named, str) and INTEGER.fullmatch(named) else named


@dataclass(slots=True)
class Webhook:
    """Where updates are pushed to."""

    url: str
    secret: str
    last_error: str = ""
    last_error_at: int = 0

    def failed(self, why: str) -> None:
        self.last_error, self.last_error_at = why, int(time.time())


class Sandbox:
    """Telegram on this machine: chats in memory, a Bot API on loopback."""

    def __init__(
        self, *, token: str | None = None, username: str = "tea_shop_bot", name: str = "Tea Shop"
    ) -> None:
        self.token = token
        self.world = World(
            bot={"id": 4242, "is_bot": True, "first_name": name, "username": username}
        )
        self.url = ""
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.holds: list[Hold] = []
        self.rate_limit: RateLimit | None = None
        self.webhook: Webhook | None = None
        self.keeps_calls = True
        self.polls = 0
        """How often the bot asked for updates."""
        self._poller: asyncio.Event | None = None

    # --- for tests and the page ---------------------------------------------------------------

    def person(
        self,
        user_id: int,
        first_name: str,
        *,
        last_name: str = "",
        username: str = "",
        language_code: str = "en",
    ) -> Person:
        """Give somebody a phone; the same id gives the same person."""
        account = self.world.accounts.get(user_id)
        if account is None:
            account = Account(user_id, first_name, last_name, username, language_code)
            self.world.accounts[user_id] = account
        return Person(self.world, account)

    def group(self, chat_id: int, title: str, kind: str = "supergroup") -> Chat:
        return self.world.chats.setdefault(chat_id, Chat(id=chat_id, type=kind, title=title))

    def channel(self, chat_id: int, title: str, username: str) -> Chat:
        """Open a public channel with the bot among its administrators."""
        chat = Chat(id=chat_id, type="channel", title=title, username=username)
        return self.world.chats.setdefault(chat_id, chat)

    def fault(self, kind: FaultKind | str, **facts: Any) -> Fault:
        """Plan a failure; see `Fault`."""
        planned = Fault(kind=FaultKind(kind), **facts)
        self.faults.append(planned)
        return planned

    def refuse(self, refusal: Refusal, **facts: Any) -> Fault:
        """Plan an answer with `ok: false`."""
        body = json.dumps(refusal.body()).encode()
        return self.fault(FaultKind.REPLY, status=refusal.status, body=body, **facts)

    def hold(self, method: str) -> Hold:
        """Let calls of a method wait until `release`."""
        held = Hold(method)
        self.holds.append(held)
        return held

    def sent(self, chat_id: int | None = None) -> list[Call]:
        """Calls that put a message into a chat, in order."""
        return [
            call
            for call in self.calls
            if call.method in SENDING
            and call.response.get("ok")
            and chat_id in {None, call.chat_id}
        ]

    def hang_up(self) -> None:
        """End every call that waits: holds, and the long poll of the bot."""
        for held in self.holds:
            held.release()
        if self._poller is not None:
            self._poller.set()

    # --- HTTP ---------------------------------------------------------------------------------

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/bot{token}/{method}", self._serve_method, methods=["GET", "POST"]),
            Route("/file/bot{token}/{path:path}", self._serve_file),
        ]

    async def _serve_file(self, request: Request) -> Response:
        try:
            self._authorise(request.path_params["token"])
        except Refusal as refusal:
            return answered(refusal.status, refusal.body())
        file = self.world.files.get(request.path_params["path"].rsplit("/", 1)[-1])
        if file is None:
            return answered(404, Refusal(404, "Not Found").body())
        return Response(file.content, media_type=file.mime)

    async def _serve_method(self, request: Request) -> Response:
        method = request.path_params["method"]
        call = Call(method=method, parameters={}, started=time.monotonic())
        try:
            self._authorise(request.path_params["token"])
            name = known(method)
            call.method = name
            given = await given_parameters(request)
            call.parameters = given
            return await self._perform(request, call, given)
        except Refusal as refusal:
            call.response = refusal.body()
            call.status = refusal.status
            return answered(refusal.status, refusal.body())
        finally:
            call.finished = time.monotonic()
            if self.keeps_calls and call.method != "getUpdates":
                self.calls.append(call)

    def _authorise(self, token: str) -> None:
        if not TOKEN.fullmatch(token) or (self.token is not None and token != self.token):
            raise Refusal(401, "Unauthorized")

    async def _perform(self, request: Request, call: Call, given: dict[str, Any]) -> Response:
        await self._wait_for_release(call)
        fault = self._next_fault(call)
        if fault is not None and fault.kind is FaultKind.REPLY:
            call.status = fault.status
            return planned(fault)
        if fault is not None and fault.kind is FaultKind.RESET_BEFORE:
            return Dropped(request)
        if fault is not None and fault.kind is FaultKind.DELAY:
            await asyncio.sleep(fault.seconds)
        self._limit(call)
        result = await self._do(call, given)
        call.response = {"ok": True, "result": result}
        call.status = 200
        if fault is not None:
            return await spoiled(request, fault, call.response)
        return answered(200, call.response)

    async def _do(self, call: Call, given: dict[str, Any]) -> Any:
        parameters = checked(call.method, given)
        match call.method:
            case "getUpdates":
                return await self._get_updates(parameters)
            case "setWebhook":
                return self._set_webhook(parameters)
            case "deleteWebhook":
                return self._set_webhook({**parameters, "url": ""})
            case "getWebhookInfo":
                return self._webhook_info()
            case _:
                return _snapshot(await METHODS[call.method](self.world, parameters))

    async def _wait_for_release(self, call: Call) -> None:
        for held in self.holds:
            if held.method == call.method and not held.gate.is_set():
                held.entered += 1
                await held.gate.wait()

    def _next_fault(self, call: Call) -> Fault | None:
        for fault in self.faults:
            if fault.fits(call.method, call.chat_id):
                fault.times -= 1
                return fault
        return None

    def _limit(self, call: Call) -> None:
        if self.rate_limit is None or call.method not in SENDING:
            return
        if not self.rate_limit.admits(time.monotonic()):
            raise too_many_requests(1)

    # --- updates ------------------------------------------------------------------------------

    async def _get_updates(self, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        if self.webhook is not None:
            raise Refusal(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use "
                "deleteWebhook to delete the webhook first",
            )
        ended = await self._take_over()
        self._allow(parameters)
        self._acknowledge(parameters.get("offset", 0))
        deadline = time.monotonic() + min(parameters.get("timeout", 0), POLL_SECONDS)
        while not self.world.pending and not ended.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            await self._until_change(left, ended)
        if ended.is_set():
            raise Refusal(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot "
                "instance is running",
            )
        self._poller = None
        limit = min(max(parameters.get("limit", POLL_LIMIT), 1), POLL_LIMIT)
        return list(self.world.pending)[:limit]

    async def _take_over(self) -> asyncio.Event:
        if self._poller is not None:
            self._poller.set()
            async with self.world.changed:
                self.world.changed.notify_all()
        self.polls += 1
        self._poller = asyncio.Event()
        return self._poller

    async def _until_change(self, seconds: float, ended: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, 1.0)), self.world.changed:
                await self.world.changed.wait_for(
                    lambda: bool(self.world.pending) or ended.is_set()
                )

    def _allow(self, parameters: dict[str, Any]) -> None:
        """Keep what the bot asks for until it asks for something else (allowed_updates)."""
        if "allowed_updates" in parameters:
            self.world.allowed_updates = frozenset(map(str, parameters["allowed_updates"]))

    def _acknowledge(self, offset: int) -> None:
        """Forget what came before an update; a negative offset counts from the end."""
        if offset < 0:
            while len(self.world.pending) > -offset:
                self.world.pending.popleft()
        while self.world.pending and self.world.pending[0]["update_id"] < offset:
            self.world.pending.popleft()

    def _set_webhook(self, parameters: dict[str, Any]) -> bool:
        url, secret = parameters.get("url", ""), parameters.get("secret_token", "")
        if url and not url.startswith(("https://", "http://")):
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        if secret and not SECRET.fullmatch(secret):
            raise bad_request("secret token contains unallowed characters")
        self._allow(parameters)
        if parameters.get("drop_pending_updates"):
            self.world.pending.clear()
        self.webhook = Webhook(url, secret) if url else None
        return True

    def _webhook_info(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "url": self.webhook.url if self.webhook else "",
            "has_custom_certificate": False,
            "pending_update_count": len(self.world.pending),
        }
        if self.webhook and self.webhook.last_error:
            facts |= {"last_error_date": self.webhook.last_error_at}
            facts |= {"last_error_message": self.webhook.last_error}
        if self.world.allowed_updates:
            facts |= {"allowed_updates": sorted(self.world.allowed_updates)}
        return facts

    async def push_updates(self) -> None:
        """Deliver updates to the webhook, one at a time, until each is taken (Bot API)."""
        async with aiohttp.ClientSession() as session:
            while True:
                async with self.world.changed:
                    await self.world.changed.wait_for(lambda: bool(self.world.pending))
                if self.webhook is None or not await self._push(session, self.webhook):
                    await asyncio.sleep(0.2)

    async def _push(self, session: aiohttp.ClientSession, webhook: Webhook) -> bool:
        update = self.world.pending[0]
        headers = {SECRET_HEADER: webhook.secret} if webhook.secret else {}
        try:
            async with session.post(
                webhook.url,
                json=update,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=WEBHOOK_SECONDS),
            ) as response:
                taken = 200 <= response.status < 300  # noqa: PLR2004 "different from 2XY"
                if not taken:
                    webhook.failed(f"Wrong response from the webhook: {response.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            webhook.failed(type(error).__name__)
            return False
        if taken and self.world.pending and self.world.pending[0] is update:
            self.world.pending.popleft()
        return taken


def _snapshot(result: Any) -> Any:
    """Messages change later; what was answered does not."""
    return json.loads(json.dumps(result)) if isinstance(result, dict | list) else result


# --- running ----------------------------------------------------------------------------------


class _QuietServer(uvicorn.Server):
    """Leaves the signals to the program that it is part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def make_server(
    sandbox: Sandbox, port: int, extra: Callable[[], list[BaseRoute]] = list
) -> uvicorn.Server:
    """Put the simulator on a loopback port; 0 takes a free one."""
    application = Starlette(routes=[*sandbox.routes(), *extra()])
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=port,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    return _QuietServer(config)


@asynccontextmanager
async def serve(
    sandbox: Sandbox, port: int = 0, extra: Callable[[], list[BaseRoute]] = list
) -> AsyncIterator[Sandbox]:
    """Run the simulator for the length of the block; `sandbox.url` says where.

    Raises OSError when the port is taken.
    """
    server = make_server(sandbox, port, extra)
    listening = _listen(port)
    sandbox.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    pushing = asyncio.ensure_future(sandbox.push_updates())
    try:
        while not server.started:
            await asyncio.sleep(0.005)
        yield sandbox
    finally:
        sandbox.hang_up()
        pushing.cancel()
        server.should_exit = server.force_exit = True
        with suppress(asyncio.CancelledError):
            await serving


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError:
        listening.close()
        raise
    return listening
