"""The whole product on this machine: simulator, chat page and bot in one; keeps nothing."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from bot.errors import ConfigurationError
from bot.sandbox.page import page_routes
from bot.sandbox.server import Sandbox, serve
from bot.settings import Settings
from bot.supervisor import Supervisor

EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples"
TOKEN: Final = "4242:demo_token_of_the_simulator"  # noqa: S105 the simulator's, worth nothing
OWNER_ID: Final = 1001
CAPTIONS: Final = {2001: "customer", 2002: "customer", OWNER_ID: "owner of the shop"}
TIPS: Final = (
    "In Anna's chat press НАЧАТЬ (start), read what the shop asks for, press «Соглашаюсь».",
    (
        "In Olga's chat (she owns the shop) press START, send /broadcast, choose Offers and "
        "discounts, write a message, look at the preview, press Send now and Yes, send."
    ),
    "See it arrive at Anna's. Press «Отписаться» under it, broadcast again: it stays away.",
    (
        "Ask for the proof: /mydata at Ben's or Anna's; /export at Olga's, save the zip and run "
        ".venv/bin/python -m bot verify on it."
    ),
)


async def run(port: int, tell: Callable[[str], None]) -> None:
    """Run until cancelled. Raises ConfigurationError when the port is taken."""
    sandbox = Sandbox(token=TOKEN, name="Чайная лавка")
    people = (
        sandbox.person(2001, "Анна", last_name="Котова", username="anna_k", language_code="ru"),
        sandbox.person(2002, "Ben", last_name="Carter", username="ben_c", language_code="en"),
        sandbox.person(OWNER_ID, "Olga", last_name="Chaikina", language_code="en"),
    )
    tell(f"http://127.0.0.1:{port}")
    from bot.app import running  # noqa: PLC0415 loads for seconds: the address is told before

    folder = Path(tempfile.mkdtemp(prefix="assent-demo-"))
    try:
        routes = page_routes(sandbox, people, tips=TIPS, captions=CAPTIONS)
        async with serve(sandbox, port, extra=lambda: routes):
            _say_what_to_try(tell)
            async with Supervisor() as tasks:
                tasks.start(running.run(_settings(sandbox.url, folder), _ignore), name="bot")
                await asyncio.Event().wait()
    except OSError as error:
        raise ConfigurationError(
            [f"--port: {port} is taken ({error.strerror}); choose another: --port {port + 1}"]
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _say_what_to_try(tell: Callable[[str], None]) -> None:
    tell("Open this page. Two customers and the owner of a tea shop are in it; try this:")
    for number, tip in enumerate(TIPS, start=1):
        tell(f"  {number}. {tip}")
    tell("Ctrl+C ends it; nothing is kept.")


def _ignore(_line: str) -> None:
    """What `run` says (the t.me address, the new key) means nothing in a demo."""


def _settings(api_url: str, folder: Path) -> Settings:
    """The settings of a demo: whatever the environment says stays out of it."""
    return Settings(
        _env_file=None,
        bot_token=SecretStr(TOKEN),
        bot_api_url=api_url,
        owner_ids=(OWNER_ID,),
        database_url=f"sqlite+aiosqlite:///{folder}/data/assent.db",
        key_file=folder / "keys" / "assent.key",
        key_command=None,
        key=None,
        keystore_file=None,
        purposes_file=EXAMPLE / "purposes.toml",
        default_locale="ru",
        timezone="Europe/Moscow",
        broadcast_rate=30,
        send_concurrency=30,
        paid_broadcast=False,
        log_origin=None,
        web_bind=None,
        public_url=None,
        webhook_secret=None,
        log_format="console",
        log_level="warning",
    )
