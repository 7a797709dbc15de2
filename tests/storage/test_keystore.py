"""The keystore: opens with its key only, survives a crash, and never signs a fork."""

import base64
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest

from bot.errors import ConfigurationError
from storage import keystore
from storage.keystore import Keystore, SignedTree, TreeRolledBack

KEK = b"k" * 32
AT = datetime(2026, 11, 24, tzinfo=UTC)
SEVEN = SignedTree(size=7, root=b"7" * 32)
NINE = SignedTree(size=9, root=b"9" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    return keystore.create(tmp_path / "assent.keystore.json", KEK, "assent/tea", AT)


def begins_with(known: SignedTree) -> bool:
    """The log of these tests: its seventh and ninth trees are SEVEN and NINE."""
    return known in (SEVEN, NINE)


def sign(store: Keystore, tree: SignedTree) -> str:
    return store.sign_tree(tree, begins_with, lambda _origin, _seed: f"signed {tree.size}")


def never(_origin: str, _seed: bytes) -> NoReturn:
    raise AssertionError("a tree was signed that must not be")


# --- the key-encryption key


def test_a_new_key_is_read_back_and_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "assent.key"
    kek = keystore.create_kek(path)
    assert len(kek) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().count(b"\n") == 1
    assert keystore.read_kek(path) == kek


def test_a_key_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "assent.key"
    kek = keystore.create_kek(path)
    with pytest.raises(FileExistsError):
        keystore.create_kek(path)
    assert keystore.read_kek(path) == kek


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_touch_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "assent.key"
    keystore.create_kek(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"^KEY_FILE: .*chmod 600 {path}"):
        keystore.read_kek(path)


@pytest.mark.parametrize(
    "text",
    [b"", b"canary", base64.b64encode(b"canary" * 5), b"\xff\xfe", base64.b64encode(KEK) * 2],
)
def test_a_damaged_key_is_named_and_not_shown(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "assent.key"
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=r"^KEY_FILE: not a key") as caught:
        keystore.read_kek(path)
    assert "canary" not in str(caught.value)
    assert not text or text.decode("latin-1") not in str(caught.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^KEY_FILE: .*cannot be read"):
        keystore.read_kek(tmp_path / "assent.key")


def test_a_command_can_hold_the_key(tmp_path: Path) -> None:
    path = tmp_path / "a key.txt"
    path.write_bytes(base64.b64encode(KEK) + b"\n")
    assert keystore.ask_kek(f"cat '{path}'") == KEK


@pytest.mark.parametrize(
    "command",
    [
        "sh -c 'echo canary; echo canary >&2; exit 3'",
        "echo canary",
        "/nowhere/canary",
        "cat 'canary",
    ],
)
def test_a_command_that_fails_is_named_and_its_words_are_not_shown(command: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^KEY_COMMAND: ") as caught:
        keystore.ask_kek(command)
    assert "canary" not in str(caught.value)


# --- the file


def test_what_was_created_opens_with_the_same_keys(store: Keystore) -> None:
    again = keystore.open_keystore(store.path, KEK)
    assert again == store
    assert again.origin == "assent/tea"
    assert again.keyring.generation in again.keyring.epochs


def test_every_keystore_has_keys_of_its_own(store: Keystore, tmp_path: Path) -> None:
    other = keystore.create(tmp_path / "other.json", KEK, "assent/tea", AT)
    keys = [
        key
        for ring in (store.keyring, other.keyring)
        for key in (ring.epoch_key, ring.index_key, ring.signing_seed)
    ]
    assert len(set(keys)) == 6


def test_no_key_is_in_the_file_in_clear(store: Keystore) -> None:
    raw = store.path.read_bytes()
    for key in (store.keyring.epoch_key, store.keyring.index_key, store.keyring.signing_seed, KEK):
        assert key not in raw
        assert key.hex().encode() not in raw
        assert base64.b64encode(key) not in raw


def test_the_file_is_nobody_elses_also_after_a_signature(store: Keystore) -> None:
    sign(store, SEVEN)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_another_key_does_not_open_it_and_the_setting_is_named(store: Keystore) -> None:
    with pytest.raises(ConfigurationError, match=f"^KEY_FILE: .*{store.path}"):
        keystore.open_keystore(store.path, b"x" * 32)


def test_a_keystore_is_never_made_anew_over_another(store: Keystore) -> None:
    before = store.path.read_bytes()
    with pytest.raises(FileExistsError):
        keystore.create(store.path, KEK, "assent/tea", AT)
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"format": 2}', '{"format": 1}'])
def test_a_damaged_keystore_is_named(store: Keystore, text: str) -> None:
    store.path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"^KEYSTORE_FILE: "):
        keystore.open_keystore(store.path, KEK)


@pytest.mark.parametrize("name", ["index_key", "signing_key"])
def test_a_changed_key_inside_is_refused(store: Keystore, name: str) -> None:
    facts = json.loads(store.path.read_text())
    facts[name] = "00" * 40
    store.path.write_text(json.dumps(facts))
    with pytest.raises(ConfigurationError):
        keystore.open_keystore(store.path, KEK)


def test_a_keystore_cannot_be_printed_by_accident(store: Keystore) -> None:
    assert store.keyring.index_key.hex() not in repr(store)
    assert "epochs" not in repr(store)


# --- what was signed last


def test_a_growing_log_is_signed(store: Keystore) -> None:
    assert store.last_signed() is None
    assert sign(store, SEVEN) == "signed 7"
    assert sign(store, NINE) == "signed 9"
    assert keystore.open_keystore(store.path, KEK).last_signed() == NINE


def test_the_same_tree_may_be_signed_again(store: Keystore) -> None:
    sign(store, SEVEN)
    assert sign(store, SEVEN) == "signed 7"


def test_a_shorter_log_is_never_signed(store: Keystore) -> None:
    sign(store, NINE)
    with pytest.raises(TreeRolledBack, match=r"7 entries.*9"):
        store.sign_tree(SEVEN, begins_with, never)
    assert store.last_signed() == NINE


@pytest.mark.parametrize("size", [7, 9])
def test_a_log_that_differs_from_the_signed_one_is_never_signed(store: Keystore, size: int) -> None:
    sign(store, SEVEN)
    fork = SignedTree(size=size, root=b"f" * 32)
    with pytest.raises(TreeRolledBack):
        store.sign_tree(fork, lambda known: known == fork, never)
    assert store.last_signed() == SEVEN


def test_what_is_signed_is_on_the_disk_before_the_signature_exists(store: Keystore) -> None:
    def look(_origin: str, _seed: bytes) -> str:
        seen = keystore.open_keystore(store.path, KEK).last_signed()
        return "kept" if seen == SEVEN else "not kept"

    assert store.sign_tree(SEVEN, begins_with, look) == "kept"


def test_a_signature_that_failed_still_counts_as_given(store: Keystore) -> None:
    """It may have left the process before it died: a fork of it must be refused."""
    with pytest.raises(AssertionError):
        store.sign_tree(SEVEN, begins_with, never)
    assert store.last_signed() == SEVEN


def test_signing_keeps_the_keys(store: Keystore) -> None:
    sign(store, SEVEN)
    assert keystore.open_keystore(store.path, KEK).keyring == store.keyring


def test_a_crash_while_writing_leaves_the_file_whole(store: Keystore) -> None:
    """A torn new file beside the keystore is what a crash leaves; it is not looked at."""
    sign(store, SEVEN)
    store.path.with_name(store.path.name + ".new").write_text('{"format"')
    assert keystore.open_keystore(store.path, KEK).last_signed() == SEVEN
    assert sign(store, NINE) == "signed 9"


FORKER = """
import sys
from pathlib import Path
from storage import keystore
from storage.keystore import SignedTree, TreeRolledBack
store = keystore.open_keystore(Path(sys.argv[1]), b"k" * 32)
mine = SignedTree(size=5, root=bytes([int(sys.argv[2])]) * 32)
input()
try:
    store.sign_tree(mine, lambda known: known == mine, lambda *_: print("signed") or "")
except TreeRolledBack:
    print("refused")
"""


def test_of_two_processes_with_different_logs_one_is_signed(store: Keystore) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", FORKER, str(store.path), number],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        for number in ("1", "2")
    ]
    said = [process.communicate("go\n", timeout=60)[0].strip() for process in both]
    assert sorted(said) == ["refused", "signed"]
