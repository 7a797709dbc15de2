"""The keystore file: wrapped epoch keys, index key, signing key, and the last signed tree.

It lies apart from the database and its backups (promise 6). The last signed tree is written
and synced before a signature leaves the process, so that a restored database cannot fork the
log.
"""

import base64
import os
import shlex
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap

from bot.errors import AssentError, ConfigurationError, phrase
from bot.privacy.keyring import Keyring
from bot.proof import note
from bot.proof.note import VerifierKey
from storage import keystore_file
from storage.keystore_file import FORMAT, KEY_BYTES, Facts, fresh_key, locked, unwrap, wrap

COMMAND_SECONDS: Final = 30
OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class TreeRolledBack(AssentError):
    """The log is shorter than, or differs from, what was signed before: it is not signed."""

    message_key = phrase(
        "The log cannot be signed now, so there is no proof and no bundle: the database was put "
        "back from an older copy. Answers are recorded all the same. Whoever runs this bot finds "
        "what to do with the commands “doctor” and “keys status”."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTree:
    """The size and root that were signed last, and when, where that is known."""

    size: int
    root: bytes
    at: datetime | None = field(default=None, compare=False)


# --- the key-encryption key -------------------------------------------------------------------


def create_kek(path: Path) -> bytes:
    """Make a key-encryption key; keep it at `path`, readable by the owner only."""
    kek = fresh_key()
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
    return decode_kek(text, "KEY_FILE")


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
    return decode_kek(done.stdout, "KEY_COMMAND")


def decode_kek(text: bytes, setting: str) -> bytes:
    """Read a key as it is written. Raises ConfigurationError naming the setting, not the key."""
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
class Successor:
    """A signing key that takes over once the log has the entry that names it."""

    origin: str
    change: Mapping[str, Any]
    """The payload of that entry, but for the software."""

    @property
    def vkey(self) -> str:
        return str(self.change["new"])

    @property
    def is_after_loss(self) -> bool:
        return "lost" in self.change


@dataclass(frozen=True, slots=True, kw_only=True)
class Keystore:
    """An opened keystore. `repr` is empty: it must not reach a log."""

    path: Path
    kek: bytes
    origin: str
    keyring: Keyring
    made: Mapping[int, datetime]
    """When each epoch key in the file was made, by generation."""
    changes: tuple[Mapping[str, Any], ...]
    """Every change of the signing key so far: the payloads of the `key.changed` entries."""
    successor: Successor | None

    def __repr__(self) -> str:
        return f"Keystore({self.path})"

    @property
    def retiring(self) -> tuple[int, ...]:
        """Generations that a rotation has still to destroy."""
        return tuple(sorted(self.made.keys() - {self.keyring.generation}))

    @property
    def key(self) -> VerifierKey:
        """The public key that signs now."""
        return note.verifier_key(self.origin, self.keyring.signing_seed)

    @property
    def former_keys(self) -> tuple[VerifierKey, ...]:
        """The public keys that signed before, oldest first."""
        return tuple(note.parse_key(change["old"]) for change in self.changes)

    @property
    def origins(self) -> frozenset[str]:
        """Every name that the log has had, and the one that it is about to take."""
        names = {self.origin, *(key.name for key in self.former_keys)}
        return frozenset(names if self.successor is None else names | {self.successor.origin})

    def is_succeeded(self, signer: str | None) -> bool:
        """Whether the log names the key in waiting as its signer already."""
        return self.successor is not None and self.successor.vkey == signer

    def last_signed(self) -> SignedTree | None:
        return _signed_tree(keystore_file.read(self.path))

    def sign_tree(
        self,
        tree: SignedTree,
        extends: Callable[[SignedTree], bool],
        sign: Callable[[str, bytes], str],
        *,
        seen: SignedTree | None = None,
        signer: str | None = None,
    ) -> str:
        """Return the signature of a tree that continues the last signed one.

        `extends` says whether the tree begins with the one given; `sign` gets the origin and the
        seed; `seen` is the last signature that the database knows, and counts if it is the
        larger; `signer` is the key that the log itself names, if it was ever changed. A key in
        waiting that the log names takes over here, in the same write, so that no tree is ever
        signed by the wrong one of two. Raises TreeRolledBack.
        """
        with locked(self.path):
            facts = keystore_file.read(self.path)
            opened = open_facts(self.path, self.kek, facts)
            last = larger(_signed_tree(facts), seen)
            succeeds = opened.is_succeeded(signer)
            if succeeds and opened.successor is not None and opened.successor.is_after_loss:
                last = None  # the entry in the log names what was lost: a new log begins
            if last is not None:
                _refuse_fork(last, tree, extends)
            if succeeds:
                adopt_successor(facts)
                opened = open_facts(self.path, self.kek, facts)
            elif signer != (str(opened.key) if opened.changes else None):
                raise TreeRolledBack("the log and the keystore disagree about who signs")
            facts["last_signed"] = _as_facts(tree)
            keystore_file.write(self.path, facts)
            return sign(opened.origin, opened.keyring.signing_seed)


def larger(one: SignedTree | None, other: SignedTree | None) -> SignedTree | None:
    """Return the one of more entries; the first where there are as many."""
    if one is None or other is None:
        return one or other
    return other if other.size > one.size else one


def _refuse_fork(last: SignedTree, tree: SignedTree, extends: Callable[[SignedTree], bool]) -> None:
    if tree.size < last.size:
        raise TreeRolledBack(
            f"the log has {tree.size} entries, but {last.size} were signed before; "
            "see `keys status`"
        )
    if not extends(last):
        raise TreeRolledBack(
            f"the log differs from the one signed at {last.size} entries; see `keys status`"
        )


def adopt_successor(facts: Facts) -> None:
    """Let the key in waiting sign from now on; the seed of the former is gone with the write."""
    waiting = facts["successor"]
    facts |= {
        "origin": waiting["origin"],
        "signing_key": waiting["signing_key"],
        "changes": [*facts["changes"], waiting["change"]],
        "successor": None,
    }


def create(path: Path, kek: bytes, origin: str, at: datetime) -> Keystore:
    """Make a keystore with fresh keys. Raises FileExistsError when there is one."""
    if path.exists():
        raise FileExistsError(path)
    facts = {
        "format": FORMAT,
        "origin": origin,
        "generation": 1,
        "epochs": {"1": {"created": at.isoformat(), "wrapped": wrap(kek, fresh_key())}},
        "index_key": wrap(kek, fresh_key()),
        "signing_key": wrap(kek, fresh_key()),
        "changes": [],
        "successor": None,
        "last_signed": None,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        keystore_file.write(path, facts)
    return open_keystore(path, kek)


def open_keystore(path: Path, kek: bytes) -> Keystore:
    """Open the keystore. Raises ConfigurationError when the key is not the one it was made with."""
    return open_facts(path, kek, keystore_file.read(path))


def open_facts(path: Path, kek: bytes, facts: Facts) -> Keystore:
    """Open what was read. Raises ConfigurationError."""
    try:
        epochs = {int(number): epoch for number, epoch in facts["epochs"].items()}
        keyring = Keyring(
            epochs={number: unwrap(kek, epoch["wrapped"]) for number, epoch in epochs.items()},
            generation=facts["generation"],
            index_key=unwrap(kek, facts["index_key"]),
            signing_seed=unwrap(kek, facts["signing_key"]),
        )
        epochs[facts["generation"]]  # or it is damaged: what wraps would be missing
        waiting = facts["successor"]
        return Keystore(
            path=path,
            kek=kek,
            origin=facts["origin"],
            keyring=keyring,
            made={
                number: datetime.fromisoformat(epoch["created"]) for number, epoch in epochs.items()
            },
            changes=tuple(facts["changes"]),
            successor=None
            if waiting is None
            else Successor(origin=waiting["origin"], change=waiting["change"]),
        )
    except InvalidUnwrap as error:
        raise ConfigurationError(
            [f"KEY_FILE: this key does not open {path}; use the key it was made with"]
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            [f"KEYSTORE_FILE: {path} is damaged; restore it from its backup"]
        ) from error


def _signed_tree(facts: Facts) -> SignedTree | None:
    last = facts["last_signed"]
    if last is None:
        return None
    at = last.get("at")
    return SignedTree(
        size=last["size"],
        root=bytes.fromhex(last["root"]),
        at=None if at is None else datetime.fromisoformat(at),
    )


def _as_facts(tree: SignedTree) -> Facts:
    at = None if tree.at is None else tree.at.isoformat()
    return {"size": tree.size, "root": tree.root.hex(), "at": at}
