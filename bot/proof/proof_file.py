"""A person's own proof as a small text file (C2SP tlog-proof): entry, opening, path, checkpoint."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.proof import canonical, checkpoint, entry, merkle, note, notice
from bot.proof.checkpoint import Checkpoint
from bot.proof.entry import Entry
from bot.proof.errors import Contradiction, UnusableFile
from bot.proof.note import VerifierKey
from bot.proof.payload import CONSENT

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_BYTES: Final = 1_000_000
MAX_PATH: Final = 63
SALT: Final = re.compile(r"[0-9a-f]{64}")
GIVEN: Final = frozenset({"granted", "confirmed"})
EXTRA_KEYS: Final = frozenset({"entry", "salt", "payload", "notice", "key", "stamps"})
STAMP_KEYS: Final = frozenset({"authority", "kind", "token"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a proof file says, checked."""

    index: int
    entry: Entry
    payload: Mapping[str, Any]
    notice: Mapping[str, Any] | None
    checkpoint: Checkpoint
    key: VerifierKey
    stamps: tuple[tuple[bytes, bytes], ...] = ()
    """RFC 3161 tokens, not checked here, each with the signed note that it is for."""


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
    stamps: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """Compose the file. The checkpoint is the signed note of a tree that holds the entry.

    `stamps`: the address of each time authority, and its token on exactly this checkpoint.
    """
    extra = {
        "entry": hashed.decode(),
        "salt": salt.hex(),
        "payload": dict(payload),
        "notice": None if notice is None else dict(notice),
        "key": str(key),
        "stamps": [
            {"authority": authority, "kind": "rfc3161", "token": base64.b64encode(token).decode()}
            for authority, token in stamps
        ],
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
    if str(key) != extra["key"]:
        raise UnusableFile("a proof file whose key is not in form")
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
        stamps=tuple((token, signed) for token in _tokens(extra["stamps"])),
    )


def _tokens(stamps: Any) -> list[bytes]:
    is_in_form = isinstance(stamps, list) and all(
        isinstance(each, dict)
        and each.keys() == STAMP_KEYS
        and each["kind"] == "rfc3161"
        and all(isinstance(value, str) for value in each.values())
        for each in stamps
    )
    if not is_in_form:
        raise UnusableFile("a proof file whose stamps are not in form")
    return [_base64(each["token"].encode()) for each in stamps]


def check_opening(
    index: int,
    read: Entry,
    salt_hex: Any,
    payload: Any,
    *,
    written: bytes | None = None,
    shown_sha256: Callable[[Any], str] = notice.shown_sha256,
) -> None:
    """Raise Contradiction unless salt and payload are what the entry committed to.

    `written` is the payload in RFC 8785 form, where the caller has it already.
    """
    # One spelling only: bytes.fromhex would also take capitals and spaces.
    if not isinstance(salt_hex, str) or not SALT.fullmatch(salt_hex):
        raise UnusableFile(f"entry {index}: its salt is not in form")
    if not isinstance(payload, dict):
        raise UnusableFile(f"entry {index}: its payload is not in form")
    if written is None:
        written = canonical.canonical_bytes(payload)
    found = entry.commitment_to(bytes.fromhex(salt_hex), written)
    if found != read.commitment:
        raise Contradiction(
            f"entry {index}: the payload was changed or belongs to another entry; "
            f"its commitment is {found}, expected {read.commitment}"
        )
    event = payload.get("event")
    is_named = event is not None or read.type.startswith(CONSENT)
    if is_named and read.type != f"{CONSENT}{event}":
        raise Contradiction(f"entry {index}: of type {read.type}, but it says {event!r}")
    if event in GIVEN and payload.get("method") == "import":
        raise Contradiction(f"entry {index}: {event} by import, which creates no consent")
    shown, named = payload.get("shown"), payload.get("shown_sha256")
    try:
        shown_hash = None if shown is None else shown_sha256(shown)
    except UnusableFile as error:
        raise Contradiction(f"entry {index}: {error}") from error
    if shown_hash != named:
        raise Contradiction(
            f"entry {index}: what was shown has hash {shown_hash}, it names {named}"
        )


def _check_notice(index: int, payload: Mapping[str, Any], text: Any) -> None:
    if text is not None:
        notice.check_named(index, payload, notice.read(text))
    elif payload.get("notice_sha256") is not None:
        raise Contradiction(f"entry {index}: the text that it names is not in the file")


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
