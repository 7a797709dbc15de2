"""The health check and Telegram's webhook.

An update is committed before it is answered with 200 (promise 4).
"""

import asyncio
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request

from bot.clock import Clock
from bot.usecases.inbox import Inbox

MAX_BYTES: Final = 1_000_000
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
    except ValueError as error:
        raise HTTPException(400) from error
    if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
        raise HTTPException(400)
    return update


async def serve_web(
    bind: str, secret: str | None, inbox: Inbox, arrived: asyncio.Event, clock: Clock
) -> None:
    """Serve until cancelled."""
    host, _, port = bind.rpartition(":")
    config = uvicorn.Config(
        build_web(secret, inbox, arrived, clock),
        host=host,
        port=int(port),
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
    )
    await _Server(config).serve()
