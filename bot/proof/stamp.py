"""Time stamps on checkpoints by an authority (RFC 3161): asking, and checking what came back.

The imprint is SHA-256 over the bytes of the signed note. The library that follows chains of
certificates is loaded only where a chain is followed or a stamp is asked for.
"""

import hashlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509

from bot.proof import der, signed_data
from bot.proof.errors import Contradiction, UnusableFile

MAX_BYTES: Final = 100_000
"""Tokens have 1 to 10 kB."""
SHA256: Final = bytes.fromhex("0609608648016503040201")
GRANTED: Final = b"\x30\x03\x02\x01\x00"
"""PKIStatusInfo with status 0 (RFC 3161 §2.4.2)."""
IS_GRANTED: Final = (0, 1)
TIME: Final = re.compile(rb"(\d{14})(?:\.(\d{1,9}))?Z", re.ASCII)
MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a token says, checked: the note existed at this time, by the authority's clock."""

    at: datetime
    authority: str
    """The name in the signer's certificate; anybody can write one, unless it `is_trusted`."""
    is_trusted: bool
    """Whether the signer's certificate leads to one of the given roots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """The TSTInfo (RFC 3161 §2.4.2), as far as we rely on it."""

    imprint: bytes
    nonce: int | None
    at: datetime


def request(note: bytes) -> bytes:
    """Return the TimeStampReq for a signed note: a fresh nonce, and certificates are asked for."""
    from rfc3161_client import (  # noqa: PLC0415 see the module's docstring
        HashAlgorithm,
        TimestampRequestBuilder,
    )

    builder = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256)
    return bytes(builder.cert_request(cert_request=True).nonce(nonce=True).build().as_bytes())


def token_of(response: bytes, asked: bytes) -> bytes:
    """Take the token out of the answer to a request, in the one form in which it is kept.

    Status, imprint, nonce and the token's own signature are checked; whose it is, is not: that
    is for `verify_token`. Raises UnusableFile or Contradiction.
    """
    parts = _bounded(response).children()
    status = parts.take(der.SEQUENCE).children().take(der.INTEGER).integer()
    if status not in IS_GRANTED:
        raise Contradiction(f"the authority refused to stamp (status {status})")
    token = signed_data.in_one_form(parts.take(der.SEQUENCE).whole)
    parts.end()
    facts = _facts(signed_data.verify(token).content)
    imprint, nonce = _asked(asked)
    if facts.imprint != imprint:
        raise Contradiction("the authority stamped something else")
    if facts.nonce != nonce:
        raise Contradiction("the authority answered another request (its nonce differs)")
    return token


def verify_token(token: bytes, note: bytes, roots: Sequence[bytes] | None) -> Stamp:
    """Check a TimeStampToken over a signed note.

    Always checked: the form of every part; that the imprint is the SHA-256 of the note; the
    signature, with the key of the certificate that the token carries; that this certificate is
    the one that was signed for (RFC 5035), was made for time stamps only and was valid at the
    time stamped; that the other certificates carried are its issuers, each vouched for by the
    next.

    With `roots` (PEM, each with one certificate or more) the chain must lead to one of them, and
    every certificate must have been valid at the time stamped. Without, anybody could have made
    the signer's certificate: `is_trusted` is False. The last certificate carried may then name
    an issuer that is not there; of such a one only the key is certain.

    Revocation is not looked up: that needs the network. Raises UnusableFile or Contradiction.
    """
    _bounded(token)
    signed = signed_data.verify(token)
    facts = _facts(signed.content)
    if facts.imprint != hashlib.sha256(note).digest():
        raise Contradiction("the time stamp is of another note")
    begins, ends = signed.signer.not_valid_before_utc, signed.signer.not_valid_after_utc
    if not begins <= facts.at <= ends:
        raise Contradiction("the time stamped is not within the life of the signer's certificate")
    if roots is not None:
        _follow(token, note, signed.last, read_roots(roots))
    return Stamp(at=facts.at, authority=_name(signed.signer), is_trusted=roots is not None)


def read_roots(pems: Sequence[bytes]) -> list[x509.Certificate]:
    """Read the certificates of an authority. Raises UnusableFile when there are none."""
    try:
        return [root for pem in pems for root in x509.load_pem_x509_certificates(pem)]
    except (ValueError, x509.InvalidVersion) as error:
        raise UnusableFile("no certificates in PEM") from error


def _follow(
    token: bytes, note: bytes, last: x509.Certificate, roots: list[x509.Certificate]
) -> None:
    """Raise Contradiction unless the certificates lead to a root, all valid at the time stamped."""
    from rfc3161_client import (  # noqa: PLC0415 see the module's docstring
        VerificationError,
        VerifierBuilder,
        decode_timestamp_response,
    )

    if last not in roots and not any(_is_issued(last, root) for root in roots):
        raise Contradiction("the time stamp does not lead to a root that is trusted")
    try:
        answer = decode_timestamp_response(der.write(der.SEQUENCE, GRANTED, token))
        VerifierBuilder(roots=roots).build().verify_message(answer, note)
    except VerificationError as error:
        raise Contradiction("the time stamp does not lead to a root that is trusted") from error
    except (ValueError, TypeError, x509.InvalidVersion) as error:
        raise UnusableFile("a time stamp that cannot be read") from error


def _is_issued(lower: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        signed_data.check_issued(lower, issuer)
    except Contradiction:
        return False
    return True


def _bounded(data: bytes) -> der.Value:
    if len(data) > MAX_BYTES:
        raise UnusableFile(f"a time stamp of {len(data)} bytes; at most {MAX_BYTES} are read")
    return der.only(data, der.SEQUENCE)


def _asked(asked: bytes) -> tuple[bytes, int]:
    parts = der.only(asked, der.SEQUENCE).children()
    parts.take(der.INTEGER)
    return _imprint(parts.take(der.SEQUENCE)), parts.take(der.INTEGER).integer()


def _imprint(value: der.Value) -> bytes:
    parts = value.children()
    if parts.take(der.SEQUENCE).children().take(der.OID).whole != SHA256:
        raise Contradiction("the time stamp is not over a SHA-256")
    return parts.take(der.OCTET_STRING).content


def _facts(content: bytes) -> _Facts:
    parts = der.only(content, der.SEQUENCE).children()
    if parts.take(der.INTEGER).integer() != 1:
        raise UnusableFile("a time stamp of another version")
    parts.take(der.OID)
    imprint = _imprint(parts.take(der.SEQUENCE))
    parts.take(der.INTEGER)
    at = _time(parts.take(der.GENERALIZED_TIME).content)
    nonces = [value for value in parts.rest() if value.tag == der.INTEGER]
    return _Facts(imprint=imprint, nonce=nonces[0].integer() if nonces else None, at=at)


def _time(text: bytes) -> datetime:
    found = TIME.fullmatch(text)
    try:
        if found is None:
            raise UnusableFile("a time stamp whose time is not in form")
        whole = datetime.strptime(found[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise UnusableFile("a time stamp whose time is not in form") from error
    return whole + timedelta(microseconds=int((found[2] or b"").ljust(6, b"0")[:6]))


def _name(certificate: x509.Certificate) -> str:
    try:
        with warnings.catch_warnings(action="ignore"):  # an odd name is no matter of ours
            text = certificate.subject.rfc4514_string()[:MAX_NAME]
    except ValueError as error:
        raise UnusableFile("a time stamp whose signer has no readable name") from error
    return "".join(character if character.isprintable() else "?" for character in text)
