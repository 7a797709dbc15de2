"""Reading a call, however it came; answering it, also as badly as was planned."""

import asyncio
import json
import mimetypes
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.parameters import METHODS as KNOWN
from bot.sandbox.refusal import Refusal, bad_request


def known(method: str) -> str:
    """Find a method; names are matched without case, as Telegram does."""
    for name in KNOWN:
        if name.lower() == method.lower():
            return name
    raise Refusal(404, "Not Found: method not found")


async def given_parameters(request: Request) -> dict[str, Any]:
    """Return the parameters of a call, however they came (Bot API, "Making requests")."""
    given: dict[str, Any] = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        try:
            body = await request.json()
        except (ValueError, RecursionError) as error:
            raise bad_request("can't parse JSON object") from error
        return given | (body if isinstance(body, dict) else {})
    if kind.startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
        form = await request.form()
        fields = {name: await _field(value) for name, value in form.multi_items()}
        return given | _attached(fields)
    return given


async def _field(value: UploadFile | str) -> Any:
    if isinstance(value, str):
        return value
    name = value.filename or "file"
    # Telegram goes by the name; programs often call everything an octet-stream.
    mime = mimetypes.guess_type(name)[0] or value.content_type or ""
    return name, await value.read(), mime


def _attached(fields: dict[str, Any]) -> dict[str, Any]:
    """Put files that are named by attach://… in their place (Bot API, "Sending files")."""
    return {
        name: _album(value, fields) if name == "media" else _placed(value, fields)
        for name, value in fields.items()
    }


def _placed(value: Any, fields: dict[str, Any]) -> Any:
    if isinstance(value, str) and value.startswith("attach://"):
        return fields.get(value.removeprefix("attach://"), value)
    return value


def _album(value: Any, fields: dict[str, Any]) -> Any:
    """Place the files of an album, whose items name them (Bot API, InputMedia: media)."""
    try:
        items = json.loads(value)
    except (TypeError, ValueError, RecursionError):
        return value
    if not isinstance(items, list):
        return value
    return [
        {**item, "media": _placed(item.get("media"), fields)} if isinstance(item, dict) else item
        for item in items
    ]


def answered(status: int, body: dict[str, Any]) -> Response:
    return JSONResponse(body, status, _headers(body))


def _headers(body: Any) -> dict[str, str]:
    """Repeat `retry_after` as the header that proxies understand, as Telegram does."""
    parameters = body.get("parameters") if isinstance(body, dict) else None
    retry_after = (parameters or {}).get("retry_after")
    return {} if retry_after is None else {"Retry-After": str(retry_after)}


def planned(fault: Fault) -> Response:
    """Answer byte for byte as planned."""
    kind = "application/json" if fault.body.startswith(b"{") else "text/html"
    try:
        headers = _headers(json.loads(fault.body))
    except ValueError:
        headers = {}
    return Response(fault.body, fault.status, headers, kind)


# --- broken answers ---------------------------------------------------------------------------


async def spoiled(request: Request, fault: Fault, body: dict[str, Any]) -> Response:
    if fault.kind is FaultKind.RESET_AFTER:
        return Dropped(request)
    if fault.kind is FaultKind.HANG:
        await asyncio.sleep(fault.seconds)
        return Dropped(request)
    if fault.kind is FaultKind.TRUNCATED:
        return _Truncated(request, json.dumps(body).encode())
    return answered(200, body)


def _transport(request: Request) -> asyncio.Transport:
    """Uvicorn's `receive` is a method of the request's cycle, which knows its connection."""
    cycle = request.receive.__self__  # type: ignore[attr-defined]
    transport: asyncio.Transport = cycle.transport
    return transport


class Dropped(Response):
    """Ends the connection without a word."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._request = request

    async def __call__(self, _scope: Any, _receive: Any, _send: Any) -> None:
        _transport(self._request).abort()


class _Truncated(Response):
    """Promises a whole answer, gives half of it, ends the connection."""

    def __init__(self, request: Request, body: bytes) -> None:
        super().__init__()
        self._request, self._whole = request, body

    async def __call__(self, _scope: Any, _receive: Any, _send: Any) -> None:
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self._whole)}\r\n\r\n"
        )
        transport = _transport(self._request)
        transport.write(head.encode() + self._whole[: len(self._whole) // 2])
        transport.close()
