"""What a person takes away proves their answers, to anybody, also after a copy was put back."""

import io
import json
import zipfile

import pytest
from tea_shop import AT, DATA, DAY, HOUR, OFFERS, PRESS, Shop

from bot.consent.rules import EntryId
from bot.proof import note, proof_file, verifier
from bot.usecases.people import Person
from bot.usecases.proof_files import ProofLater, packed
from storage import log, stamps
from storage.keystore import SignedTree

ACCOUNT = "700100200"


async def katya(shop: Shop) -> Person:
    person = await shop.meet(ACCOUNT, first_name="<b>Katya</b>\u202e", username="katya_tea")
    await shop.agree_all(person)
    return person


async def put_back(shop: Shop) -> None:
    """Let the keystore know of a longer log than the database has: a copy was put back."""
    opened = shop.core.signer.keystore()
    opened.sign_tree(
        SignedTree(size=1000, root=b"r" * 32),
        extends=lambda _: True,
        sign=lambda _origin, _seed: "signed",
    )


async def test_the_files_of_one_answer_say_the_same(either_shop: Shop) -> None:
    shop = either_shop
    person = await katya(shop)
    (event, *_) = await shop.records.events(person)
    files = await shop.records.proof_files(person, event.entry_id, AT)
    assert files is not None
    report = verifier.verify_proof(files.proof, "proof", shop.core.signer.key)
    assert report.ok
    receipt = json.loads(files.receipt)
    assert receipt["dct:provenance"]["index"] == event.index
    assert receipt["dct:provenance"]["key"] == str(shop.core.signer.key)
    record = receipt["dpv:hasRecordOfActivity"]
    assert record["dct:identifier"] == event.entry_id
    assert record["dpv:hasDataSubject"]["schema:identifier"]["schema:value"] == ACCOUNT
    names = (files.proof_name, files.receipt_name, files.page_name)
    start = event.entry_id[:8]
    assert names == (f"proof-{start}.tlog-proof", f"receipt-{start}.jsonld", f"proof-{start}.html")


async def test_names_are_in_no_file(shop: Shop) -> None:
    person = await katya(shop)
    (event, *_) = await shop.records.events(person)
    files = await shop.records.proof_files(person, event.entry_id, AT)
    assert files is not None
    proof = proof_file.verify(files.proof)
    assert "atya" not in str(proof.payload) + str(proof.notice)
    assert b"atya" not in files.receipt


async def test_nobody_gets_anothers_files(shop: Shop) -> None:
    person, other = await katya(shop), await shop.meet("2")
    (event, *_) = await shop.records.events(person)
    assert await shop.records.proof_files(other, event.entry_id, AT) is None
    assert (await shop.records.all_proofs(other, AT)).files == []


async def test_all_answers_fit_one_zip_that_is_always_the_same(either_shop: Shop) -> None:
    shop = either_shop
    person = await katya(shop)
    await shop.consents.withdraw(person, DATA, PRESS, AT + HOUR)
    events = await shop.records.events(person)
    found = await shop.records.all_proofs(person, AT + DAY)
    assert (len(found.files), found.later) == (len(events), 0)
    data = packed(found.files)
    assert data == packed(found.files)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert len(names) == 2 * len(events) + 1
        assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_STORED}
        assert not [name for name in names if ACCOUNT in name]
        proven = {
            proof_file.verify(archive.read(name), shop.core.signer.key).entry.id
            for name in names
            if name.endswith(".tlog-proof")
        }
    assert proven == {event.entry_id for event in events}


async def test_a_withdrawal_is_proven_like_an_agreement(shop: Shop) -> None:
    person = await katya(shop)
    (ended,) = await shop.consents.withdraw(person, OFFERS, PRESS, AT + HOUR)
    files = await shop.records.proof_files(person, ended.entry_id, AT + DAY)
    assert files is not None
    proof = proof_file.verify(files.proof, shop.core.signer.key)
    assert (proof.entry.type, proof.payload["purpose"]) == ("consent.withdrawn", OFFERS)
    assert b"dpv:ConsentWithdrawn" in files.receipt


# --- while a copy that was put back may not be signed -----------------------------------------


async def test_an_older_checkpoint_still_proves_what_it_holds(either_shop: Shop) -> None:
    shop = either_shop
    person = await katya(shop)
    (event, *_) = await shop.records.events(person)
    current, _ = await shop.core.signer.sign(AT)
    await put_back(shop)
    (ended,) = await shop.consents.withdraw(person, OFFERS, PRESS, AT + HOUR)
    files = await shop.records.proof_files(person, event.entry_id, AT + DAY)
    assert files is not None
    proof = proof_file.verify(files.proof, shop.core.signer.key)
    assert (proof.entry.id, proof.checkpoint.size) == (event.entry_id, current.size)
    with pytest.raises(ProofLater):
        await shop.records.proof_files(person, ended.entry_id, AT + DAY)
    found = await shop.records.all_proofs(person, AT + DAY)
    assert (len(found.files), found.later) == (3, 1)
    for each in found.files:
        assert proof_file.verify(each.proof, shop.core.signer.key)


async def test_without_any_checkpoint_the_proof_comes_later(shop: Shop) -> None:
    person = await katya(shop)
    (event, *_) = await shop.records.events(person)
    await put_back(shop)
    with pytest.raises(ProofLater):
        await shop.records.proof_files(person, event.entry_id, AT)
    with pytest.raises(ProofLater):
        await shop.records.all_proofs(person, AT)


async def test_a_checkpoint_of_another_log_is_not_handed_out(shop: Shop) -> None:
    person = await katya(shop)
    (event, *_) = await shop.records.events(person)
    size = await shop.log_size()
    other = f"{shop.core.signer.key.name}\n{size}\n{'A' * 43}=\n"
    signed = note.sign(other, shop.core.signer.key.name, shop.core.journal.keyring().signing_seed)
    async with shop.database.transaction() as tx:
        await log.put_checkpoint(tx, size, signed, AT)
    await put_back(shop)
    with pytest.raises(ProofLater):
        await shop.records.proof_files(person, event.entry_id, AT)


async def test_a_proof_rests_on_the_newest_stamped_checkpoint_that_holds_it(shop: Shop) -> None:
    person = await katya(shop)
    (event, *_) = await shop.records.events(person)
    chosen, signed = await shop.core.signer.sign(AT)
    async with shop.database.transaction() as tx:
        made = stamps.StoredStamp(
            size=chosen.size,
            authority="https://time.example",
            note=signed,
            token=b"token",
            stamped_at=AT,
        )
        await stamps.add(tx, made)
    later = await shop.meet("2")
    await shop.agree_all(later)
    files = await shop.records.proof_files(person, EntryId(event.entry_id), AT + DAY)
    assert files is not None
    proof = proof_file.verify(files.proof, shop.core.signer.key)
    assert (proof.checkpoint.size, proof.stamps) == (chosen.size, ((b"token", signed.encode()),))
    (newer, *_) = await shop.records.events(later)
    files = await shop.records.proof_files(later, EntryId(newer.entry_id), AT + DAY)
    assert files is not None
    proof = proof_file.verify(files.proof, shop.core.signer.key)
    assert proof.checkpoint.size > chosen.size
    assert proof.stamps == ()
