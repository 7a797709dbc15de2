"""The bytes of the keystore: read as a whole, replaced as a whole, one writer at a time."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

from bot.errors import ConfigurationError

FORMAT: Final = 1
KEY_BYTES: Final = 32
Facts = dict[str, Any]


def fresh_key() -> bytes:
    return os.urandom(KEY_BYTES)


def wrap(kek: bytes, key: bytes) -> str:
    return aes_key_wrap(kek, key).hex()


def unwrap(kek: bytes, wrapped: str) -> bytes:
    """Open a key. Raises InvalidUnwrap for another key-encryption key, ValueError for damage."""
    return aes_key_unwrap(kek, bytes.fromhex(wrapped))


def read(path: Path) -> Facts:
    """Read the file. Raises ConfigurationError."""
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


def write(path: Path, facts: Facts) -> None:
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
def locked(path: Path) -> Iterator[None]:
    """Keep every other process of ours away from the file."""
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
