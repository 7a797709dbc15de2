"""The health check and Telegram's webhook.

An update is committed before it is answered with 200 (promise 4).
"""

import asyncio
import hmac
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request

from bot.clock import Clock
from bot.errors import ConfigurationError
from bot.usecases.inbox import Inbox

MAX_BYTES: Final = 1_000_000
LARGEST_ID: Final = 2**63 - 1
GRACE_SECONDS: Final = 5
"""How long a clean end waits for requests under way."""
WEBHOOK_PATH: Final = "/telegram"


class _Server(uvicorn.Server):
    """Leaves the signals to the program that it is part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def build_web(secret: str | None, inbox: Inbox, arrived: asyncio.Event, clock: Clock) -> FastAPI:
    """Build the application: the health check, and with a secret the webhook."""
    web = FastAPI(openapi_url=None)

    @web.get("/health")
    async def health() -> dict[str, bool]:
        await inbox.last_fetched()
        return {"ok": True}

    if secret is not None:
        _add_webhook(web, secret, inbox, arrived, clock)
    return web


def _add_webhook(
    web: FastAPI, secret: str, inbox: Inbox, arrived: asyncio.Event, clock: Clock
) -> None:
    """Requests without the secret are refused before they are read."""

    @web.post(WEBHOOK_PATH)
    async def take_update(
        request: Request,
        x_telegram_bot_api_secret_token: Annotated[str, Header()] = "",
    ) -> dict[str, bool]:
        given = x_telegram_bot_api_secret_token.encode()
        if not hmac.compare_digest(given, secret.encode()):
            raise HTTPException(403)
        await inbox.take_in([await _update(request)], clock())
        arrived.set()
        return {"ok": True}


async def _update(request: Request) -> dict[str, Any]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise HTTPException(413)
    try:
        update = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400) from error
    if not isinstance(update, dict) or not _is_id(update.get("update_id")):
        raise HTTPException(400)
    return update


def _is_id(value: Any) -> bool:
    """Whether a database can keep it; Telegram's are positive (Bot API, Update: update_id)."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_ID


async def serve_web(
    bind: str, secret: str | None, inbox: Inbox, arrived: asyncio.Event, clock: Clock
) -> None:
    """Serve until cancelled; requests under way are answered first.

    Raises ConfigurationError when the address cannot be had.
    """
    config = uvicorn.Config(
        build_web(secret, inbox, arrived, clock),
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    with _listen(bind) as listening:
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving


def _listen(bind: str) -> socket.socket:
    """Take the address ourselves: uvicorn would end the whole program without a word."""
    host, _, port = bind.rpartition(":")
    try:
        family, *_, address = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ConfigurationError(
            [f"WEB_BIND: {bind} cannot be listened on ({error.strerror})"]
        ) from error
