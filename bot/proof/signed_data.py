"""The envelope of a time stamp: CMS SignedData with one signer (RFC 5652), checked strictly.

Whatever the signature does not cover is either checked in another way or has one permitted form,
so that no byte of a token can be changed unseen: the signer's certificate is named by its hash in
what is signed (RFC 5035), every other certificate is vouched for by the next one.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from bot.proof import der
from bot.proof.der import Value
from bot.proof.errors import Contradiction, UnusableFile

SIGNED_DATA: Final = bytes.fromhex("06092a864886f70d010702")
TST_INFO: Final = bytes.fromhex("060b2a864886f70d0109100104")
CONTENT_TYPE: Final = bytes.fromhex("06092a864886f70d010903")
MESSAGE_DIGEST: Final = bytes.fromhex("06092a864886f70d010904")
SIGNING_CERTIFICATE: Final = bytes.fromhex("060b2a864886f70d010910020c")
"""RFC 2634 §5.4: by SHA-1."""
SIGNING_CERTIFICATE_V2: Final = bytes.fromhex("060b2a864886f70d010910022f")
"""RFC 5035."""
DIGESTS: Final[dict[bytes, hashes.HashAlgorithm]] = {
    bytes.fromhex("0609608648016503040201"): hashes.SHA256(),
    bytes.fromhex("0609608648016503040202"): hashes.SHA384(),
    bytes.fromhex("0609608648016503040203"): hashes.SHA512(),
}
RSA: Final = bytes.fromhex("06092a864886f70d0101010500")
"""With the NULL that belongs to it (RFC 5754 §3.2); the others have no parameters."""
RSA_WITH_DIGEST: Final = {
    bytes.fromhex("06092a864886f70d01010b"),
    bytes.fromhex("06092a864886f70d01010c"),
    bytes.fromhex("06092a864886f70d01010d"),
}
ECDSA: Final[dict[bytes, hashes.HashAlgorithm]] = {
    bytes.fromhex("06082a8648ce3d040302"): hashes.SHA256(),
    bytes.fromhex("06082a8648ce3d040303"): hashes.SHA384(),
    bytes.fromhex("06082a8648ce3d040304"): hashes.SHA512(),
}
ED25519: Final = bytes.fromhex("06032b6570")
MAX_CERTIFICATES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What was signed, and the certificate of whoever signed it; the signature holds."""

    content: bytes
    signer: x509.Certificate
    last: x509.Certificate
    """The last certificate carried on the way up; the signer's own where it is alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Certificate:
    """A certificate with its names as they are spelled: those of a stranger are not parsed."""

    issuer: bytes
    subject: bytes
    serial: bytes
    opened: x509.Certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signer:
    """The SignerInfo (RFC 5652 §5.3), taken apart."""

    issuer_and_serial: bytes
    digest_whole: bytes
    digest: hashes.HashAlgorithm
    signed_attributes: Value
    algorithm: bytes
    signature: bytes


def verify(token: bytes) -> Signed:
    """Check the signature of a token against the certificate inside of it.

    Raises UnusableFile for what is not in form, Contradiction for what does not hold.
    """
    parts = _envelope(token)
    if parts.take(der.INTEGER).integer() != 3:  # noqa: PLR2004 RFC 5652 §5.1
        raise UnusableFile("a time stamp of another version")
    digests = parts.take(der.SET).content
    content = _content(parts.take(der.SEQUENCE))
    certificates = _certificates(parts.take(der.FIRST))
    signer = _signer(parts.take(der.SET))
    parts.end()
    if digests != signer.digest_whole:
        raise UnusableFile("a time stamp that names another digest than its signer")
    certificate = _certificate_of(signer, certificates)
    _check_attributes(signer, content, certificate.opened)
    _check_signature(signer, certificate.opened)
    _check_purpose(certificate.opened)
    last = _last_of_chain(certificate, certificates)
    return Signed(content=content, signer=certificate.opened, last=last.opened)


def in_one_form(token: bytes) -> bytes:
    """Return the same token as it is kept: certificates in order, the signature named one way.

    Neither is signed, and authorities write both in more than one way.
    """
    parts = _envelope(token).rest()
    for at, value in enumerate(parts):
        if value.tag == der.FIRST:
            ordered = sorted(one.whole for one in value.children().rest())
            parts[at] = der.only(der.write(der.FIRST, *ordered), der.FIRST)
    if parts and parts[-1].tag == der.SET:
        signers = parts[-1].children().rest()
        named = [der.write(der.SEQUENCE, *map(_one_name, one.children().rest())) for one in signers]
        parts[-1] = der.only(der.write(der.SET, *named), der.SET)
    inner = der.write(der.SEQUENCE, *(value.whole for value in parts))
    return der.write(der.SEQUENCE, SIGNED_DATA, der.write(der.FIRST, inner))


def _one_name(value: Value) -> bytes:
    """RSA is written without its digest, which the signer names beside it (RFC 5754 §3.2)."""
    algorithm = value.children().take_if(der.OID) if value.tag == der.SEQUENCE else None
    if algorithm is None or algorithm.whole not in RSA_WITH_DIGEST:
        return value.whole
    return der.write(der.SEQUENCE, RSA)


# --- taking apart -----------------------------------------------------------------------------


def _envelope(token: bytes) -> der.Children:
    outer = der.only(token, der.SEQUENCE).children()
    if outer.take(der.OID).whole != SIGNED_DATA:
        raise UnusableFile("a time stamp that is not signed data (RFC 5652)")
    inner = outer.take(der.FIRST).content
    outer.end()
    return der.only(inner, der.SEQUENCE).children()


def _content(value: Value) -> bytes:
    parts = value.children()
    kind, inner = parts.take(der.OID).whole, parts.take(der.FIRST).content
    parts.end()
    if kind != TST_INFO:
        raise UnusableFile("signed data that is no time stamp (RFC 3161)")
    return der.only(inner, der.OCTET_STRING).content


def _certificates(value: Value) -> list[_Certificate]:
    found = value.children().rest()
    if len(found) > MAX_CERTIFICATES:
        raise UnusableFile(f"a time stamp with {len(found)} certificates")
    return [_certificate(one) for one in found]


def _certificate(value: Value) -> _Certificate:
    """Take a certificate apart as far as names and serial (RFC 5280 §4.1)."""
    outer = value.children()
    parts = outer.take(der.SEQUENCE).children()
    outer.take(der.SEQUENCE)
    if outer.take(der.BIT_STRING).content[:1] != b"\0":
        raise UnusableFile("a time stamp with a certificate whose signature is not in form")
    parts.take_if(der.FIRST)
    serial = parts.take(der.INTEGER)
    parts.take(der.SEQUENCE)
    issuer = parts.take(der.SEQUENCE)
    parts.take(der.SEQUENCE)
    subject = parts.take(der.SEQUENCE)
    if serial.integer() <= 0:
        raise UnusableFile("a time stamp with a certificate whose number is not positive")
    try:
        opened = x509.load_der_x509_certificate(value.whole)
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise UnusableFile("a time stamp with a certificate that cannot be read") from error
    return _Certificate(
        issuer=issuer.whole, subject=subject.whole, serial=serial.whole, opened=opened
    )


def _signer(value: Value) -> _Signer:
    signers = value.children()
    parts = signers.take(der.SEQUENCE).children()
    signers.end()
    if parts.take(der.INTEGER).integer() != 1:
        raise UnusableFile("a time stamp whose signer is named in another way")
    issuer_and_serial = parts.take(der.SEQUENCE).content
    digest = parts.take(der.SEQUENCE)
    attributes = parts.take(der.FIRST)
    algorithm = parts.take(der.SEQUENCE).content
    signature = parts.take(der.OCTET_STRING).content
    parts.end()
    named = DIGESTS.get(digest.children().take(der.OID).whole)
    if named is None:
        raise UnusableFile("a time stamp whose signer uses a digest that is not known here")
    return _Signer(
        issuer_and_serial=issuer_and_serial,
        digest_whole=digest.whole,
        digest=named,
        signed_attributes=attributes,
        algorithm=algorithm,
        signature=signature,
    )


# --- checking ---------------------------------------------------------------------------------


def _certificate_of(signer: _Signer, certificates: list[_Certificate]) -> _Certificate:
    for certificate in certificates:
        if signer.issuer_and_serial == certificate.issuer + certificate.serial:
            return certificate
    raise Contradiction("the certificate of the time stamp's signer is not in it")


def _check_attributes(signer: _Signer, content: bytes, certificate: x509.Certificate) -> None:
    """What is signed must name this content, its digest, and this certificate (RFC 3161 §2.4.2)."""
    found: dict[bytes, bytes] = {}
    for attribute in signer.signed_attributes.children().rest():
        parts = attribute.children()
        name = parts.take(der.OID).whole
        if name in found:
            raise UnusableFile("a time stamp that says one thing twice")
        found[name] = parts.take(der.SET).content
    if found.get(CONTENT_TYPE) != TST_INFO:
        raise Contradiction("the time stamp signs another kind of content")
    digest = hashlib.new(signer.digest.name, content).digest()
    if found.get(MESSAGE_DIGEST) != der.write(der.OCTET_STRING, digest):
        raise Contradiction("the time stamp signs another content")
    if SIGNING_CERTIFICATE_V2 in found:
        _check_named_by_any(_first_named(found[SIGNING_CERTIFICATE_V2]), certificate)
    elif SIGNING_CERTIFICATE in found:
        _check_named(_first_named(found[SIGNING_CERTIFICATE]), hashes.SHA1(), certificate)  # noqa: S303 RFC 2634
    else:
        raise Contradiction("the time stamp does not name its signer's certificate")


def _check_named_by_any(named: der.Children, certificate: x509.Certificate) -> None:
    algorithm = named.take_if(der.SEQUENCE)
    digest: hashes.HashAlgorithm | None = hashes.SHA256()  # where none is named (RFC 5035 §3)
    if algorithm is not None:
        digest = DIGESTS.get(algorithm.children().take(der.OID).whole)
    if digest is None:
        raise UnusableFile("a time stamp whose certificate is named by an unknown digest")
    _check_named(named, digest, certificate)


def _check_named(
    named: der.Children, digest: hashes.HashAlgorithm, certificate: x509.Certificate
) -> None:
    if named.take(der.OCTET_STRING).content != certificate.fingerprint(digest):
        raise Contradiction("the time stamp names another certificate than the one in it")


def _first_named(attribute: bytes) -> der.Children:
    listed = der.only(attribute, der.SEQUENCE).children().take(der.SEQUENCE)
    return listed.children().take(der.SEQUENCE).children()


def _check_signature(signer: _Signer, certificate: x509.Certificate) -> None:
    # RFC 5652 §5.4: signed as a SET, whatever tag they carry in the envelope.
    attributes = der.write(der.SET, signer.signed_attributes.content)
    try:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey) and signer.algorithm == RSA:
            key.verify(signer.signature, attributes, padding.PKCS1v15(), signer.digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and signer.algorithm in ECDSA:
            key.verify(signer.signature, attributes, ec.ECDSA(ECDSA[signer.algorithm]))
        elif isinstance(key, ed25519.Ed25519PublicKey) and signer.algorithm == ED25519:
            key.verify(signer.signature, attributes)
        else:
            raise UnusableFile("a time stamp signed in a way that is not known here")
    except InvalidSignature as error:
        raise Contradiction("the signature of the time stamp does not hold") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableFile("a time stamp whose signer's key cannot be used") from error


def _check_purpose(certificate: x509.Certificate) -> None:
    """Only a certificate made for time stamps, and for nothing else, counts (RFC 3161 §2.3)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise Contradiction("the signer's certificate was not made for time stamps") from error
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise Contradiction("the signer's certificate was not made for time stamps")


def _last_of_chain(certificate: _Certificate, carried: list[_Certificate]) -> _Certificate:
    """Each certificate beside the signer's must be on its way up, and each step must hold."""
    left = [one for one in carried if one is not certificate]
    lower = certificate
    while left:
        issuer = next((one for one in left if one.subject == lower.issuer), None)
        if issuer is None:
            raise Contradiction("a certificate that has no place in the time stamp")
        check_issued(lower.opened, issuer.opened)
        left.remove(issuer)
        lower = issuer
    if lower is not certificate and (lower.subject == lower.issuer or _is_own_issuer(lower.opened)):
        check_issued(lower.opened, lower.opened)
    return lower


def _is_own_issuer(certificate: x509.Certificate) -> bool:
    """Whether it says that its own key signed it: only roots may leave the other key out.

    Looked at beside the names, so that one changed byte cannot hide a root (RFC 5280 §4.2.1.1).
    """
    try:
        extensions = certificate.extensions
        of_issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        own = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return True
    return of_issuer.key_identifier in {None, own.digest}


def check_issued(lower: x509.Certificate, issuer: x509.Certificate) -> None:
    """Raise Contradiction unless one certificate was signed by the other's key."""
    try:
        lower.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Contradiction("a certificate of the time stamp was not issued by the next") from error
