"""Another key signs, or a new log begins: earlier checkpoints stay verifiable, none is forked."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.app.core import Core, build_core, remember_origin
from bot.errors import ConfigurationError
from bot.proof import canonical, checkpoint, comparison, entry, note, verifier
from bot.proof.note import VerifierKey, parse_key
from bot.usecases.exports import Format, Selection
from bot.usecases.signing_keys import NothingLost
from storage import facts, key_changes, keystore, log, migrations
from storage.database import Database
from storage.facts import Fact
from storage.keystore import TreeRolledBack

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEK = b"k" * 32


@dataclass(slots=True)
class Machine:
    """A database file and a keystore file; both can be copied and put back."""

    folder: Path
    core: Core

    @classmethod
    async def start(cls, folder: Path) -> "Machine":
        database = Database(f"sqlite+aiosqlite:///{folder}/data/assent.db")
        await migrations.upgrade(database)
        path = folder / "keystore.json"
        opened = (
            keystore.open_keystore(path, KEK)
            if path.exists()
            else keystore.create(path, KEK, "assent/tea", AT)
        )
        await remember_origin(database, opened)
        return cls(folder, build_core(database, opened))

    async def append(self, count: int = 1) -> None:
        for _ in range(count):
            async with self.core.database.transaction() as tx:
                await self.core.journal.write(tx, "export.made", {"staff": "x"}, AT, key=None)

    async def copy(self, name: str) -> None:
        await self.core.database.close()
        shutil.copytree(self.folder / "data", self.folder / name)

    async def put_back(self, name: str) -> None:
        await self.core.database.close()
        shutil.rmtree(self.folder / "data")
        shutil.copytree(self.folder / name, self.folder / "data")
        self.core = (await Machine.start(self.folder)).core

    async def sign(self) -> tuple[int, VerifierKey]:
        """Sign, and return what size under which key."""
        current, signed = await self.core.signer.sign(AT)
        key = self.core.signer.key
        assert checkpoint.verify(signed.encode(), key) == current
        return current.size, key

    async def changes(self) -> list[tuple[int, dict[str, Any]]]:
        """Every `key.changed` entry: its index and its payload, whose commitment is checked."""
        found = []
        async with self.core.database.snapshot() as tx:
            size = (await log.head(tx)).size
            async for page in log.entries(tx, size=size):
                for stored in page:
                    read = entry.parse(stored.hashed)
                    if read.type == "key.changed":
                        assert stored.key_id is None
                        assert stored.sealed is not None
                        opening = canonical.parse(stored.sealed)
                        salt = bytes.fromhex(opening["salt"])
                        assert entry.commitment(salt, opening["payload"]) == read.commitment
                        found.append((stored.index, opening["payload"]))
        return found


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    started = await Machine.start(tmp_path)
    await started.append(2)
    yield started
    await started.core.database.close()


def vouched(payload: dict[str, Any]) -> list[str]:
    """The lines that the old key signed about the new one."""
    return note.verify(payload["note"].encode(), parse_key(payload["old"])).splitlines()


# --- another key for the same log


async def test_the_old_key_names_the_new_one_and_signs_nothing_after(machine: Machine) -> None:
    _, old = await machine.sign()
    new = await machine.core.signing_keys.change(AT)
    assert new != old
    assert new.name == old.name == "assent/tea"
    [(index, payload)] = await machine.changes()
    assert index == 2
    assert {"old", "new", "note", "software"} == payload.keys()
    assert (payload["old"], payload["new"]) == (str(old), str(new))
    assert vouched(payload) == ["assent/key-change/v1", str(new)]
    assert await machine.sign() == (3, new)
    assert machine.core.keystore().former_keys == (old,)


async def test_what_was_signed_before_stays_and_verifies_with_the_old_key(machine: Machine) -> None:
    before, signed = await machine.core.signer.sign(AT)
    old = machine.core.signer.key
    await machine.core.signing_keys.change(AT)
    await machine.append()
    await machine.sign()
    assert checkpoint.verify(signed.encode(), old) == before


async def test_the_seed_of_the_former_key_is_gone(machine: Machine) -> None:
    path = machine.folder / "keystore.json"
    former = keystore.open_keystore(path, KEK).keyring.signing_seed
    await machine.core.signing_keys.change(AT)
    raw = path.read_text()
    assert keystore.keystore_file.wrap(KEK, former) not in raw
    assert keystore.open_keystore(path, KEK).keyring.signing_seed != former


async def test_a_chain_of_changes_leads_from_the_first_key_to_the_last(machine: Machine) -> None:
    first = machine.core.signer.key
    for _ in range(3):
        await machine.core.signing_keys.change(AT)
        await machine.append()
    found = [payload for _, payload in await machine.changes()]
    names = [str(first), *(payload["new"] for payload in found)]
    assert [payload["old"] for payload in found] == names[:-1]
    assert names[-1] == str(machine.core.signer.key)
    assert len(machine.core.keystore().former_keys) == 3


async def test_cut_short_before_the_entry_the_old_key_goes_on(machine: Machine) -> None:
    _, old = await machine.sign()
    waiting = key_changes.prepare_successor(machine.core.keystore(), None, lost=None)
    await machine.append()
    assert await machine.sign() == (3, old)
    new = await machine.core.signing_keys.change(AT)
    assert str(new) == waiting.vkey, "the key that waits is taken, no other is made"
    assert len(await machine.changes()) == 1


async def test_cut_short_after_the_entry_the_next_signature_is_the_new_keys(
    machine: Machine,
) -> None:
    await machine.sign()
    await machine.core.signing_keys._succeed(None, AT)
    waiting = machine.core.keystore().successor
    assert waiting is not None
    size, key = await machine.sign()
    assert (size, str(key)) == (3, waiting.vkey)


async def test_cut_short_after_the_entry_the_same_command_ends_it(machine: Machine) -> None:
    await machine.sign()
    await machine.core.signing_keys._succeed(None, AT)
    await machine.core.signing_keys.change(AT)
    assert len(await machine.changes()) == 1
    assert machine.core.keystore().successor is None


async def test_a_log_that_cannot_be_signed_gets_no_new_key(machine: Machine) -> None:
    await machine.copy("old")
    await machine.append()
    await machine.sign()
    await machine.put_back("old")
    with pytest.raises(TreeRolledBack):
        await machine.core.signing_keys.change(AT)
    assert machine.core.keystore().successor is None


async def test_an_older_keystore_does_not_sign_after_the_change(machine: Machine) -> None:
    await machine.sign()
    path = machine.folder / "keystore.json"
    older = path.read_bytes()
    await machine.core.signing_keys.change(AT)
    await machine.append()
    path.write_bytes(older)
    with pytest.raises(TreeRolledBack):
        await machine.sign()


# --- the larger of file and database counts


async def test_an_older_keystore_beside_a_shorter_log_forks_nothing(machine: Machine) -> None:
    """Both were put back; the database's own checkpoint says what was signed."""
    path = machine.folder / "keystore.json"
    await machine.sign()
    older = path.read_bytes()
    await machine.append()
    await machine.sign()
    path.write_bytes(older)
    async with machine.core.database.transaction() as tx:
        # The log is cut behind the checkpoint's back.
        root = await log.root_at(tx, 2)
        await tx.execute(log.log_head.update().values(size=2, root=root))
    with pytest.raises(TreeRolledBack, match="2 entries, but 3 were signed"):
        await machine.sign()
    assert await machine.core.signer.fallen_behind() is not None


async def test_an_older_keystore_goes_on_from_what_the_database_knows(machine: Machine) -> None:
    path = machine.folder / "keystore.json"
    await machine.sign()
    older = path.read_bytes()
    await machine.append()
    await machine.sign()
    path.write_bytes(older)
    assert not await machine.core.signer.has_grown()
    await machine.append()
    assert (await machine.sign())[0] == 4


async def test_a_checkpoint_that_nobody_signed_stops_nothing(machine: Machine) -> None:
    _, key = await machine.sign()
    forged = checkpoint.sign(
        checkpoint.Checkpoint(origin="assent/tea", size=99, root=bytes(32)), b"f" * 32
    )
    async with machine.core.database.transaction() as tx:
        await log.put_checkpoint(tx, 99, forged, AT)
    await machine.append()
    assert await machine.sign() == (3, key)


# --- a new log after a loss


async def lose(machine: Machine) -> VerifierKey:
    """Put a copy of two entries back after five were signed."""
    await machine.sign()
    await machine.copy("old")
    await machine.append(3)
    _, key = await machine.sign()
    await machine.copy("newest")
    await machine.put_back("old")
    return key


async def test_after_a_loss_a_new_log_names_what_is_lost(machine: Machine) -> None:
    old = await lose(machine)
    lost = await machine.core.signing_keys.loss()
    assert (lost.signed.size, lost.agreed, lost.agreed_until) == (5, 2, entry.rfc3339(AT))
    assert lost.signed.at == AT
    new = await machine.core.signing_keys.continue_after(lost, AT)
    assert new.name == "assent/tea/2"
    [(index, payload)] = await machine.changes()
    assert index == 2
    root = lost.signed.root.hex()
    assert payload["lost"] == {"agreed": 2, "origin": "assent/tea", "root": root, "size": 5}
    assert vouched(payload) == ["assent/key-change/v1", str(new), f"5 {root} 2"]
    assert payload["old"] == str(old)
    assert await machine.sign() == (3, new)
    assert await machine.core.signer.fallen_behind() is None
    await machine.append(4)
    assert await machine.sign() == (7, new)


async def test_a_log_that_went_on_after_the_copy_was_put_back_is_no_less_lost(
    machine: Machine,
) -> None:
    """It is longer than what was signed, and not the same log."""
    await lose(machine)
    await machine.append(9)
    lost = await machine.core.signing_keys.loss()
    assert (lost.signed.size, lost.agreed) == (5, 2)
    await machine.core.signing_keys.continue_after(lost, AT)
    [(index, _)] = await machine.changes()
    assert index == 11
    assert (await machine.sign())[0] == 12


@pytest.mark.parametrize("since", [0, 1, 3, 9])
async def test_a_declared_loss_is_no_contradiction_however_much_came_since(
    machine: Machine, since: int
) -> None:
    await machine.sign()
    await machine.copy("old")
    await machine.append(3)
    before, after = machine.folder / "before.zip", machine.folder / "after.zip"
    await machine.core.exports.write(before, Format.BUNDLE, Selection(), AT)
    await machine.put_back("old")
    await machine.append(since)
    await machine.core.signing_keys.continue_after(await machine.core.signing_keys.loss(), AT)
    await machine.core.exports.write(after, Format.BUNDLE, Selection(), AT)
    reports = [verifier.verify_file(path) for path in (before, after)]
    assert [report.failures for report in reports] == [[], []]
    found = comparison.compare(reports)
    assert found.failures == []
    assert any("declared lost" in remark for remark in found.remarks)


async def test_nothing_agrees_where_no_checkpoint_is_left(machine: Machine) -> None:
    await lose(machine)
    async with machine.core.database.transaction() as tx:
        await tx.execute(log.checkpoint.delete())
    lost = await machine.core.signing_keys.loss()
    assert (lost.agreed, lost.agreed_until) == (0, None)


async def test_a_log_that_lost_nothing_is_not_begun_anew(machine: Machine) -> None:
    for _ in range(2):
        with pytest.raises(NothingLost):
            await machine.core.signing_keys.loss()
        await machine.sign()


async def test_the_new_log_has_a_name_that_both_files_know(machine: Machine) -> None:
    await lose(machine)
    await machine.core.signing_keys.continue_after(await machine.core.signing_keys.loss(), AT)
    async with machine.core.database.snapshot() as tx:
        assert await facts.get(tx, Fact.LOG_ORIGIN) == "assent/tea/2"
    machine.core = (await Machine.start(machine.folder)).core
    await machine.put_back("old")  # an older copy once more: it starts, and is not signed
    with pytest.raises(TreeRolledBack):
        await machine.sign()
    stranger = keystore.create(machine.folder / "other.json", KEK, "assent/other", AT)
    with pytest.raises(ConfigurationError, match=r"^KEYSTORE_FILE: it belongs to the log"):
        await remember_origin(machine.core.database, stranger)


async def test_a_second_loss_keeps_the_chain_whole(machine: Machine) -> None:
    """The copy lacks the entry of the first loss: it is written again before the second."""
    first = await lose(machine)
    await machine.core.signing_keys.continue_after(await machine.core.signing_keys.loss(), AT)
    await machine.put_back("old")
    new = await machine.core.signing_keys.continue_after(await machine.core.signing_keys.loss(), AT)
    assert new.name == "assent/tea/3"
    found = [payload for _, payload in await machine.changes()]
    assert [parse_key(payload["new"]).name for payload in found] == ["assent/tea/2", "assent/tea/3"]
    assert found[0]["old"] == str(first)
    assert found[1]["old"] == found[0]["new"]
    assert found[1]["lost"]["origin"] == "assent/tea/2"
    for payload in found:
        assert vouched(payload)[1] == payload["new"]
    assert (await machine.sign())[1] == new


async def test_a_change_of_key_that_the_copy_lacks_is_written_again(machine: Machine) -> None:
    first = machine.core.signer.key
    await machine.copy("old")
    second = await machine.core.signing_keys.change(AT)
    await machine.put_back("old")
    third = await machine.core.signing_keys.continue_after(
        await machine.core.signing_keys.loss(), AT
    )
    found = [(payload["old"], payload["new"]) for _, payload in await machine.changes()]
    assert found == [(str(first), str(second)), (str(second), str(third))]


async def test_a_new_log_that_was_cut_short_goes_on_at_the_next_signature(
    machine: Machine,
) -> None:
    await lose(machine)
    lost = await machine.core.signing_keys.loss()
    signing = machine.core.signing_keys
    of_lost = key_changes.LostLog(origin="assent/tea", size=5, root=lost.signed.root, agreed=2)
    await signing._succeed(of_lost, AT)
    assert await machine.core.signer.fallen_behind() is None
    with pytest.raises(NothingLost):
        await signing.loss()
    machine.core = (await Machine.start(machine.folder)).core
    size, key = await machine.sign()
    assert (size, key.name) == (3, "assent/tea/2")
    assert len(await machine.changes()) == 1


async def test_a_new_log_that_was_only_prepared_may_still_be_given_up(machine: Machine) -> None:
    """A newer copy turned up: the log goes on under its old name."""
    old = await lose(machine)
    lost = await machine.core.signing_keys.loss()
    of_lost = key_changes.LostLog(origin="assent/tea", size=5, root=lost.signed.root, agreed=2)
    key_changes.prepare_successor(machine.core.keystore(), None, lost=of_lost)
    with pytest.raises(TreeRolledBack):
        await machine.sign()
    await machine.put_back("newest")
    await machine.append()
    assert await machine.sign() == (6, old)
