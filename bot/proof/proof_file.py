"""A person's own proof as a small text file (C2SP tlog-proof): entry, opening, path, checkpoint."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.proof import canonical, checkpoint, entry, merkle, note, notice
from bot.proof.checkpoint import Checkpoint
from bot.proof.entry import Entry
from bot.proof.errors import Contradiction, UnusableFile
from bot.proof.note import VerifierKey

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_BYTES: Final = 1_000_000
MAX_PATH: Final = 63
EXTRA_KEYS: Final = frozenset({"entry", "salt", "payload", "notice", "key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a proof file says, checked."""

    index: int
    entry: Entry
    payload: Mapping[str, Any]
    notice: Mapping[str, Any] | None
    checkpoint: Checkpoint
    key: VerifierKey


def write(
    *,
    index: int,
    hashed: bytes,
    salt: bytes,
    payload: Mapping[str, Any],
    notice: Mapping[str, Any] | None,
    path: Sequence[bytes],
    checkpoint: str,
    key: VerifierKey,
) -> bytes:
    """Compose the file. The checkpoint is the signed note of a tree that holds the entry."""
    extra = {
        "entry": hashed.decode(),
        "salt": salt.hex(),
        "payload": dict(payload),
        "notice": None if notice is None else dict(notice),
        "key": str(key),
    }
    lines = [
        HEADER,
        "extra " + base64.b64encode(canonical.canonical_bytes(extra)).decode(),
        f"index {index}",
        *(base64.b64encode(value).decode() for value in path),
        "",
        checkpoint,
    ]
    return "\n".join(lines).encode()


def verify(data: bytes, trusted: VerifierKey | None = None) -> Proof:
    """Check a proof file as a whole; without a key, against the one in the file.

    Raises UnusableFile for what is no proof, Contradiction for one that does not hold.
    """
    extra, index, path, signed = _read(data)
    key = note.parse_key(extra["key"])
    if trusted is not None and trusted != key:
        raise Contradiction(f"signed with another key: {key}, expected {trusted}")
    head = checkpoint.verify(signed, key)
    if head.origin != key.name:
        raise Contradiction(f"a checkpoint of {head.origin}, signed by {key.name}")
    read = entry.parse(extra["entry"].encode())
    merkle.verify_inclusion(index, head.size, read.leaf, path, head.root)
    check_opening(index, read, extra["salt"], extra["payload"])
    _check_notice(index, extra["payload"], extra["notice"])
    return Proof(
        index=index,
        entry=read,
        payload=extra["payload"],
        notice=extra["notice"],
        checkpoint=head,
        key=key,
    )


def check_opening(index: int, read: Entry, salt_hex: Any, payload: Any) -> None:
    """Raise Contradiction unless salt and payload are what the entry committed to."""
    try:
        salt = bytes.fromhex(salt_hex)
    except (TypeError, ValueError) as error:
        raise UnusableFile(f"entry {index}: its salt is not in form") from error
    if not isinstance(payload, dict):
        raise UnusableFile(f"entry {index}: its payload is not in form")
    found = entry.commitment(salt, payload)
    if found != read.commitment:
        raise Contradiction(
            f"entry {index}: the payload was changed or belongs to another entry; "
            f"its commitment is {found}, expected {read.commitment}"
        )
    event = payload.get("event")
    if event is not None and read.type != f"consent.{event}":
        raise Contradiction(f"entry {index}: of type {read.type}, but it says {event!r}")
    shown = payload.get("shown")
    if shown is not None and notice.shown_sha256(shown) != payload.get("shown_sha256"):
        raise Contradiction(f"entry {index}: what was shown does not have the hash it names")


def _check_notice(index: int, payload: Mapping[str, Any], text: Any) -> None:
    if text is None:
        return
    if not isinstance(text, dict):
        raise UnusableFile(f"entry {index}: its notice is not in form")
    found = canonical.sha256_hex(notice.notice_canonical(text))
    if found != payload.get("notice_sha256"):
        raise Contradiction(
            f"entry {index}: the text has hash {found}, "
            f"agreed to was {payload.get('notice_sha256')}"
        )


def _read(data: bytes) -> tuple[dict[str, Any], int, list[bytes], bytes]:
    if len(data) > MAX_BYTES:
        raise UnusableFile(f"a proof of {len(data)} bytes; at most {MAX_BYTES} are read")
    head, separator, signed = data.partition(b"\n\n")
    lines = head.split(b"\n")
    if not separator or lines[0] != HEADER.encode() or len(lines) < 3:  # noqa: PLR2004
        raise UnusableFile("not a proof file")
    if not lines[1].startswith(b"extra ") or not lines[2].startswith(b"index "):
        raise UnusableFile("a proof file without its entry or index")
    extra = canonical.parse(_base64(lines[1].removeprefix(b"extra ")))
    if not isinstance(extra, dict) or extra.keys() != EXTRA_KEYS:
        raise UnusableFile("a proof file whose entry is not in form")
    if not isinstance(extra["entry"], str) or not isinstance(extra["key"], str):
        raise UnusableFile("a proof file whose entry is not in form")
    index = lines[2].removeprefix(b"index ")
    if not checkpoint.SIZE.fullmatch(index.decode("ascii", "replace")):
        raise UnusableFile("a proof file whose index is not a number")
    if len(lines) - 3 > MAX_PATH:
        raise UnusableFile("a proof file with too many hashes")
    return extra, int(index), [_base64(line) for line in lines[3:]], signed


def _base64(text: bytes) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise UnusableFile("a line that is not base64") from error
    if base64.b64encode(data) != text:
        raise UnusableFile("a line that is not base64 in its one spelling")
    return data
