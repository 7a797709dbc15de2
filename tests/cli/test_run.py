"""`run`, started as a service manager starts it: from any folder, ended by signals."""

import asyncio
import signal
import socket
import sqlite3
import stat
from pathlib import Path

import pytest
from program import Program
from shop import OWNER_ID, TOKEN

from bot.sandbox.server import Sandbox, make_server

ADDRESS = "https://t.me/tea_shop_bot"


@pytest.fixture
def online(program: Program, telegram: Sandbox) -> Program:
    program.environment["BOT_API_URL"] = telegram.url
    return program


@pytest.fixture
def known(used: Program, telegram: Sandbox) -> Program:
    """A shop whose database has people in it."""
    used.environment["BOT_API_URL"] = telegram.url
    return used


async def test_it_tells_its_address_and_ends_with_0_on_sigterm(
    online: Program, telegram: Sandbox, files: Path
) -> None:
    async with online.started("run") as bot:
        await bot.says(ADDRESS)
        anna = telegram.person(2001, "Wilhelmina", last_name="Quaxby")
        await anna.start("spring-2026")
        await anna.wait(lambda m: m.button("Agree") is not None, seconds=30)
        ended = await bot.end(signal.SIGTERM)
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert lines[-1] == ADDRESS
    key_file = files / "keys" / "assent.key"
    assert str(key_file) in lines[0], "a new key is said with its place"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    with sqlite3.connect(files / "data" / "assent.db") as database:
        assert database.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    for secret in (TOKEN, TOKEN.split(":")[1], "2001", str(OWNER_ID), "Wilhelmina", "Quaxby"):
        assert secret not in ended.out + ended.err
    assert "Traceback" not in ended.err


async def test_the_working_directory_stays_empty(online: Program) -> None:
    async with online.started("run") as bot:
        await bot.says(ADDRESS)
        await bot.end(signal.SIGTERM)
    assert list(online.folder.iterdir()) == []


async def test_it_ends_with_130_on_ctrl_c(online: Program) -> None:
    async with online.started("run") as bot:
        await bot.says(ADDRESS)
        ended = await bot.end(signal.SIGINT)
    assert ended.status == 130
    assert "Traceback" not in ended.err


async def test_env_in_the_working_directory_is_read(online: Program) -> None:
    lines = [f"{name}={value}" for name, value in online.environment.items()]
    online.environment = {}
    online.folder.joinpath(".env").write_text("\n".join(lines))
    async with online.started("run") as bot:
        await bot.says(ADDRESS)
        assert (await bot.end(signal.SIGTERM)).status == 0


async def test_a_token_that_telegram_refuses_ends_it_with_a_line(online: Program) -> None:
    ended = await online.run("run", BOT_TOKEN="123456:another_token_AAAABBBBCCCCDDDD")
    assert ended.status == 2
    [line] = ended.faults
    assert line.startswith("BOT_TOKEN:")
    assert "another_token" not in ended.err


async def test_missing_settings_are_all_named(program: Program) -> None:
    program.environment = {}
    ended = await program.run("run")
    assert ended.status == 2
    names = [line.split(":")[0] for line in ended.faults]
    assert names == ["BOT_TOKEN", "OWNER_IDS", "PURPOSES_FILE"]


async def test_a_faulty_purposes_file_is_refused_fault_by_fault(
    online: Program, files: Path
) -> None:
    path = files / "purposes.toml"
    text = path.read_text()
    path.write_text(
        text.replace('inn = "7707083893"', 'inn = "7707083894"').replace(
            'kind = "advertising"', 'kind = "spam"'
        )
    )
    ended = await online.run("run")
    assert ended.status == 2
    assert any("controller.inn" in line for line in ended.faults)
    assert any("purpose[offers].kind" in line for line in ended.faults)
    assert all(str(path) in line for line in ended.faults)
    assert not (files / "data" / "assent.db").exists(), "nothing is made for a start that fails"


async def test_an_api_that_is_down_at_the_start_is_waited_for(online: Program) -> None:
    telegram = Sandbox(token=TOKEN)
    server = make_server(telegram, 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server.config.port = port
    async with online.started("run", BOT_API_URL=f"http://127.0.0.1:{port}") as bot:
        await bot.says("telegram.unreachable")
        assert not bot.is_over
        serving = asyncio.ensure_future(server.serve())
        try:
            await bot.says(ADDRESS)
            anna = telegram.person(2001, "Anna")
            await anna.start()
            await anna.wait(lambda m: m.button("Agree") is not None, seconds=30)
            assert (await bot.end(signal.SIGTERM)).status == 0
        finally:
            server.should_exit = server.force_exit = True
            telegram.hang_up()
            await serving


async def test_it_can_be_stopped_while_it_waits_for_the_api(program: Program) -> None:
    async with program.started("run") as bot:
        await bot.says("telegram.unreachable")
        ended = await bot.end(signal.SIGTERM)
    assert ended.status == 0
    assert "Traceback" not in ended.err


async def test_a_second_run_is_refused_and_other_commands_work_beside_it(
    online: Program, tmp_path: Path
) -> None:
    async with online.started("run") as bot:
        await bot.says("assent.running")
        second = await online.run("run")
        assert second.status == 2
        [line] = second.faults
        assert line.startswith("DATABASE_URL: another `run`")
        for command in (
            ("doctor",),
            ("export", "--out", f"{tmp_path}/log.csv"),
            ("db", "upgrade"),
        ):
            done = await online.run(*command)
            assert done.status == 0, (command, done.out, done.err)
        assert not bot.is_over


async def test_a_missing_key_beside_known_people_is_refused(known: Program, tmp_path: Path) -> None:
    key_file = tmp_path / "files" / "keys" / "assent.key"
    key_file.unlink()
    ended = await known.run("run")
    assert ended.status == 2
    [line] = ended.faults
    assert line.startswith(f"KEY_FILE: {key_file} is missing")
    assert not key_file.exists()


async def test_a_missing_keystore_beside_known_people_is_refused(
    known: Program, tmp_path: Path
) -> None:
    keystore = tmp_path / "files" / "keys" / "assent.keystore.json"
    keystore.unlink()
    ended = await known.run("run")
    assert ended.status == 2
    [line] = ended.faults
    assert line.startswith(f"KEYSTORE_FILE: {keystore} is missing")


async def test_a_key_that_others_can_read_is_refused(known: Program, tmp_path: Path) -> None:
    key_file = tmp_path / "files" / "keys" / "assent.key"
    key_file.chmod(0o644)
    ended = await known.run("run")
    assert ended.status == 2
    [line] = ended.faults
    assert line == f"KEY_FILE: {key_file} can be read by others; run: chmod 600 {key_file}"


async def test_another_key_is_refused_without_showing_what_a_command_printed(
    known: Program,
) -> None:
    printed = "c2VjcmV0IG91dHB1dCBvZiB0aGUga2V5IGNvbW1hbmQ="
    short = await known.run("run", KEY_COMMAND=f"echo {printed}")
    failing = await known.run("run", KEY_COMMAND="false")
    for ended in (short, failing):
        assert ended.status == 2
        [line] = ended.faults
        assert line.startswith(("KEY_COMMAND:", "KEY_FILE:"))
        assert printed not in ended.err


async def test_the_name_of_the_log_is_fixed_at_the_first_start(known: Program) -> None:
    ended = await known.run("run", LOG_ORIGIN="another/name")
    assert ended.status == 2
    [line] = ended.faults
    assert line.startswith("LOG_ORIGIN: the log is called assent/tea_shop_bot")
