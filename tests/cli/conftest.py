"""A shop's files and a place to start the program from."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from program import Program, settings_of
from shop import EXAMPLE, TOKEN, open_shop

from bot.sandbox.server import Sandbox, serve

NOWHERE = "http://127.0.0.1:9"
"""Nobody listens on the discard port."""
PROOF = "anna.tlog-proof"


@pytest.fixture
async def telegram() -> AsyncIterator[Sandbox]:
    async with serve(Sandbox(token=TOKEN)) as sandbox:
        yield sandbox


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files of a shop that was never opened; its owner has put their own contact in."""
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "files"))
    purposes = folder / "purposes.toml"
    purposes.write_text(purposes.read_text().replace("privacy@tea.example", "me@tea-shop.test"))
    return folder


@pytest.fixture
def program(files: Path, tmp_path: Path) -> Program:
    """The program in an empty working directory, its API out of reach."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    return Program(elsewhere, settings_of(files, NOWHERE))


@pytest.fixture(scope="session")
def used_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a shop that three customers have answered; copy them before changing them."""
    folder = tmp_path_factory.mktemp("used")
    with ThreadPoolExecutor() as apart:
        apart.submit(asyncio.run, _serve_customers(folder)).result()
    return folder


async def _serve_customers(folder: Path) -> None:
    async with open_shop(folder) as shop:
        shop.change_purposes("privacy@tea.example", "me@tea-shop.test")
        await shop.open()
        anna, ben, eve = (shop.customer(number) for number in (1, 2, 3))
        await shop.answer_all(anna, source="spring-2026")
        await shop.answer_all(ben, "agree", "decline", "agree")
        await shop.say(ben, "/stop", "unsubscribed")
        await shop.answer_all(eve)
        await shop.say(eve, "/forget", "Delete everything?")
        await shop.press(eve, "Delete everything")
        await eve.wait("deleted")
        await anna.press("Proof")
        handed = await anna.wait(lambda m: m.file_id is not None)
        (folder / PROOF).write_bytes(anna.file(handed))


@pytest.fixture
def used(used_files: Path, tmp_path: Path) -> Program:
    """The program beside a copy of the files of a shop that has customers."""
    folder = shutil.copytree(used_files, tmp_path / "files")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    return Program(elsewhere, settings_of(Path(folder), NOWHERE))


@pytest.fixture
def proof(used: Program, tmp_path: Path) -> Path:
    """The proof that a customer was handed."""
    del used
    return tmp_path / "files" / PROOF
