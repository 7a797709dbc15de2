"""A copy of the database is put back: nothing is sent twice, and who decides is told."""

import shutil

from shop import Shop, eventually


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
    told = await shop.owner.wait("put back from a copy")
    assert told.button("Resume")
    await shop.owner.press("Resume", told)
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
