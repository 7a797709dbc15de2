"""The settings: all faults at once, each with its name and what to do; secrets never told."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from bot.settings import Settings, load_settings

TOKEN = "123456:canary_token_AAAABBBBCCCCDDDD"
NEEDED = {"BOT_TOKEN": TOKEN, "OWNER_IDS": "1001"}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without .env, and an environment without settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def faults(*, for_run: bool = True) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(for_run=for_run)
    return caught.value.faults


WRONG = {
    "BOT_TOKEN": ["secret-without-colon", "123456:", "123456:with space", ":abc", "bot1:abc"],
    "BOT_API_URL": ["ftp://x", "example.org", "http://", "http://h/path", "http://h:99999"],
    "OWNER_IDS": ["me", "1,two", "-5", "0", "1;2", "1.5", "١"],
    "DATABASE_URL": ["sqlite:///x.db", "mysql://x", "x.db", "postgresql://x"],
    "DEFAULT_LOCALE": ["de", "RU-ru"],
    "TIMEZONE": ["Moscow", "../etc/passwd", "Europe/Nowhere"],
    "BROADCAST_RATE": ["0", "-1", "fast", "nan", "inf"],
    "SEND_CONCURRENCY": ["0", "1001", "many", "1.5"],
    "PAID_BROADCAST": ["maybe"],
    "LOG_ORIGIN": ["a b", "a+b", "a\tb"],
    "STAMP_URL": [
        "tsa.example",
        "ftp://tsa.example",
        "https://",
        "https://me:secret@tsa.example",
        "https://tsa.example/?key=1",
        f"https://tsa.example/{'a' * 250}",
    ],
    "STAMP_ROOTS_FILE": ["nowhere.pem", ".", "/dev/null"],
    "STAMP_EVERY": ["1h", "3600", "PT4M59S", "P31D", "P1M", "-PT1H"],
    "CHECKPOINT_CHANNEL": ["tea", "@1tea", "@te", "-100123", "https://t.me/tea", "@tea shop"],
    "WEB_BIND": ["8443", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000", ":80"],
    "PUBLIC_URL": ["http://example.org", "example.org"],
    "WEBHOOK_SECRET": ["with space", "x" * 257, "Ж"],
    "LOG_FORMAT": ["xml"],
    "LOG_LEVEL": ["loud"],
}
SECRETS = ("BOT_TOKEN", "WEBHOOK_SECRET")


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_one_line_with_the_name_of_the_setting(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, **(NEEDED | {name: value}))
    [line] = faults()
    assert line.startswith(f"{name}: ")
    assert "\n" not in line
    assert len(line) > len(name) + 12, "it says what to do"
    if name in SECRETS:
        assert value not in line


def test_every_fault_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **{name: values[0] for name, values in WRONG.items()})
    found = faults()
    assert [line.split(":")[0] for line in found] == sorted(WRONG)
    assert not any("secret-without-colon" in line for line in found)


def test_what_run_needs_is_named_also_when_others_are_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(monkeypatch, TIMEZONE="Moscow")
    assert [line.split(":")[0] for line in faults()] == ["BOT_TOKEN", "OWNER_IDS", "TIMEZONE"]
    assert [line.split(":")[0] for line in faults(for_run=False)] == ["TIMEZONE"]


@pytest.mark.parametrize("owners", ["", " ", ",", " , "])
def test_an_empty_list_of_owners_is_a_missing_one(
    owners: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, BOT_TOKEN=TOKEN, OWNER_IDS=owners)
    [line] = faults()
    assert line.startswith("OWNER_IDS: missing")


def test_commands_beside_run_need_no_token() -> None:
    assert load_settings(for_run=False).bot_token is None


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load_settings(for_run=False)
    assert settings.bot_api_url == "https://api.telegram.org"
    assert settings.database_url == "sqlite+aiosqlite:///data/assent.db"
    assert settings.key_file == Path("keys/assent.key")
    assert settings.keystore.parent == settings.key_file.parent
    assert settings.purposes_file == Path("purposes.toml")
    assert (settings.default_locale, settings.timezone) == ("ru", "Europe/Moscow")
    assert (settings.broadcast_rate, settings.send_concurrency) == (30, 30)
    assert settings.paid_broadcast is False
    assert (settings.log_format, settings.log_level) == ("console", "info")
    assert settings.stamp_url is settings.stamp_roots_file is settings.checkpoint_channel is None
    assert settings.stamp_every == timedelta(hours=1)
    assert settings.web_bind is settings.public_url is settings.webhook_secret is None


def test_env_of_the_working_directory_is_read_and_the_environment_wins(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty_folder.joinpath(".env").write_text(
        f"# comment\nBOT_TOKEN={TOKEN}\nOWNER_IDS=1, 2\nTIMEZONE='Asia/Omsk'\nNOT_OURS=1\n"
    )
    put(monkeypatch, OWNER_IDS="7")
    settings = load_settings(for_run=True)
    assert settings.owner_ids == (7,)
    assert settings.timezone == "Asia/Omsk"


def test_a_faulty_env_file_is_told_as_the_environment_is(empty_folder: Path) -> None:
    empty_folder.joinpath(".env").write_text("BOT_TOKEN=nonsense-secret\n")
    found = faults()
    assert [line.split(":")[0] for line in found] == ["BOT_TOKEN", "OWNER_IDS"]
    assert "nonsense-secret" not in "".join(found)


@pytest.mark.parametrize("content", [b"\xff\xfeB\x00O\x00", b"BOT_TOKEN=\xd6\xff\n"])
def test_an_env_file_that_is_not_utf_8_is_a_fault_with_its_name(
    content: bytes, empty_folder: Path
) -> None:
    empty_folder.joinpath(".env").write_bytes(content)
    [line] = faults()
    assert line.startswith(".env: ")


def test_an_empty_value_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, **NEEDED, TIMEZONE="", BROADCAST_RATE="", WEB_BIND="", KEY_COMMAND="")
    settings = load_settings(for_run=True)
    assert settings.timezone == "Europe/Moscow"
    assert settings.key_command is None


@pytest.mark.parametrize(
    "places",
    [
        {"KEY_FILE": "data/assent.key", "KEYSTORE_FILE": "keys/store.json"},
        {"KEY_FILE": "data/inner/assent.key", "KEYSTORE_FILE": "keys/store.json"},
        {"KEY_FILE": "keys/../data/assent.key", "KEYSTORE_FILE": "keys/store.json"},
        {"KEYSTORE_FILE": "data/store.json"},
        {"DATABASE_URL": "sqlite+aiosqlite:///keys/assent.db", "KEYSTORE_FILE": "k/store.json"},
    ],
)
def test_key_and_keystore_never_lie_in_the_folder_of_the_database(
    places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, **places)
    [line] = faults(for_run=False)
    wrong = "KEYSTORE_FILE" if "data" in places.get("KEYSTORE_FILE", "") else "KEY_FILE"
    assert line.startswith(f"{wrong}: it lies in the folder of the database")


def test_a_link_into_the_folder_of_the_database_does_not_hide_the_key(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_folder / "data").mkdir()
    (empty_folder / "keys").symlink_to("data")
    put(monkeypatch, KEYSTORE_FILE="apart/store.json")
    [line] = faults(for_run=False)
    assert line.startswith("KEY_FILE: it lies in the folder of the database")


def test_both_in_the_folder_of_the_database_are_both_told(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, KEY_FILE="data/assent.key")
    assert [line.split(":")[0] for line in faults(for_run=False)] == ["KEYSTORE_FILE", "KEY_FILE"]


@pytest.mark.parametrize("other", ["KEY_FILE", "KEY_COMMAND"])
def test_the_key_is_not_given_twice(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, KEY="c2VjcmV0", **{other: "keys/other"})
    [line] = faults(for_run=False)
    assert line.startswith(f"KEY: the key is given twice, by {other} too")
    assert "c2VjcmV0" not in line


def test_a_key_in_the_environment_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, KEY="c2VjcmV0")
    settings = load_settings(for_run=False)
    assert not settings.has_key_file
    assert "c2VjcmV0" not in repr(settings)


def test_on_postgresql_the_key_may_lie_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, DATABASE_URL="postgresql+asyncpg://u:p@h/assent", KEY_FILE="data/assent.key")
    assert load_settings(for_run=False).database_path is None


def test_what_does_not_belong_together_is_told_beside_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(monkeypatch, TIMEZONE="Moscow", KEY_FILE="data/a.key", KEYSTORE_FILE="keys/store.json")
    put(monkeypatch, PUBLIC_URL="https://bot.example", WEB_BIND="8443")
    names = ["KEY_FILE", "TIMEZONE", "WEBHOOK_SECRET", "WEB_BIND"]
    assert [line.split(":")[0] for line in faults(for_run=False)] == names


def test_a_database_that_is_not_understood_makes_no_other_setting_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(monkeypatch, DATABASE_URL="keys/assent.db", KEY_FILE="data/assent.key")
    assert [line.split(":")[0] for line in faults(for_run=False)] == ["DATABASE_URL"]


def test_a_webhook_without_a_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, PUBLIC_URL="https://bot.example", WEB_BIND="127.0.0.1:8443")
    [line] = faults(for_run=False)
    assert line.startswith("WEBHOOK_SECRET: missing")


def test_a_webhook_without_a_place_to_listen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, PUBLIC_URL="https://bot.example", WEBHOOK_SECRET="s")
    [line] = faults(for_run=False)
    assert line.startswith("WEB_BIND: missing")


@pytest.mark.parametrize(("rate", "warns"), [("0.5", False), ("30", False), ("30.5", True)])
def test_any_positive_rate_is_fine_and_above_30_is_warned_about(
    rate: str, monkeypatch: pytest.MonkeyPatch, *, warns: bool
) -> None:
    put(monkeypatch, BROADCAST_RATE=rate)
    settings = load_settings(for_run=False)
    assert settings.broadcast_rate == float(rate)
    assert [line.split(":")[0] for line in settings.warnings] == ["BROADCAST_RATE"] * warns


def test_who_pays_for_more_is_not_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, BROADCAST_RATE="500", PAID_BROADCAST="1")
    assert load_settings(for_run=False).warnings == []


def test_settings_can_be_shown_without_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    put(
        monkeypatch,
        **NEEDED,
        KEY_COMMAND="show-key canary-command",
        WEBHOOK_SECRET="canary-webhook",
    )
    shown = repr(load_settings(for_run=True))
    assert "canary" not in shown
    assert TOKEN.split(":")[1] not in shown
