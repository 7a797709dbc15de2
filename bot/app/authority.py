"""The time authority over HTTP (RFC 3161 §3.4): one POST, a bounded answer, no second try here."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp

from bot.proof.stamp import MAX_BYTES
from bot.settings import Settings
from bot.usecases.stamping import NotStamped, Stamping
from storage.database import Database

TIMEOUT_SECONDS: Final = 20.0
HEADERS: Final = {
    "Content-Type": "application/timestamp-query",
    "Accept": "application/timestamp-reply",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Where stamps are asked for. What it answers is not believed: `bot.proof.stamp` checks."""

    url: str
    timeout_seconds: float = TIMEOUT_SECONDS

    async def ask(self, request: bytes) -> bytes:
        """Return the body of the answer. Raises NotStamped when there is none to be had."""
        try:
            async with (
                # What is compressed could be far longer than it looks: it is not unpacked.
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=self.timeout_seconds),
                    auto_decompress=False,
                ) as session,
                session.post(
                    self.url,
                    data=request,
                    headers=HEADERS,
                    allow_redirects=False,
                ) as response,
            ):
                return await _body(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NotStamped(f"the authority does not answer ({type(error).__name__})") from error


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Read what may be an answer; never more than a stamp can be long."""
    if response.status != HTTPStatus.OK:
        raise NotStamped(f"the authority answers with HTTP status {response.status}")
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_BYTES:
            raise NotStamped(f"the authority answers with more than {MAX_BYTES} bytes")
    return bytes(body)


def build_stamping(settings: Settings, database: Database) -> Stamping | None:
    """Build what asks for stamps; None: no authority is configured. Raises OSError."""
    if settings.stamp_url is None:
        return None
    return Stamping(
        database=database,
        authority=settings.stamp_url,
        ask=Authority(url=settings.stamp_url).ask,
        every=settings.stamp_every,
        roots=roots_of(settings),
    )


def roots_of(settings: Settings) -> bytes | None:
    """Return the PEM of the authority's roots, where they are configured. Raises OSError."""
    return None if settings.stamp_roots_file is None else settings.stamp_roots_file.read_bytes()
