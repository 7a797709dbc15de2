"""C2SP signed notes with Ed25519: a text and who vouches for it (c2sp.org/signed-note)."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from bot.proof.errors import Contradiction, UnusableFile

ED25519: Final = b"\x01"
MAX_BYTES: Final = 1_000_000
MAX_SIGNATURES: Final = 100
SEPARATOR: Final = "\n\n"
DASH: Final = "— "
NAME: Final = re.compile(r"[^\s+]+")
KEY_HASH_BYTES: Final = 4
FIRST_PRINTABLE: Final = 0x20
"""Below are ASCII control characters, which no note may have (C2SP signed-note)."""
ED25519_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name, as `name+hash+key` (C2SP: vkey)."""

    name: str
    key_hash: bytes
    public: bytes

    def __str__(self) -> str:
        data = base64.b64encode(ED25519 + self.public).decode()
        return f"{self.name}+{self.key_hash.hex()}+{data}"

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the public key, in groups that can be read aloud."""
        digest = hashlib.sha256(self.public).hexdigest()
        return " ".join(digest[start : start + 8] for start in range(0, 64, 8))


def key_hash(name: str, public: bytes) -> bytes:
    digest = hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()
    return digest[:KEY_HASH_BYTES]


def verifier_key(name: str, seed: bytes) -> VerifierKey:
    """Derive the public key that belongs to a private seed of 32 bytes."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return VerifierKey(name, key_hash(name, public), public)


def parse_key(text: str) -> VerifierKey:
    """Read a vkey. Raises UnusableFile, saying what is wrong with it."""
    name, _, rest = text.strip().partition("+")
    hash_text, _, key_text = rest.partition("+")
    data = _base64(key_text)
    if not NAME.fullmatch(name) or not re.fullmatch(r"[0-9a-f]{8}", hash_text) or data is None:
        raise UnusableFile("not a verifier key (name+hash+key)")
    if data[:1] != ED25519 or len(data) != 1 + ED25519_BYTES:
        raise UnusableFile("a verifier key that is not Ed25519")
    key = VerifierKey(name, bytes.fromhex(hash_text), data[1:])
    if key_hash(name, key.public) != key.key_hash:
        raise UnusableFile("a verifier key whose hash does not fit the key")
    return key


def sign(text: str, name: str, seed: bytes) -> str:
    """Return the signed note of a text, which must end in a line end."""
    if not text.endswith("\n") or not _is_printable(text) or not NAME.fullmatch(name):
        raise UnusableFile("this text or name cannot be signed as a note")
    key = verifier_key(name, seed)
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(text.encode())
    blob = base64.b64encode(key.key_hash + signature).decode()
    return f"{text}\n{DASH}{name} {blob}\n"


def verify(note: bytes, *keys: VerifierKey) -> str:
    """Return the text of a note that one of the keys signed.

    Signatures of unknown keys are passed over; a wrong one of a known key spoils the note.
    Raises UnusableFile for what is not a note, Contradiction for one that is not vouched for.
    """
    text, lines = _split(note)
    known = {(key.name, key.key_hash): key for key in keys}
    verified: set[tuple[str, bytes]] = set()
    for line in lines:
        name, blob = _signature(line)
        signer = (name, blob[:KEY_HASH_BYTES])
        if signer not in known or signer in verified:
            continue
        _check(known[signer], blob[KEY_HASH_BYTES:], text)
        verified.add(signer)
    if not verified:
        raise Contradiction("the note is signed by none of the given keys")
    return text


def text_of(note: bytes) -> str:
    """Return the text of a note, whoever signed it. Raises UnusableFile for what is none."""
    return _split(note)[0]


def _split(note: bytes) -> tuple[str, list[str]]:
    if len(note) > MAX_BYTES:
        raise UnusableFile(f"a note of {len(note)} bytes, at most {MAX_BYTES} are read")
    try:
        content = note.decode()
    except UnicodeDecodeError as error:
        raise UnusableFile("a note that is not UTF-8") from error
    if not _is_printable(content):
        raise UnusableFile("a note with control characters")
    at = content.rfind(SEPARATOR)
    if at < 0 or not content.endswith("\n"):
        raise UnusableFile("a note without signatures")
    lines = content[at + len(SEPARATOR) :].split("\n")[:-1]
    if not lines or len(lines) > MAX_SIGNATURES:
        raise UnusableFile(f"a note with {len(lines)} signatures")
    return content[: at + 1], lines


def _signature(line: str) -> tuple[str, bytes]:
    if not line.startswith(DASH):
        raise UnusableFile("a line among the signatures that is none")
    name, _, blob_text = line[len(DASH) :].partition(" ")
    blob = _base64(blob_text)
    if not NAME.fullmatch(name) or blob is None or len(blob) <= KEY_HASH_BYTES:
        raise UnusableFile("a signature line that is not in form")
    return name, blob


def _check(key: VerifierKey, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
    except InvalidSignature as error:
        raise Contradiction(f"the signature of {key.name} does not fit the text") from error


def _is_printable(text: str) -> bool:
    return all(character == "\n" or ord(character) >= FIRST_PRINTABLE for character in text)


def _base64(text: str) -> bytes | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # One spelling only: unused bits must be zero, or a changed byte would go unseen.
    return data if base64.b64encode(data).decode() == text else None
