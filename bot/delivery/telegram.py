"""Telegram as a channel: one POST, and what its answer means (Bot API, "Making requests")."""

import asyncio
import json
import math
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from bot.campaigns.states import DeliveryState
from bot.delivery.channel import Outcome, Prepared

TIMEOUT_SECONDS: Final = 30
IDLE_SECONDS: Final = 2
"""Idle connections are closed by us first: a reset on a reused one would look like doubt."""

LONGEST_PAUSE_SECONDS: Final = 86_400
"""However long Telegram asks us to rest, we ask again after a day."""
SHORTEST_PAUSE_SECONDS: Final = 1
LARGEST_ID: Final = 2**63 - 1

STOPPING: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
GONE: Final = (
    "chat not found",
    "user not found",
    "user is deactivated",
    "input_user_deactivated",
    "peer_id_invalid",
    "group chat was upgraded",
    "have no rights to send",
    "need administrator rights",
)
"""What a 400 says that is about the recipient; every other 400 is about the message."""


class TelegramChannel:
    """Sends bodies with one HTTP client whose connections are kept."""

    def __init__(
        self,
        api_url: str,
        token: str,
        *,
        connections: int,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._base = f"{api_url}/bot{token}/"
        self._connections = connections
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None

    async def send(self, message: Prepared) -> Outcome:
        try:
            # A redirect that is followed would be a second send.
            async with self._client().post(
                self._base + message.method, json=dict(message.fields), allow_redirects=False
            ) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return Outcome(state=DeliveryState.READY, reason="no_connection", retry_after=1)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError):
            return Outcome(state=DeliveryState.UNCERTAIN, reason="connection_lost")
        return classify(status, body)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections, keepalive_timeout=IDLE_SECONDS
                ),
                timeout=aiohttp.ClientTimeout(total=self._timeout_seconds, sock_connect=10),
            )
        return self._session


def classify(status: int, body: bytes) -> Outcome:
    """Say what an answer means. Whatever does not clearly say yes or no is `uncertain`."""
    answer = _decode(body)
    if answer is not None and status == HTTPStatus.OK and answer.get("ok") is True:
        return _accepted(answer)
    is_client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if answer is not None and is_client_error and answer.get("ok") is False:
        return _refused(status, answer)
    return Outcome(state=DeliveryState.UNCERTAIN, reason=f"http_{status}")


def _decode(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _accepted(answer: dict[str, Any]) -> Outcome:
    result = answer.get("result")
    message_id = result.get("message_id") if isinstance(result, dict) else None
    if not isinstance(message_id, int) or not 0 < message_id <= LARGEST_ID:
        return Outcome(state=DeliveryState.UNCERTAIN, reason="no_message_id")
    return Outcome(state=DeliveryState.SENT, message_id=message_id)


def _refused(status: int, answer: dict[str, Any]) -> Outcome:
    description = str(answer.get("description", "")).lower()
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Outcome(
            state=DeliveryState.READY,
            reason="too_many_requests",
            retry_after=_retry_after(answer.get("parameters")),
        )
    if status in STOPPING:
        return Outcome(state=DeliveryState.READY, reason=f"http_{status}", stops_sending=True)
    if status == HTTPStatus.FORBIDDEN:
        reason = "deactivated" if "deactivated" in description else "blocked"
        return Outcome(state=DeliveryState.FAILED, reason=reason, is_unreachable=True)
    if any(words in description for words in GONE):
        return Outcome(state=DeliveryState.FAILED, reason="chat_not_found", is_unreachable=True)
    return Outcome(state=DeliveryState.FAILED, reason="content_refused", is_about_content=True)


def _retry_after(parameters: Any) -> float:
    """How long to rest, in seconds; what is not a number counts as the shortest rest."""
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or math.isnan(seconds):
        return SHORTEST_PAUSE_SECONDS
    return min(max(seconds, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
