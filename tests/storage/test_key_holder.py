"""The keystore in a running program: changes on disk are seen, a bad file changes nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.errors import ConfigurationError
from storage import key_changes, keystore
from storage.key_holder import REMEMBERED_SECONDS, KeystoreHolder
from storage.keystore import Keystore

KEK = b"k" * 32
AT = datetime(2026, 11, 24, tzinfo=UTC)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    return keystore.create(tmp_path / "assent.keystore.json", KEK, "assent/tea", AT)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def holder(store: Keystore, clock: Clock) -> KeystoreHolder:
    return KeystoreHolder(store, clock)


def test_an_unchanged_file_is_not_opened_again(holder: KeystoreHolder) -> None:
    assert holder() is holder()


def test_a_new_epoch_is_seen_at_the_next_use(holder: KeystoreHolder, store: Keystore) -> None:
    assert holder.keyring().generation == 1
    key_changes.begin_epoch(store, AT)
    assert holder.keyring().generation == 2
    assert holder().retiring == (1,)


def test_a_destroyed_epoch_key_is_remembered_for_an_hour_only(
    holder: KeystoreHolder, store: Keystore, clock: Clock
) -> None:
    wrapped = holder.keyring().wrap(b"d" * 32)
    key_changes.begin_epoch(store, AT)
    holder()
    key_changes.destroy_epochs(store, {1})
    assert holder.keyring().unwrap(wrapped) == b"d" * 32
    assert holder().retiring == (), "what is remembered is not in the file"
    clock.now = REMEMBERED_SECONDS - 1
    assert set(holder.keyring().epochs) == {1, 2}
    clock.now = REMEMBERED_SECONDS
    assert set(holder.keyring().epochs) == {2}


@pytest.mark.parametrize("text", ["", "{", '{"format": 1}', None])
def test_a_bad_file_leaves_the_keys_in_use_and_is_told_once(
    holder: KeystoreHolder, store: Keystore, text: str | None
) -> None:
    good = store.path.read_bytes()
    before = holder.keyring()
    if text is None:
        store.path.unlink()
    else:
        store.path.write_text(text)
    with capture_logs() as lines:
        for _ in range(3):
            assert holder.keyring() == before
    assert [line["event"] for line in lines] == ["keystore.unreadable"]
    store.path.write_bytes(good)
    key_changes.begin_epoch(store, AT)
    assert holder.keyring().generation == 2


def test_a_file_under_another_key_leaves_the_keys_in_use(
    holder: KeystoreHolder, store: Keystore
) -> None:
    before = holder.keyring()
    key_changes.rewrap(store, b"n" * 32)
    with capture_logs() as lines:
        assert holder.keyring() == before
    assert len(lines) == 1
    assert keystore.open_keystore(store.path, b"n" * 32).keyring == before


def test_another_key_opens_everything_and_the_former_nothing(store: Keystore) -> None:
    key_changes.begin_epoch(store, AT)
    key_changes.prepare_successor(store, None, lost=None)
    before = keystore.open_keystore(store.path, KEK)
    key_changes.rewrap(before, b"n" * 32)
    after = keystore.open_keystore(store.path, b"n" * 32)
    assert after.keyring == before.keyring
    assert after.successor == before.successor
    with pytest.raises(ConfigurationError):
        keystore.open_keystore(store.path, KEK)


def test_a_keystore_that_another_key_wraps_is_not_wrapped_by_accident(store: Keystore) -> None:
    before = store.path.read_bytes()
    key_changes.rewrap(store, b"n" * 32)
    after = store.path.read_bytes()
    assert before != after
    with pytest.raises(ConfigurationError):
        key_changes.begin_epoch(store, AT)
    assert store.path.read_bytes() == after


def test_neither_holder_nor_keystore_prints_a_key(holder: KeystoreHolder, store: Keystore) -> None:
    shown = repr(holder) + repr(store)
    assert KEK.hex() not in shown
    assert repr(KEK) not in shown


def test_every_new_file_is_its_owners(store: Keystore) -> None:
    key_changes.begin_epoch(store, AT)
    key_changes.prepare_successor(store, None, lost=None)
    key_changes.rewrap(store, b"n" * 32)
    assert store.path.stat().st_mode & 0o077 == 0
