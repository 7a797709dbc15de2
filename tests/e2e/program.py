"""The program as a shell starts it: arguments, environment, what it prints, how it ends."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from shop import OWNER_ID, TOKEN

PATIENCE = 60.0
"""Seconds; a busy machine loads the program slowly."""
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Ended:
    """What is left of a program that ended."""

    status: int
    out: str
    err: str

    @property
    def faults(self) -> list[str]:
        return self.err.splitlines()


@dataclass(slots=True)
class Started:
    """A program that runs; its output goes to files, so that it never waits for a reader."""

    process: asyncio.subprocess.Process
    out_file: Path
    err_file: Path
    began: float

    @property
    def out(self) -> str:
        return self.out_file.read_text(errors="replace")

    @property
    def err(self) -> str:
        return self.err_file.read_text(errors="replace")

    @property
    def is_over(self) -> bool:
        return self.process.returncode is not None

    async def says(self, wanted: str, seconds: float = PATIENCE) -> float:
        """Wait for words on either stream; return after how many seconds they came."""
        async with asyncio.timeout(seconds):
            while wanted not in self.out + self.err:
                assert not self.is_over, f"it ended: {self.out}\n{self.err}"
                await asyncio.sleep(LOOK_SECONDS)
        return time.monotonic() - self.began

    async def end(self, by: signal.Signals | None = None, seconds: float = PATIENCE) -> Ended:
        """Wait for the end, after a signal if one is given."""
        if by is not None:
            self.process.send_signal(by)
        async with asyncio.timeout(seconds):
            status = await self.process.wait()
        return Ended(status, self.out, self.err)


@dataclass(slots=True)
class Program:
    """One place to start it from, with nothing of this process's environment but the path."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = (sys.executable, "-m", "bot")

    @asynccontextmanager
    async def started(self, *arguments: str, **environment: str) -> AsyncIterator[Started]:
        """Run for the length of the block at most."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = len(list(self.folder.parent.glob(f"{self.folder.name}-*.out")))
        out, err = (self.folder.with_name(f"{self.folder.name}-{number}.{s}") for s in OUTPUTS)
        with out.open("wb") as out_stream, err.open("wb") as err_stream:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                *arguments,
                cwd=self.folder,
                env={"PATH": os.defpath, **self.environment, **environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out_stream,
                stderr=err_stream,
            )
        started = Started(process, out, err, time.monotonic())
        try:
            yield started
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def run(self, *arguments: str, **environment: str) -> Ended:
        """Run until it ends by itself."""
        async with self.started(*arguments, **environment) as started:
            return await started.end()


OUTPUTS = ("out", "err")


def settings_of(folder: Path, api_url: str) -> dict[str, str]:
    """The environment of a shop whose files lie in `folder`."""
    return {
        "BOT_TOKEN": TOKEN,
        "BOT_API_URL": api_url,
        "OWNER_IDS": str(OWNER_ID),
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/data/assent.db",
        "KEY_FILE": f"{folder}/keys/assent.key",
        "PURPOSES_FILE": f"{folder}/purposes.toml",
        "BROADCAST_RATE": "1000",
    }


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its content, to see later whether one was made or changed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk that is soon full; skips the test where none may be mounted."""
    folder.mkdir()
    tried = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip("nobody may mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """A file that nobody may write, root neither; skips the test where root may not mount."""
    if os.geteuid() != 0:
        path.chmod(0o400)
        yield
        return
    commands = (["mount", "--bind", path, path], ["mount", "-o", "remount,ro,bind", path])
    for command in commands:
        tried = subprocess.run([str(part) for part in command], capture_output=True, check=False)
        if tried.returncode:
            pytest.skip("root may write everywhere, and may not mount here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
