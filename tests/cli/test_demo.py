"""`demo`: the whole product from one command, on nothing but this machine."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from program import Program, files_in

SECONDS = 60.0


@pytest.fixture
def bare(tmp_path: Path) -> Program:
    """A place to start from, where temporary files can be counted."""
    (tmp_path / "temporary").mkdir()
    return Program(tmp_path / "here", {"TMPDIR": str(tmp_path / "temporary")})


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def taken_port() -> Iterator[int]:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


async def page(url: str) -> str:
    async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with session.get(url) as response:
                    assert response.status == 200
                    return await response.text()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("by", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
async def test_it_says_its_address_first_serves_the_page_and_leaves_nothing(
    bare: Program, tmp_path: Path, port: int, by: signal.Signals, status: int
) -> None:
    url = f"http://127.0.0.1:{port}"
    hostile = {"BOT_TOKEN": "nonsense", "OWNER_IDS": "nobody", "BOT_API_URL": "ftp://x"}
    hostile |= {"DATABASE_URL": "mysql://x", "LOG_LEVEL": "loud", "WEB_BIND": "x"}
    bare.folder.mkdir()
    (bare.folder / ".env").write_text("TIMEZONE=Nowhere\n")
    async with bare.started("demo", "--port", str(port), **hostile) as demo:
        await demo.says(f"{url}\n")
        assert "<html" in (await page(url)).lower()
        await demo.says("/broadcast")
        ended = await demo.end(by)
    assert ended.out.splitlines()[0] == url
    assert ended.status == status
    assert ended.err.strip() == ""
    assert not files_in(tmp_path / "temporary")
    assert list(files_in(bare.folder)) == [".env"]


async def test_a_taken_port_is_one_line_that_says_what_to_do(
    bare: Program, tmp_path: Path, taken_port: int
) -> None:
    ended = await bare.run("demo", "--port", str(taken_port))
    assert ended.status == 2
    [line] = ended.faults
    assert line.startswith("--port: ")
    assert str(taken_port) in line
    assert not files_in(tmp_path / "temporary")


@pytest.mark.parametrize("port", ["0", "65536", "http"])
async def test_what_is_no_port_is_refused(bare: Program, port: str) -> None:
    ended = await bare.run("demo", "--port", port)
    assert ended.status == 2
    [line] = ended.faults
    assert "--port" in line
