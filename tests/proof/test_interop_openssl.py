"""openssl checks our signatures and our stamps: the whole program is stamped over HTTP."""

import base64
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from shop import Shop, eventually, open_shop, query
from small_log import KEY, LOG, SEED, THIEF, head_of
from time_authority import HAS_OPENSSL, TimeAuthority, found, listening, with_status_500

from bot.proof import checkpoint, stamp
from bot.proof.errors import ProofError
from bot.proof.note import KEY_HASH_BYTES, VerifierKey, verifier_key

pytestmark = pytest.mark.skipif(not HAS_OPENSSL, reason="no openssl on this machine")
PUBLIC_KEY = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key (RFC 8410)."""


def openssl_verifies(signed: str, key: VerifierKey, folder: Path) -> bool:
    """Let `openssl pkeyutl` judge a signed note, taken apart as for-auditors.md says."""
    text, _, line = signed.rpartition("\n\n")
    blob = base64.b64decode(line.split(" ")[2])
    (folder / "text").write_text(f"{text}\n")
    (folder / "signature").write_bytes(blob[KEY_HASH_BYTES:])
    (folder / "key.der").write_bytes(PUBLIC_KEY + key.public)
    done = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.der", "-keyform", "DER",
         "-rawin", "-in", "text", "-sigfile", "signature"],
        cwd=folder,
        capture_output=True,
        check=False,
    )  # fmt: skip
    return done.returncode == 0 and b"Signature Verified Successfully" in done.stdout


def test_openssl_verifies_the_signature_of_a_checkpoint(tmp_path: Path) -> None:
    signed = head_of(LOG, SEED)
    assert openssl_verifies(signed, KEY, tmp_path)
    assert not openssl_verifies(signed, verifier_key(KEY.name, THIEF), tmp_path)
    assert not openssl_verifies(signed.replace("\n6\n", "\n7\n"), KEY, tmp_path)
    assert not openssl_verifies(head_of(LOG, THIEF), KEY, tmp_path)


# --- the whole program ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """A shop whose program had its checkpoint stamped."""

    shop: Shop
    authority: TimeAuthority
    note: bytes
    token: bytes


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[TimeAuthority]:
    with listening(found(tmp_path / "authority")) as authority:
        yield authority


@pytest.fixture
async def shop(authority: TimeAuthority, tmp_path: Path) -> AsyncIterator[Shop]:
    more = {"stamp_url": authority.url, "stamp_roots_file": authority.folder / "root.pem"}
    async with open_shop(tmp_path / "shop", more=more) as shop:
        yield shop


@pytest.fixture
async def stamped(shop: Shop, authority: TimeAuthority) -> Stamped:
    await shop.open()
    await eventually(lambda: is_stamped(shop))
    [(note, token)] = query(shop, "SELECT note, token FROM stamp")
    return Stamped(shop=shop, authority=authority, note=note.encode(), token=token)


async def is_stamped(shop: Shop) -> bool:
    return bool(query(shop, "SELECT size FROM stamp"))


async def test_openssl_accepts_the_stamp_of_the_whole_program(stamped: Stamped) -> None:
    assert stamped.authority.verifies(stamped.token, stamped.note)
    checked = stamp.verify_token(stamped.token, stamped.note, [stamped.authority.root])
    assert checked.is_trusted
    [(size, signed)] = query(stamped.shop, "SELECT size, note FROM checkpoint")
    assert signed.encode() == stamped.note
    assert size == len(query(stamped.shop, "SELECT entry_id FROM log_entry"))


async def test_tampered_notes_and_tokens_are_refused_by_both(stamped: Stamped) -> None:
    note, token, authority = stamped.note, stamped.token, stamped.authority
    imprint = token.index(stamp.hashlib.sha256(note).digest())
    signature = len(token) - 20
    forged = [
        (note.replace(b"\n\n", b"\n \n", 1), token),
        (note + b"\n", token),
        *((note, changed(token, at)) for at in (imprint, imprint + 40, signature)),
        (note, token[:-1]),
    ]
    for other_note, other_token in forged:
        assert not authority.verifies(other_token, other_note)
        with pytest.raises(ProofError):
            stamp.verify_token(other_token, other_note, [authority.root])


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


async def test_a_stranger_who_has_only_openssl_reads_the_same_checkpoint(
    stamped: Stamped, tmp_path: Path
) -> None:
    [line] = [line for line in stamped.shop.told if "https://t.me/" in line]
    name = f"assent/{line.rpartition('/')[2]}"
    signed = stamped.note.decode()
    assert signed.startswith(f"{name}\n")
    key = await key_of(stamped.shop)
    assert openssl_verifies(signed, key, tmp_path)
    assert checkpoint.verify(stamped.note, key).origin == name


async def key_of(shop: Shop) -> VerifierKey:
    """The key that the shop hands out with every proof."""
    from bot.app.core import open_keys
    from bot.clock import utc_now
    from storage.database import Database

    database = Database(shop.settings.database_url)
    opened, _ = await open_keys(shop.settings, database, origin=None, at=utc_now())
    await database.close()
    return verifier_key(opened.origin, opened.keyring.signing_seed)


async def test_an_authority_that_fails_disturbs_nobody_and_is_asked_again_after_a_start(
    shop: Shop, authority: TimeAuthority
) -> None:
    authority.next_answers = [with_status_500]
    await shop.open()
    await shop.answer_all(shop.customer(1))
    assert authority.asked == 1
    assert not await is_stamped(shop)
    await shop.reopen()
    await eventually(lambda: is_stamped(shop))


# --- as the document says ---------------------------------------------------------------------


def commands(*words: str) -> str:
    """The block of for-auditors.md that has these words in it."""
    page = (Path(__file__).parents[2] / "docs/for-auditors.md").read_text()
    blocks = re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    [found] = [block for block in blocks if all(word in block for word in words)]
    return str(found)


def typed(script: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


async def test_the_commands_for_auditors_check_a_stamp(stamped: Stamped, tmp_path: Path) -> None:
    size = int(stamped.note.split(b"\n")[1])
    token = base64.b64encode(stamped.token).decode()
    facts = {"authority": stamped.authority.url, "kind": "rfc3161", "size": size, "token": token}
    post = {"channel": "@tea", "date": "2026", "kind": "post", "message_id": "7", "size": size}
    checkpoints = {"note": stamped.note.decode(), "size": size}
    (tmp_path / "checkpoints.jsonl").write_text(json.dumps(checkpoints) + "\n")
    (tmp_path / "stamps.jsonl").write_text(f"{json.dumps(facts)}\n{json.dumps(post)}\n")
    (tmp_path / "roots.pem").write_bytes(stamped.authority.root)
    script = commands("stamps.jsonl") + commands("ts -verify")
    said = typed(script, tmp_path)
    assert f"stamp-0 size {size} {stamped.authority.url}" in said
    assert "posted: https://t.me/tea/7 2026" in said
    assert "Verification: OK" in said
    assert "Time stamp:" in said
