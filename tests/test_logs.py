"""The logs: structured, to standard error, and nobody can be recognised in them."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot import logs
from bot.errors import AssentError

TOKEN = "123456:canary_token_AAAABBBBCCCCDDDD"
PHONE = "+79990001122"


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Give the logging of the tests themselves back."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    yield
    root.handlers, root.level = handlers, level
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)
    structlog.reset_defaults()


def foreign_error() -> None:
    raise ValueError(f"row {PHONE} of Anna")


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_lines_go_to_standard_error_only(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(log_format, "info")
    structlog.get_logger("bot.x").info("something.happened", count=3)
    out, err = capsys.readouterr()
    assert out == ""
    assert "something.happened" in err


def test_json_has_one_object_a_line_with_time_level_and_logger(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("json", "info")
    structlog.get_logger("bot.x").info("one", text="line\nbreak")
    logging.getLogger("bot.y").warning("two %s", "things")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["one", "two things"]
    assert [line["level"] for line in lines] == ["info", "warning"]
    assert [line["logger"] for line in lines] == ["bot.x", "bot.y"]
    assert all(line["timestamp"].endswith("Z") for line in lines)


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_value_cannot_begin_a_line_of_its_own(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(log_format, "info")
    structlog.get_logger("bot.x").info("one", text="a\nforged.line level=error")
    assert not any(line.startswith("forged.line") for line in capsys.readouterr().err.splitlines())


@pytest.mark.parametrize(("level", "heard"), [("debug", 3), ("info", 2), ("error", 1)])
def test_the_level_is_kept(level: str, heard: int, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", level)
    log = structlog.get_logger("bot.x")
    log.debug("a")
    log.info("b")
    log.error("c")
    assert len(capsys.readouterr().err.splitlines()) == heard


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_an_error_is_told_by_class_and_place_never_by_its_words(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(log_format, "debug")
    try:
        foreign_error()
    except ValueError:
        structlog.get_logger("bot.x").exception("it.failed")
        logging.getLogger("bot.y").exception("it.failed.too")
        logging.getLogger("aiogram").exception("quoting %s", PHONE)
    err = capsys.readouterr().err
    assert err.count("ValueError") == 3
    assert all("test_logs.py:" in line for line in err.splitlines())
    assert PHONE not in err
    assert "Anna" not in err
    assert "Traceback" not in err


def test_our_own_detail_and_the_class_of_the_cause_are_told() -> None:
    try:
        try:
            foreign_error()
        except ValueError as error:
            raise AssentError("entry 7 is gone") from error
    except AssentError as error:
        facts = logs.describe(error)
    assert facts["error"] == "AssentError"
    assert facts["detail"] == "entry 7 is gone"
    assert facts["cause"] == "ValueError"
    assert PHONE not in str(facts)


@pytest.mark.parametrize("name", [*logs.QUIET, "somebody.else"])
def test_foreign_lines_tell_who_speaks_not_what(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("json", "debug")
    logging.getLogger(f"{name}.inner").error("update of %s", PHONE, extra={"user": PHONE})
    [line] = capsys.readouterr().err.splitlines()
    assert PHONE not in line
    assert json.loads(line)["event"] == f"{name}.inner reported a problem"


def test_foreign_chatter_is_not_heard_even_at_debug(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "debug")
    for name in logs.QUIET:
        logging.getLogger(name).warning("about %s", PHONE)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_tokens_and_configured_secrets_are_hidden_wherever_they_stand(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(log_format, "info", ["canary-secret"])
    log = structlog.get_logger("bot.x")
    log.info(TOKEN, url=f"/bot{TOKEN}/x", why="canary-secret!")
    log.info("nested", facts={"url": f"/bot{TOKEN}/x", "list": ["canary-secret"]})
    logging.getLogger("bot.y").info("token %s", TOKEN)
    err = capsys.readouterr().err
    assert TOKEN.split(":")[1] not in err
    assert "canary-secret" not in err
    assert err.count(logs.HIDDEN) >= 5
