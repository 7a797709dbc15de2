"""What replaces keys inside the keystore: each function is one replacement of the whole file.

An epoch key is destroyed by leaving it out of the next file. Copies of the file that lie
elsewhere are the operator's to replace.
"""

from collections.abc import Collection
from datetime import datetime

from bot.proof import key_change, note
from bot.proof.key_change import LostLog
from storage import keystore, keystore_file
from storage.keystore import Keystore, Successor
from storage.keystore_file import Facts, fresh_key, locked, unwrap, wrap


def begin_epoch(store: Keystore, at: datetime, *, older_than: datetime | None = None) -> bool:
    """Add a fresh epoch key and wrap with it from now on. False: there was nothing to begin.

    Nothing begins while an earlier rotation is not finished, nor where the present key was made
    after `older_than`: somebody else was first.
    """
    with locked(store.path):
        facts = keystore_file.read(store.path)
        opened = keystore.open_facts(store.path, store.kek, facts)
        present = opened.keyring.generation
        if opened.retiring or (older_than is not None and opened.made[present] > older_than):
            return False
        facts["epochs"][str(present + 1)] = {
            "created": at.isoformat(),
            "wrapped": wrap(store.kek, fresh_key()),
        }
        facts["generation"] = present + 1
        keystore_file.write(store.path, facts)
    return True


def destroy_epochs(store: Keystore, generations: Collection[int]) -> None:
    """Leave epoch keys out of the file. The present one stays, whatever is asked."""
    with locked(store.path):
        facts = keystore_file.read(store.path)
        for generation in set(generations) - {facts["generation"]}:
            facts["epochs"].pop(str(generation), None)
        keystore_file.write(store.path, facts)


def prepare_successor(store: Keystore, signer: str | None, *, lost: LostLog | None) -> Successor:
    """Put a fresh signing key into waiting, with the note in which the present one names it.

    One that waits already is taken; after a loss only one that was made for the same loss. One
    that the log names already (`signer`) takes over first.
    """
    with locked(store.path):
        facts = keystore_file.read(store.path)
        opened = keystore.open_facts(store.path, store.kek, facts)
        if lost is not None and opened.is_succeeded(signer):
            keystore.adopt_successor(facts)
            opened = keystore.open_facts(store.path, store.kek, facts)
        waiting = opened.successor
        if waiting is None or waiting.change.get("lost") != (lost and lost.to_json()):
            facts["successor"] = _successor(opened, facts, lost)
            keystore_file.write(store.path, facts)
            waiting = keystore.open_facts(store.path, store.kek, facts).successor
    assert waiting is not None, "just put there"  # noqa: S101
    return waiting


def _successor(opened: Keystore, facts: Facts, lost: LostLog | None) -> Facts:
    origin = opened.origin if lost is None else _next_origin(opened)
    seed = fresh_key()
    change = key_change.payload(
        old_name=opened.origin,
        old_seed=unwrap(opened.kek, facts["signing_key"]),
        new=note.verifier_key(origin, seed),
        lost=lost,
    )
    return {"origin": origin, "signing_key": wrap(opened.kek, seed), "change": change}


def _next_origin(opened: Keystore) -> str:
    """Name the log that follows a lost one: the first name with /2, then /3 and so on."""
    first = opened.former_keys[0].name if opened.changes else opened.origin
    losses = sum("lost" in change for change in opened.changes)
    return f"{first}/{losses + 2}"


def rewrap(store: Keystore, kek: bytes) -> None:
    """Wrap every key of the file by another key-encryption key, all or none."""
    with locked(store.path):
        facts = keystore_file.read(store.path)
        for epoch in facts["epochs"].values():
            epoch["wrapped"] = _rewrapped(store.kek, kek, epoch["wrapped"])
        for name in ("index_key", "signing_key"):
            facts[name] = _rewrapped(store.kek, kek, facts[name])
        if facts["successor"] is not None:
            waiting = facts["successor"]
            waiting["signing_key"] = _rewrapped(store.kek, kek, waiting["signing_key"])
        keystore.open_facts(store.path, kek, facts)  # or nothing is written
        keystore_file.write(store.path, facts)


def _rewrapped(old: bytes, new: bytes, wrapped: str) -> str:
    return wrap(new, unwrap(old, wrapped))
