"""The keystore file: wrapped epoch keys, index key, signing key, and the last signed tree.

It lies apart from the database and its backups (promise 6). The last signed tree is written
and synced before a signature leaves the process, so that a restored database cannot fork the
log.
"""

import base64
import fcntl
import json
import os
import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from bot.errors import AssentError, ConfigurationError
from bot.privacy.keyring import Keyring

KEY_BYTES: Final = 32
COMMAND_SECONDS: Final = 30
FORMAT: Final = 1
OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class TreeRolledBack(AssentError):
    """The log is shorter than, or differs from, what was signed before: it is not signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTree:
    """The size and root that were signed last."""

    size: int
    root: bytes


# --- the key-encryption key -------------------------------------------------------------------


def create_kek(path: Path) -> bytes:
    """Make a key-encryption key; keep it at `path`, readable by the owner only."""
    kek = os.urandom(KEY_BYTES)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(kek) + b"\n")
        os.fsync(file.fileno())
    return kek


def read_kek(path: Path) -> bytes:
    """Read the key of KEY_FILE. Raises ConfigurationError, naming what is wrong."""
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            [f"KEY_FILE: {path} cannot be read ({error.strerror}); restore it from its backup"]
        ) from error
    if mode & OPEN_TO_OTHERS:
        raise ConfigurationError([f"KEY_FILE: {path} can be read by others; run: chmod 600 {path}"])
    return _decode_kek(text, "KEY_FILE")


def ask_kek(command: str) -> bytes:
    """Run KEY_COMMAND and read the key it prints. Raises ConfigurationError."""
    try:
        done = subprocess.run(  # noqa: S603 the operator's own command
            shlex.split(command), capture_output=True, timeout=COMMAND_SECONDS, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise ConfigurationError(
            [f"KEY_COMMAND: it failed ({type(error).__name__}); run it by hand to see why"]
        ) from error
    return _decode_kek(done.stdout, "KEY_COMMAND")


def _decode_kek(text: bytes, setting: str) -> bytes:
    try:
        kek = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        kek = b""
    if len(kek) != KEY_BYTES:
        raise ConfigurationError(
            [f"{setting}: not a key; it must be {KEY_BYTES} random bytes in base64, one line"]
        )
    return kek


# --- the file ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Keystore:
    """An opened keystore. `repr` is empty: it must not reach a log."""

    path: Path
    origin: str
    keyring: Keyring

    def __repr__(self) -> str:
        return f"Keystore({self.path})"

    def last_signed(self) -> SignedTree | None:
        return _signed_tree(_read(self.path))

    def sign_tree(
        self,
        tree: SignedTree,
        extends: Callable[[SignedTree], bool],
        sign: Callable[[], str],
    ) -> str:
        """Return the signature of a tree that continues the last signed one.

        `extends` says whether the tree begins with the one given. Raises TreeRolledBack.
        """
        with _locked(self.path):
            facts = _read(self.path)
            last = _signed_tree(facts)
            if last is not None:
                _refuse_fork(last, tree, extends)
            facts["last_signed"] = {"size": tree.size, "root": tree.root.hex()}
            _write(self.path, facts)
            return sign()


def _refuse_fork(last: SignedTree, tree: SignedTree, extends: Callable[[SignedTree], bool]) -> None:
    if tree.size < last.size:
        raise TreeRolledBack(f"the log has {tree.size} entries, but {last.size} were signed before")
    if not extends(last):
        raise TreeRolledBack(f"the log differs from the one signed at {last.size} entries")


def create(path: Path, kek: bytes, origin: str, at: datetime) -> Keystore:
    """Make a keystore with fresh keys. Raises FileExistsError when there is one."""
    if path.exists():
        raise FileExistsError(path)
    epoch, index_key, seed = (os.urandom(KEY_BYTES) for _ in range(3))
    facts = {
        "format": FORMAT,
        "origin": origin,
        "generation": 1,
        "epochs": {"1": {"created": at.isoformat(), "wrapped": _wrap(kek, epoch)}},
        "index_key": _wrap(kek, index_key),
        "signing_key": _wrap(kek, seed),
        "last_signed": None,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        _write(path, facts)
    return open_keystore(path, kek)


def open_keystore(path: Path, kek: bytes) -> Keystore:
    """Open the keystore. Raises ConfigurationError when the key is not the one it was made with."""
    facts = _read(path)
    try:
        keyring = Keyring(
            epochs={
                int(number): _unwrap(kek, epoch["wrapped"])
                for number, epoch in facts["epochs"].items()
            },
            generation=facts["generation"],
            index_key=_unwrap(kek, facts["index_key"]),
            signing_seed=_unwrap(kek, facts["signing_key"]),
        )
        return Keystore(path=path, origin=facts["origin"], keyring=keyring)
    except InvalidUnwrap as error:
        raise ConfigurationError(
            [f"KEY_FILE: this key does not open {path}; use the key it was made with"]
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            [f"KEYSTORE_FILE: {path} is damaged; restore it from its backup"]
        ) from error


def _wrap(kek: bytes, key: bytes) -> str:
    return aes_key_wrap(kek, key).hex()


def _unwrap(kek: bytes, wrapped: str) -> bytes:
    return aes_key_unwrap(kek, bytes.fromhex(wrapped))


def _signed_tree(facts: dict[str, Any]) -> SignedTree | None:
    last = facts["last_signed"]
    return None if last is None else SignedTree(size=last["size"], root=bytes.fromhex(last["root"]))


def _read(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            [f"KEYSTORE_FILE: {path} cannot be read; restore it from its backup"]
        ) from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise ConfigurationError(
            [f"KEYSTORE_FILE: {path} is not a keystore of this version of Assent"]
        )
    return facts


def _write(path: Path, facts: dict[str, Any]) -> None:
    """Replace the file as a whole, and only once the new one is on the disk."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(facts, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep every other process of ours away from the file."""
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
