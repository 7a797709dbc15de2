"""While the log is behind nothing is signed, and whoever wants to leave leaves all the same."""

import shutil

from shop import Shop, eventually, query, settled

from bot.app import key_commands
from bot.usecases.key_rotation import EPOCH
from storage import keystore


async def lose(shop: Shop) -> None:
    """Put a copy back that lacks what was signed last."""
    anna = shop.customer(1)
    await shop.open()
    await shop.answer_all(anna)
    await settled(shop)
    await shop.close()
    shutil.copytree(shop.folder / "data", shop.folder / "copy")
    await shop.open()
    await shop.answer_all(shop.customer(2))
    receipt = await anna.wait("Your receipt")
    await anna.press("Proof", receipt)
    await anna.wait(lambda m: m.file_id is not None)
    await shop.close()
    shutil.rmtree(shop.folder / "data")
    shutil.copytree(shop.folder / "copy", shop.folder / "data")


async def test_behind_the_log_withdrawals_go_on_and_nothing_is_signed(closed_shop: Shop) -> None:
    shop = closed_shop
    await lose(shop)
    await shop.open()
    anna = shop.customer(1)
    stopped = await shop.say(anna, "/stop", "unsubscribed")
    assert stopped.button("Undo")
    signed_before = query(shop, "SELECT max(size) FROM checkpoint")
    await shop.say(shop.owner, "/export", "For which period?")
    await shop.press(shop.owner, "Everything")
    await shop.press(shop.owner, "All purposes")
    told = await shop.owner.wait("cannot be signed")
    assert "older copy" in told.text
    assert "keys status" in told.text
    assert query(shop, "SELECT max(size) FROM checkpoint") == signed_before
    await shop.close()
    found = await key_commands.loss(shop.settings)
    assert found.signed.size > found.agreed
    key = await key_commands.continue_after_loss(shop.settings)
    assert key.name.endswith("/2")
    await shop.open()
    after = anna.messages[-1]
    await anna.press("Proof", await anna.wait("Your receipt"))
    proof = await anna.wait(
        lambda m: m.file_id is not None and b"tlog-proof" in anna.file(m)[:40], after=after.id
    )
    assert f"\n{key.name}\n".encode() in anna.file(proof)


async def test_a_bot_that_starts_goes_on_with_a_rotation_and_begins_what_is_due(
    closed_shop: Shop,
) -> None:
    shop = closed_shop
    await shop.open()
    anna = shop.customer(1)
    await shop.answer_all(anna)
    await settled(shop)
    await shop.close()
    path = shop.settings.keystore
    facts = keystore.keystore_file.read(path)
    made = keystore.open_keystore(path, keystore.read_kek(shop.settings.key_file)).made[1]
    facts["epochs"]["1"]["created"] = (made - EPOCH).isoformat()
    keystore.keystore_file.write(path, facts)
    await shop.open()

    async def is_rotated() -> bool:
        return list(keystore.keystore_file.read(path)["epochs"]) == ["2"]

    await eventually(is_rotated)
    assert query(shop, "SELECT DISTINCT generation FROM data_key") == [(2,)]
    stopped = await shop.say(anna, "/stop", "unsubscribed")
    assert stopped.button("Undo")
