"""Time stamps: what openssl makes is read, and no changed byte passes for a stamp."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given
from hypothesis import strategies as st
from time_authority import (
    EC,
    HAS_OPENSSL,
    RSA,
    TimeAuthority,
    found,
    found_below_a_middle,
)

from bot.proof import checkpoint, stamp
from bot.proof.checkpoint import Checkpoint
from bot.proof.errors import Contradiction, ProofError, UnusableFile

pytestmark = pytest.mark.skipif(not HAS_OPENSSL, reason="no openssl on this machine")
NOTE = checkpoint.sign(
    Checkpoint(origin="assent/tea", size=7, root=b"r" * 32), bytes(range(32))
).encode()
OTHER = NOTE.replace(b"\n7\n", b"\n8\n")
KINDS = {"EC": EC, "RSA": RSA}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authorities")


@pytest.fixture(scope="module")
def authority(folder: Path) -> TimeAuthority:
    return found(folder / "first")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> TimeAuthority:
    return found(folder / "stranger")


@pytest.fixture(scope="module")
def token(authority: TimeAuthority) -> bytes:
    return stamped(authority)


def stamped(authority: TimeAuthority, note: bytes = NOTE) -> bytes:
    asked = stamp.request(note)
    return stamp.token_of(authority.reply(asked), asked)


def der_of(authority: TimeAuthority, name: str) -> bytes:
    pem = (authority.folder / name).read_bytes()
    return load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("section", ["whole", "alone"])
def test_a_stamp_of_openssl_is_a_stamp_for_both(kind: str, section: str, folder: Path) -> None:
    authority = found(folder / f"{kind}-{section}", "Tea & Time", KINDS[kind])
    authority.section = section
    token = stamped(authority)

    trusted = stamp.verify_token(token, NOTE, [authority.root])

    assert trusted.is_trusted
    assert trusted.authority == "CN=Tea & Time time"
    assert abs(trusted.at - datetime.now(UTC)) < timedelta(minutes=1)
    assert bool(trusted.at.microsecond) <= (section == "alone"), "fractions are read"
    assert authority.verifies(token, NOTE)
    assert not authority.verifies(token, OTHER)


def test_without_roots_it_is_a_stamp_that_nobody_vouches_for(token: bytes) -> None:
    assert not stamp.verify_token(token, NOTE, None).is_trusted


def test_a_stamp_of_a_stranger_is_not_trusted(token: bytes, stranger: TimeAuthority) -> None:
    with pytest.raises(Contradiction, match="does not lead to a root"):
        stamp.verify_token(token, NOTE, [stranger.root])
    with pytest.raises(Contradiction, match="does not lead to a root"):
        stamp.verify_token(token, NOTE, [])


def test_one_of_several_roots_is_enough(
    token: bytes, authority: TimeAuthority, stranger: TimeAuthority
) -> None:
    assert stamp.verify_token(token, NOTE, [stranger.root, authority.root]).is_trusted
    assert stamp.verify_token(token, NOTE, [stranger.root + authority.root]).is_trusted


@pytest.mark.parametrize("roots", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_roots_that_are_none_are_said_to_be_unusable(token: bytes, roots: bytes) -> None:
    with pytest.raises(UnusableFile):
        stamp.verify_token(token, NOTE, [roots])


def test_a_stamp_of_another_note_is_refused(token: bytes, authority: TimeAuthority) -> None:
    for roots in (None, [authority.root]):
        with pytest.raises(Contradiction, match="another note"):
            stamp.verify_token(token, OTHER, roots)


@pytest.mark.parametrize("use", ["stamps", "anything"])
def test_only_a_certificate_made_for_stamps_can_stamp(
    use: str, folder: Path, authority: TimeAuthority
) -> None:
    """`openssl ts` would not stamp with another, so the same content is signed by `openssl cms`."""
    signer = found(folder / f"for-{use}", use=use)
    content = stamp.signed_data.verify(stamped(authority)).content
    (signer.folder / "content").write_bytes(content)
    signer.openssl(
        "cms", "-sign", "-binary", "-nodetach", "-cades", "-nosmimecap", "-in", "content",
        "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-signer", "signer.pem",
        "-inkey", "signer.key", "-outform", "DER", "-out", "made",
    )  # fmt: skip
    made = (signer.folder / "made").read_bytes()
    if use == "stamps":
        assert stamp.verify_token(made, NOTE, [signer.root]).is_trusted
    for roots in [None, [signer.root]] * (use == "anything"):
        with pytest.raises(Contradiction, match="not made for time stamps"):
            stamp.verify_token(made, NOTE, roots)


ROOTS = {"EC": "root", "RSA": "root_that_names_its_key"}


def forgeries_that_pass(
    token: bytes, roots: list[bytes] | None, places: range | None = None
) -> list[int]:
    """Change each byte in more than one way; return the places where nobody noticed."""
    passed = []
    for at in places or range(len(token)):
        for changed in {token[at] ^ 1, token[at] ^ 0x80}:
            forged = token[:at] + bytes([changed]) + token[at + 1 :]
            try:
                stamp.verify_token(forged, NOTE, roots)
            except ProofError:
                continue
            passed.append(at)
    return passed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_rooted", [False, True])
def test_every_changed_byte_of_a_token_is_refused(
    kind: str, folder: Path, *, is_rooted: bool
) -> None:
    place = folder / f"changed-{kind}-{is_rooted}"
    authority = found(place, kind=KINDS[kind], root=ROOTS[kind])
    token = stamped(authority)
    assert forgeries_that_pass(token, [authority.root] if is_rooted else None) == []


def test_an_authority_below_a_middle_one_is_trusted_by_its_root(folder: Path) -> None:
    """Its answers do not carry the root, so that only the root shows the middle one unchanged."""
    authority = found_below_a_middle(folder / "below")
    token = stamped(authority)
    assert authority.verifies(token, NOTE)
    assert stamp.verify_token(token, NOTE, [authority.root]).is_trusted
    assert not stamp.verify_token(token, NOTE, None).is_trusted
    assert forgeries_that_pass(token, [authority.root]) == []

    middle = der_of(authority, "middle.pem")
    begins = token.index(middle)
    places = range(begins, begins + len(middle))
    whole_chain = [authority.root, (authority.folder / "middle.pem").read_bytes()]
    assert forgeries_that_pass(token, whole_chain, places) == [], "what is known is compared too"
    assert set(forgeries_that_pass(token, None)) <= set(places)


def test_a_token_that_is_cut_or_continued_is_refused(token: bytes) -> None:
    for forged in [*(token[:size] for size in range(len(token))), token + b"\0", token + token]:
        with pytest.raises(ProofError):
            stamp.verify_token(forged, NOTE, None)


def test_a_token_has_one_form(folder: Path) -> None:
    """The way of signing is not signed and could be named in two ways; only one is accepted."""
    token = stamped(found(folder / "one-form", kind=RSA))
    rsa, sha256_with_rsa = (bytes.fromhex(f"06092a864886f70d0101{last}") for last in ("01", "0b"))
    at = token.rindex(rsa)
    forged = token[:at] + sha256_with_rsa + token[at + len(rsa) :]
    with pytest.raises(ProofError):
        stamp.verify_token(forged, NOTE, None)
    assert stamp.signed_data.in_one_form(forged) == token


def test_certificates_are_kept_in_order_whatever_the_authority_does(folder: Path) -> None:
    authority = found(folder / "order")
    asked = stamp.request(NOTE)
    certificates = [der_of(authority, name) for name in ("root.pem", "signer.pem")]
    first, second = sorted(certificates)
    token = stamp.token_of(authority.reply(asked), asked)
    assert first + second in token
    assert stamp.signed_data.in_one_form(token.replace(first + second, second + first)) == token


def test_a_huge_token_is_refused_before_it_is_read() -> None:
    with pytest.raises(UnusableFile, match="at most"):
        stamp.verify_token(bytes(stamp.MAX_BYTES + 1), NOTE, None)


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"\x30\x03\x02\x01\x02", b"\x30\x80", b"\x30\x05"]
)
def test_an_answer_that_is_none_is_refused(answer: bytes) -> None:
    with pytest.raises(ProofError):
        stamp.token_of(answer, stamp.request(NOTE))


def test_requests_differ_in_their_nonce_and_name_the_note(authority: TimeAuthority) -> None:
    first, second = stamp.request(NOTE), stamp.request(NOTE)
    assert first != second
    with pytest.raises(Contradiction, match="another request"):
        stamp.token_of(authority.reply(first), second)
    with pytest.raises(Contradiction, match="something else"):
        stamp.token_of(authority.reply(stamp.request(OTHER)), first)


def test_a_refusal_of_the_authority_is_told_with_its_status(authority: TimeAuthority) -> None:
    asked = stamp.request(NOTE)
    digest = bytes.fromhex("0609608648016503040201")
    refused = authority.reply(asked.replace(digest, digest[:-1] + b"\x04"))
    with pytest.raises(Contradiction, match="refused to stamp \\(status 2\\)"):
        stamp.token_of(refused, asked)


# --- whatever the bytes -----------------------------------------------------------------------


def spoiled(token: bytes) -> st.SearchStrategy[bytes]:
    """A good token with a piece taken out, doubled or exchanged."""
    places = st.integers(0, len(token))
    return st.builds(
        lambda start, end, piece: token[: min(start, end)] + piece + token[max(start, end) :],
        places,
        places,
        st.binary(max_size=40),
    )


@given(data=st.data())
def test_no_bytes_do_more_than_fail_clearly(data: st.DataObject, token: bytes) -> None:
    forged = data.draw(st.binary(max_size=200) | spoiled(token))
    asked = stamp.request(NOTE)
    attempts: list[Callable[[], object]] = [
        lambda: stamp.verify_token(forged, NOTE, None),
        lambda: stamp.token_of(forged, asked),
        lambda: stamp.token_of(b"\x30\x03\x02\x01\x00" + forged, asked),
    ]
    for attempt in attempts:
        try:
            attempt()
        except ProofError:
            continue
        assert forged == token, "only the very token is one"


@given(data=st.data())
def test_no_bytes_do_more_than_fail_clearly_with_roots(
    data: st.DataObject, token: bytes, authority: TimeAuthority
) -> None:
    forged = data.draw(spoiled(token))
    try:
        stamp.verify_token(forged, NOTE, [authority.root])
    except ProofError:
        return
    assert forged == token


def test_a_verifier_that_sees_no_stamps_loads_no_library_for_them() -> None:
    program = "import sys, bot.proof.verifier; print('rfc3161_client' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"]
