"""Wrapping under the epoch key that is in force, whatever a rotation does beside it."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import AssentError
from bot.privacy.keyring import Keyring
from storage import keys


class KeystoreOutdated(AssentError):
    """The database was rotated to an epoch key that this keystore does not have."""


async def wrapping_keyring(tx: AsyncConnection, keyring: Callable[[], Keyring]) -> Keyring:
    """Return the keys to wrap with; no rotation destroys them before the end of `tx`.

    The keys are asked for after the lock is held: the keystore on disk is always ahead of what
    the database demands. Raises KeystoreOutdated.
    """
    needed = await keys.wrapping_generation(tx)
    ring = keyring()
    if ring.generation < needed:
        raise KeystoreOutdated(
            f"KEYSTORE_FILE: it ends with epoch key {ring.generation}, the database needs "
            f"{needed}: an older copy was put there; put back the newest one"
        )
    return ring
