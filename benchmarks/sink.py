"""A Bot API that says yes to everything as fast as it can; runs in a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ANSWER = (
    b'{"ok":true,"result":{"message_id":1,"date":1,'
    b'"chat":{"id":1,"type":"private","first_name":"x"}}}'
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Content-Length: " + str(len(ANSWER)).encode() + b"\r\n\r\n" + ANSWER
)


class Sink(asyncio.Protocol):
    """Reads requests by their Content-Length; keeps connections open."""

    def __init__(self) -> None:
        self._read = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 it serves TCP
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end].lower()
            at = head.find(b"content-length:")
            line = head[at + 15 :].split(b"\r\n", 1)[0] if at >= 0 else b"0"
            size = end + 4 + int(line)
            if len(self._read) < size:
                return
            self._read = self._read[size:]
            assert self._transport is not None  # noqa: S101 connected
            self._transport.write(RESPONSE)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@asynccontextmanager
async def running() -> AsyncIterator[str]:
    """Start the sink on the other processor; yield its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.sink", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None  # noqa: S101 asked for above
    port = int(await process.stdout.readline())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(_serve())
