"""What the program says about itself, and about what cannot be done as asked."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from program import Program

from bot.cli.program import entry, main

SELF_EVIDENT = {"--port", "--out", "--version", "--help"}


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))


ALL = list(commands(main))


def found(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself_and_its_options(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry([*path, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"Usage: assent {' '.join(path)}".strip())
    command = found(path)
    assert command.help
    assert command.help.split("\n\n")[0].rstrip()[-1] in ".;:", "it begins with a sentence"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help or parameter.opts[0] in SELF_EVIDENT, parameter.opts


def test_the_commands_are_those_of_the_contract() -> None:
    paths = {" ".join(path) for path in ALL}
    assert {"run", "demo", "doctor", "purposes check", "export", "verify", "db upgrade"} <= paths


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run", "--nonsense"],
        ["run", "extra"],
        ["run", "--role", "king"],
        ["demo", "--port", "http"],
        ["export"],
        ["export", "--out"],
        ["export", "--out", "x.csv", "--format", "xlsx"],
        ["export", "--out", "x.csv", "--from", "yesterday"],
        ["export", "--out", "x.csv", "--from", "2026-02-30"],
        ["export", "--out", "x.csv", "--from", "2026-11-24T10:00:00"],
        ["verify"],
        ["verify", "x", "--key", "not a key"],
        ["purposes", "nonsense"],
        ["purposes", "check", "a", "b"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_as_asked_is_one_line_and_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.strip()


@pytest.mark.parametrize("arguments", [[], ["db"], ["purposes"]], ids=" ".join)
def test_a_command_that_is_not_complete_shows_its_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry(arguments) == 2
    out, err = capsys.readouterr()
    assert "Usage: assent" in out + err
    assert "Commands:" in out + err


async def test_assent_and_python_m_bot_are_the_same(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("assent")
    installed = await Program(tmp_path / "here", command=(str(script),)).run("--help")
    module = await Program(tmp_path / "there").run("--help")
    assert (installed.status, installed.err) == (0, "")
    assert installed.out == module.out
    version = await Program(tmp_path / "here", command=(str(script),)).run("--version")
    assert version.status == 0
    assert version.out.startswith("assent, version ")


async def test_a_fault_of_ours_is_one_line_without_what_it_was_about(program: Program) -> None:
    """An exception that nobody expected may quote anything: only its class and place are told."""
    secret = "Quaxby +79990001122"
    program.command = (
        sys.executable,
        "-c",
        f"""
import bot.cli.running, bot.__main__
def failing(**_):
    raise ZeroDivisionError({secret!r})
bot.cli.running.load_settings = failing
bot.__main__.main()
""",
    )
    ended = await program.run("doctor")
    assert ended.status == 2
    [line] = ended.faults
    assert "ZeroDivisionError" in line
    assert "please report it" in line
    assert "Quaxby" not in line
    assert "9990001122" not in line
