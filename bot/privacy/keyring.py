"""The keys that a running program holds, and what is derived from them.

KEK → epoch key → data key of one person (AES key wrap, RFC 3394) → AES-256-GCM. Only wrapped
data keys are in the database; epoch keys and the index key are in the keystore.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from bot.errors import AssentError


class KeyMissing(AssentError):
    """The epoch key that wraps this data key was destroyed, or is not the right one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """A data key as the database keeps it."""

    generation: int
    wrapped: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Opened keys. `repr` is empty: they must not reach a log."""

    epochs: Mapping[int, bytes]
    generation: int
    index_key: bytes
    signing_seed: bytes

    def __repr__(self) -> str:
        return "Keyring(…)"

    @property
    def epoch_key(self) -> bytes:
        return self.epochs[self.generation]

    def epoch(self, generation: int) -> bytes:
        """Return the epoch key of a generation. Raises KeyMissing."""
        try:
            return self.epochs[generation]
        except KeyError as error:
            raise KeyMissing(f"epoch key {generation} is not in the keystore") from error

    def wrap(self, data_key: bytes) -> WrappedKey:
        wrapped = aes_key_wrap(self.epoch_key, data_key)
        return WrappedKey(generation=self.generation, wrapped=wrapped)

    def unwrap(self, key: WrappedKey) -> bytes:
        """Open a data key. Raises KeyMissing."""
        try:
            return aes_key_unwrap(self.epoch(key.generation), key.wrapped)
        except InvalidUnwrap as error:
            raise KeyMissing(f"epoch key {key.generation} does not open this key") from error

    def account_lookup(self, channel: str, account: str) -> bytes:
        """Blind index of an account: finds it again, tells nothing without the key."""
        return self._keyed("account", channel, account)

    def suppression_hash(self, channel: str, account: str) -> bytes:
        """All that stays of a person who is gone and wants never to be written to again."""
        return self._keyed("suppression", channel, account)

    def _keyed(self, domain: str, channel: str, account: str) -> bytes:
        message = f"assent/{domain}/v1\0{channel}\0{account}".encode()
        return hmac.new(self.index_key, message, hashlib.sha256).digest()
