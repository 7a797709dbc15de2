"""Whoever changes the log in the database is refused; without the triggers, they are found."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import tea_shop
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bot.consent.acts import Choice
from bot.consent.rules import PurposeId
from bot.proof import verifier
from bot.proof.errors import ProofError
from bot.proof.report import Report
from bot.usecases.exports import Format, Selection
from storage.keystore import TreeRolledBack

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
DATA, OFFERS = PurposeId("personal-data"), PurposeId("offers")
FORBIDDEN = [
    'UPDATE log_entry SET entry = entry WHERE "index" = 2',
    'DELETE FROM log_entry WHERE "index" = 2',
    'INSERT OR REPLACE INTO log_entry SELECT * FROM log_entry WHERE "index" = 2',
    "UPDATE log_node SET hash = hash WHERE level = 0",
    "DELETE FROM log_node WHERE level = 0",
    "INSERT OR REPLACE INTO log_node SELECT * FROM log_node WHERE level = 0",
]


async def filled(shop: tea_shop.Shop) -> None:
    await shop.publish(tea_shop.purpose(DATA), tea_shop.purpose(OFFERS), at=AT)
    anna, boris = await shop.meet("1"), await shop.meet("2")
    await shop.agree_all(anna)
    await shop.answer(boris, DATA, Choice.DECLINE, AT)
    await shop.consents.leave_all(anna, tea_shop.PRESS, AT)


async def run(shop: tea_shop.Shop, *statements: str) -> None:
    async with shop.database.transaction() as tx:
        for statement in statements:
            await tx.execute(text(statement))


async def drop_triggers(shop: tea_shop.Shop) -> None:
    async with shop.database.snapshot() as tx:
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        names = [name for (name,) in await tx.execute(text(query))]
    assert names
    await run(shop, *[f"DROP TRIGGER {name}" for name in names])


async def checked(shop: tea_shop.Shop, folder: Path) -> Report:
    path = folder / "export.zip"
    await shop.core.exports.write(path, Format.BUNDLE, Selection(), AT)
    return verifier.verify_file(path, shop.core.signer.key)


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_database_refuses_to_change_the_log(tmp_path: Path, statement: str) -> None:
    async with tea_shop.new_shop(tmp_path) as shop:
        await filled(shop)
        with pytest.raises(DBAPIError):
            await run(shop, statement)
        assert (await checked(shop, tmp_path)).failures == []


async def test_an_entry_that_was_changed_without_the_triggers_is_named(tmp_path: Path) -> None:
    async with tea_shop.new_shop(tmp_path) as shop:
        await filled(shop)
        await shop.core.signer.sign(AT)
        await drop_triggers(shop)
        change = "replace(CAST(entry AS TEXT), 'consent.withdrawn', 'consent.granted')"
        await run(shop, f"UPDATE log_entry SET entry = CAST({change} AS BLOB)")  # noqa: S608 ours
        report = await checked(shop, tmp_path)
        assert report.failures
        assert report.failures[0].startswith("entry ")
        assert "was changed: its leaf hash is" in report.failures[0]
        assert "consent.granted of" in report.failures[0]


async def test_an_entry_that_was_made_unreadable_is_named(tmp_path: Path) -> None:
    async with tea_shop.new_shop(tmp_path) as shop:
        await filled(shop)
        await drop_triggers(shop)
        await run(shop, "UPDATE log_entry SET entry = CAST('{}' AS BLOB) WHERE \"index\" = 2")
        with pytest.raises(ProofError, match="entry 2 was changed in the database"):
            await checked(shop, tmp_path)


async def test_a_tail_that_was_cut_is_not_signed(tmp_path: Path) -> None:
    async with tea_shop.new_shop(tmp_path) as shop:
        await filled(shop)
        current, _ = await shop.core.signer.sign(AT)
        await drop_triggers(shop)
        last = current.size - 1
        for table in ("log_payload", "consent_event", "log_entry"):
            await run(shop, f'DELETE FROM {table} WHERE "index" = {last}')  # noqa: S608 ours
        report = await checked(shop, tmp_path)
        assert f"entry {last} was removed: the tree has it" in report.failures[0]
        await run(shop, f"UPDATE log_head SET size = {last}")  # noqa: S608 ours
        with pytest.raises(TreeRolledBack):
            await checked(shop, tmp_path)
