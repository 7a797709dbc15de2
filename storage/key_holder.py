"""The keystore as a running program uses it: what a command changed on disk is seen at once."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from bot.errors import ConfigurationError
from bot.privacy.keyring import Keyring
from storage import keystore
from storage.keystore import Keystore

log = structlog.get_logger(__name__)
REMEMBERED_SECONDS: Final = 3600.0
"""How long a process can still open what it read before an epoch key was destroyed: an export
reads from one snapshot of the database, and a rotation beside it must not empty the rows."""

Mark = tuple[int, int, int]


class KeystoreHolder:
    """Opens the keystore again whenever the file changed; keeps the last good one otherwise.

    The key-encryption key stays in memory, so that nobody is asked for it again.
    """

    def __init__(self, opened: Keystore, clock: Callable[[], float] = time.monotonic) -> None:
        self._opened = opened
        self._clock = clock
        self._seen: Mark | None = None
        self._told: list[Mark | None] = []
        """The unreadable file that was complained of; at most one."""
        self._retired: dict[int, tuple[bytes, float]] = {}

    def __repr__(self) -> str:
        return f"KeystoreHolder({self._opened.path})"

    def __call__(self) -> Keystore:
        mark = self._mark()
        if mark != self._seen and self._reload(mark):
            self._seen = mark
        if self._retired:
            self._forget()
        return self._opened

    def keyring(self) -> Keyring:
        return self().keyring

    def _mark(self) -> Mark | None:
        try:
            found = self._opened.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _reload(self, mark: Mark | None) -> bool:
        try:
            fresh = keystore.open_keystore(self._opened.path, self._opened.kek)
        except ConfigurationError as error:
            if mark not in self._told:
                log.error("keystore.unreadable", why=str(error), hint="the former keys are used")
            self._told = [mark]
            return False
        self._told = []
        until = self._clock() + REMEMBERED_SECONDS
        for generation, key in self._opened.keyring.epochs.items():
            if generation not in fresh.made and generation not in self._retired:
                self._retired[generation] = key, until
        self._opened = self._with_retired(fresh)
        return True

    def _forget(self) -> None:
        now = self._clock()
        kept = {number: held for number, held in self._retired.items() if held[1] > now}
        if len(kept) < len(self._retired):
            self._retired = kept
            self._opened = self._with_retired(self._opened)

    def _with_retired(self, opened: Keystore) -> Keystore:
        ring = opened.keyring
        epochs = {number: ring.epochs[number] for number in opened.made}
        retired = {number: key for number, (key, _) in self._retired.items()}
        return replace(opened, keyring=replace(ring, epochs=retired | epochs))
