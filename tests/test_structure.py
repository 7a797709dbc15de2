"""What the shape of the code promises."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 450
SOURCES = sorted(
    path
    for package in ("bot", "handlers", "storage", "locales")
    for path in ROOT.glob(f"{package}/**/*.py")
)
LOCKS = sorted(ROOT.glob("requirements/*.txt"))
HOST = re.compile(r"https?://|\b[a-z0-9-]+(\.[a-z0-9-]+)+:\d+|index-url|trusted-host|find-links")
PLACE = re.compile(r"(?<![\w./])/(home|root|Users|work|tmp)/(?!\w*\.\.\.)\w")
"""A folder of some machine; placeholders like /path/to are fine."""
INDEX = re.compile(r"(?i)index-url|extra-index|trusted-host|artifactory|nexus|devpi|/simple\b")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tracked() -> list[Path]:
    """Files that git carries, and new ones that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and path != Path(__file__)]


def texts() -> dict[Path, str]:
    found = {}
    for path in tracked():
        try:
            found[path.relative_to(ROOT)] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures
    return found


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if "versions" not in path.parts],  # a migration is read once
    ids=named,
)
def test_no_module_is_too_long_to_be_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_data_from_disk_never_runs(path: Path) -> None:
    """No pickle, marshal or shelve; no eval or exec."""
    banned = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & banned
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.module.split(".")[0] not in banned
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}


SQL = re.compile(r"\b(select|insert|update|delete)\(|\b(SELECT|INSERT INTO|DELETE FROM)\b")


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.relative_to(ROOT).parts[0] in {"handlers", "locales"}],
    ids=named,
)
def test_conversations_hold_no_sql(path: Path) -> None:
    text = path.read_text()
    assert not SQL.search(text)
    assert not re.search(r"^(from|import) sqlalchemy(?!\.exc import)", text, re.MULTILINE)
    assert "aiosqlite" not in text


def test_the_verifier_loads_nothing_else_of_the_project() -> None:
    program = (
        "import sys, bot.proof.verifier\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in "
        "{'bot', 'handlers', 'storage', 'locales', 'aiogram', 'sqlalchemy', 'pydantic'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "bot.proof.verifier" in loaded
    assert {name for name in loaded if name != "bot" and not name.startswith("bot.proof")} == set()


def test_help_waits_for_no_telegram_library() -> None:
    """Loading aiogram takes seconds; `verify` and `--help` must not wait for it."""
    program = (
        "import sys, bot.cli.program; print('aiogram' in sys.modules, 'fastapi' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_no_file_names_a_folder_of_some_machine() -> None:
    found = {
        f"{path}: {line.strip()[:100]}"
        for path, text in texts().items()
        for line in text.splitlines()
        if PLACE.search(line)
    }
    assert found == set()


def test_no_file_names_a_package_index() -> None:
    found = {
        f"{path}: {line.strip()[:100]}"
        for path, text in texts().items()
        for line in text.splitlines()
        if INDEX.search(line) and "--no-emit-index-url" not in line
    }
    assert found == set()


@pytest.mark.parametrize("path", LOCKS, ids=named)
def test_lock_files_pin_every_package_by_hash_and_name_no_host(path: Path) -> None:
    text = path.read_text()
    packages = re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^#.*\n", "", text))
    assert len(packages) > 10
    for package in packages:
        assert re.match(r"[a-zA-Z0-9._\[\]-]+==[^\s;]+( ;.*)? \\\n", package), package[:80]
        assert "--hash=sha256:" in package, package[:80]
    assert not HOST.search(text)


def test_what_run_needs_is_locked_the_same_for_developers() -> None:
    pins = [set(re.findall(r"(?m)^([a-z0-9._\[\]-]+==\S+)", path.read_text())) for path in LOCKS]
    assert len(pins) == 2
    dev, run = pins
    names = [{pin.split("==")[0] for pin in file} for file in pins]
    assert {pin for pin in run if pin.split("==")[0] in names[0]} <= dev
