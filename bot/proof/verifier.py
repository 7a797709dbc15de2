"""Checks bundles, proofs and checkpoints offline, trusting nobody: any changed byte is found.

Depends on nothing of the project but this package. Files of any length are read in pieces, and
what grows with the log is kept in a temporary database, so memory is bounded.
"""

import base64
import binascii
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from bot.proof import checkpoint, note, proof_file, stamp
from bot.proof.bundle_check import BundleCheck
from bot.proof.errors import OtherFormat, ProofError, UnusableFile
from bot.proof.members import Members
from bot.proof.note import VerifierKey
from bot.proof.report import Report, stamp_claim

ZIP: Final = b"PK"
HTML: Final = re.compile(rb"\s*<!doctype html", re.IGNORECASE)
MAX_PAGE: Final = 8_000_000
MAX_FILE: Final = MAX_PAGE
"""What is no bundle is read as a whole, up to so many bytes."""
EMBEDDED: Final = re.compile(
    rb'<script type="application/octet-stream" id="embedded-proof">([^<]*)</script>'
)
NEITHER: Final = "neither a bundle nor a proof file"


def verify_file(
    path: Path,
    trusted: VerifierKey | None = None,
    roots: Sequence[bytes] | None = None,
    known: Sequence[VerifierKey] = (),
) -> Report:
    """Check a file of any kind. Raises UnusableFile for what is none.

    `roots` are certificates of time authorities. `known` are keys of other files beside it: a
    checkpoint alone says not by which key it can be checked.
    """
    if path.exists() and not path.is_file():
        raise UnusableFile("cannot be read: not a regular file")
    try:
        with path.open("rb") as file:
            if file.read(2) == ZIP:
                return verify_bundle(file, str(path), trusted, roots)
            file.seek(0)
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UnusableFile(f"cannot be read: {error.strerror}") from error
    if HTML.match(data):
        return verify_page(data, str(path), trusted, roots)
    if data.startswith(proof_file.HEADER.encode()):
        return verify_proof(data, str(path), trusted, roots)
    return verify_checkpoint(data, str(path), trusted, known)


def is_checkpoint(path: Path) -> bool:
    """Whether a file may be a checkpoint alone, by how it begins."""
    if not path.is_file():  # opening a pipe waits for a writer
        return False
    try:
        with path.open("rb") as file:
            begin = file.read(64)
    except OSError:
        return False
    kinds = (ZIP, proof_file.HEADER.encode())
    return not begin.startswith(kinds) and not HTML.match(begin)


def verify_proof(
    data: bytes,
    name: str,
    trusted: VerifierKey | None = None,
    roots: Sequence[bytes] | None = None,
) -> Report:
    """Check one person's proof of one answer. Raises UnusableFile when it is not one."""
    if not data.startswith(f"{proof_file.HEADER}\n".encode()) or len(data) > proof_file.MAX_BYTES:
        raise UnusableFile(NEITHER)
    report = Report(name, is_key_given=trusted is not None, is_single=True)
    try:
        proof = proof_file.verify(data, trusted)
        for token, signed in proof.stamps:
            found = stamp.verify_token(token, signed, roots)
            report.clocks.append(
                stamp_claim(
                    proof.checkpoint.size,
                    found.at,
                    found.authority,
                    is_trusted=found.is_trusted,
                )
            )
    except ProofError as error:
        report.fail(str(error))
        return report
    report.proof, report.key, report.origin = proof, proof.key, proof.checkpoint.origin
    report.head, report.size, report.opened = proof.checkpoint, proof.checkpoint.size, 1
    return report


def verify_page(
    data: bytes,
    name: str,
    trusted: VerifierKey | None = None,
    roots: Sequence[bytes] | None = None,
) -> Report:
    """Check the proof in a page. Raises UnusableFile when there is none in it."""
    if len(data) > MAX_PAGE:
        raise UnusableFile(f"a page of more than {MAX_PAGE} bytes")
    found = EMBEDDED.findall(data)
    if len(found) != 1 or not found[0].strip() or data.count(b'"embedded-proof"') != 1:
        raise UnusableFile("a page without a proof in it, or with more than one")
    try:
        proof = base64.b64decode(b"".join(found[0].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnusableFile("a page whose proof is not base64") from error
    report = verify_proof(proof, name, trusted, roots)
    report.remark(
        "checked is the proof in the page; what else the page says, a receipt included, is not"
    )
    return report


def verify_checkpoint(
    data: bytes,
    name: str,
    trusted: VerifierKey | None = None,
    known: Sequence[VerifierKey] = (),
) -> Report:
    """Check a signed checkpoint. Raises UnusableFile when it is not one, or no key is known."""
    try:
        said = checkpoint.parse(note.text_of(data))
    except UnusableFile as error:
        raise UnusableFile(NEITHER) from error
    keys = [trusted] if trusted is not None else [key for key in known if key.name == said.origin]
    if not keys:
        raise UnusableFile(
            "a checkpoint alone can be checked only with --key, or beside a proof or bundle of "
            f"{said.origin}"
        )
    report = Report(name, is_key_given=trusted is not None)
    report.origin, report.size, report.head = said.origin, said.size, said
    fault = None
    for key in keys:
        try:
            checkpoint.verify(data, key)
        except ProofError as error:
            fault = error
            continue
        report.key = key
        return report
    report.fail(str(fault))
    return report


def verify_bundle(
    file: BinaryIO,
    name: str,
    trusted: VerifierKey | None = None,
    roots: Sequence[bytes] | None = None,
) -> Report:
    """Check a whole bundle. Raises UnusableFile when it is not one.

    Whatever is wrong inside a canonical archive of the right files is a finding of the report.
    """
    report = Report(name, is_key_given=trusted is not None)
    members = Members(file)
    try:
        BundleCheck(members, report, trusted, roots).run()
    except OtherFormat:
        raise
    except ProofError as error:
        report.fail(str(error))
    except sqlite3.Error as error:
        raise UnusableFile(f"the check needs room for temporary files: {error}") from error
    return report
