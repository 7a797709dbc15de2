"""A copy of the database is put back: nothing is sent twice, and who decides is told."""

import shutil

from shop import Shop, button_data, eventually, query

from bot.app import copies

HELD = "SELECT count(*) FROM fact WHERE name = 'advertising_held'"
CONFIRMED = (
    "SELECT count(*) FROM log_entry WHERE CAST(entry AS TEXT) LIKE '%staff.restore_confirmed%'"
)


def copied(shop: Shop, name: str) -> None:
    """Copy the database as files; the bot is closed."""
    shutil.copytree(shop.folder / "data", shop.folder / name)


def put_back(shop: Shop, name: str) -> None:
    shutil.rmtree(shop.folder / "data")
    shutil.copytree(shop.folder / name, shop.folder / "data")


async def test_a_copy_that_is_put_back_sends_nothing_again(closed_shop: Shop) -> None:
    shop = closed_shop
    shop.rate = 2
    await shop.open()
    people = [shop.customer(number) for number in range(1, 9)]
    for person in people:
        await shop.answer_all(person)
    await shop.broadcast("Only once")

    async def has_begun() -> bool:
        return any(shop.advertisements(person, "Only once") for person in people)

    await eventually(has_begun)
    await shop.close()
    copied(shop, "copy")
    shop.rate = 1000
    await shop.open()
    await shop.finished()
    receipt = await people[0].wait("Your receipt")
    await shop.answer_all(shop.customer(9))
    await people[0].press("Proof", receipt)  # a checkpoint is signed
    await people[0].wait(lambda m: m.file_id is not None)
    await shop.close()
    put_back(shop, "copy")
    await shop.open()
    await shop.owner.wait("Nothing is known of the time from")
    told = await shop.owner.wait(
        lambda m: "resume only if sure" in m.text and m.button("Resume") is not None
    )
    await shop.owner.press("Advertising may go on")
    await shop.owner.wait("you decided it")
    await shop.owner.press("Resume")
    await shop.owner.wait(lambda m: "finished" in m.text and m.id >= told.id)
    for person in people:
        assert len(shop.advertisements(person, "Only once")) == 1
    listed = await shop.say(shop.owner, "/campaigns", "№1")
    assert "Uncertain: 0" not in listed.text
    stopped = await shop.say(people[0], "/stop", "unsubscribed")
    assert stopped.button("Undo"), "withdrawals are taken all the same"


async def test_a_restart_without_a_copy_holds_nothing(shop: Shop) -> None:
    anna = shop.customer(1)
    await shop.answer_all(anna)
    receipt = await anna.wait("Your receipt")
    await anna.press("Proof", receipt)
    await anna.wait(lambda m: m.file_id is not None)
    await shop.reopen()
    await shop.broadcast("As ever")
    await anna.wait("As ever")


async def test_after_a_restore_no_advertising_goes_out_before_an_admin_decides(
    closed_shop: Shop,
) -> None:
    """Anna leaves after the copy was made: the restored database still has her consent."""
    shop = closed_shop
    await shop.open()
    anna, ben = shop.customer(1), shop.customer(2)
    await shop.say(shop.owner, "/help", "/broadcast")  # nobody is written to who never wrote
    await shop.answer_all(anna)
    await shop.answer_all(ben)
    await shop.close()
    backup = shop.folder / "copy.db"
    await copies.back_up(shop.settings, backup, lambda _done, _of: None)
    await shop.open()
    await shop.say(anna, "/stop", "unsubscribed")
    await shop.close()
    found = await copies.look(shop.settings, backup)
    await copies.put_back(shop.settings, backup, found)
    await shop.open()
    asked = await shop.owner.wait("Nothing is known of the time from")
    assert "202" in asked.text
    await shop.preview("Too early")
    await shop.owner.press("Send now")
    refused = await shop.press(shop.owner, "Yes, send")
    assert "Advertising waits until an admin has confirmed" in refused["text"]
    await shop.press(shop.owner, "Cancel")
    listed = await shop.say(shop.owner, "/campaigns", "Nothing is known of the time")
    assert not shop.advertisements(anna, "Too early")
    await ben.press_data(button_data(asked, "Advertising may go on"), ben.received[-1])
    assert query(shop, HELD) == [(1,)], "a customer cannot decide it"
    await shop.owner.press("Advertising may go on", listed)
    await shop.owner.wait("you decided it")
    assert query(shop, HELD) == [(0,)]
    assert query(shop, CONFIRMED) == [(1,)]
    await shop.reopen()
    await shop.broadcast("Now")
    await ben.wait("Now")
