"""A broadcast ends with a seal in the log, and whoever has the list can check it."""

from typing import Any

from shop import Shop, desks_of, eventually, query

from bot.proof import delivery, merkle
from bot.usecases.journal import opened
from storage import keys, log


async def sealed_entry(shop: Shop) -> str:
    """Wait for the seal of the one occurrence there is; return the id of its entry."""

    async def is_sealed() -> bool:
        (named,) = query(shop, "SELECT seal_entry_id FROM occurrence")[0]
        return named is not None

    await eventually(is_sealed)
    (found,) = query(
        shop, 'SELECT entry_id FROM log_entry WHERE instr(entry, \'"type":"occurrence.sealed"\')'
    )
    assert found == query(shop, "SELECT seal_entry_id FROM occurrence")[0]
    return str(found[0])


async def test_a_broadcast_ends_with_a_seal_over_all_its_sends(shop: Shop) -> None:
    anna, boris, gone = (shop.customer(number) for number in (1, 2, 3))
    for person in (anna, boris, gone):
        await shop.answer_all(person)
    await shop.broadcast("Green tea")
    await shop.finished()
    entry_id = await sealed_entry(shop)
    await gone.press("Delete everything", await shop.say(gone, "/forget", "Delete everything?"))
    await gone.wait("is deleted")
    await shop.close()

    async with desks_of(shop) as desks, desks.seals.database.snapshot() as tx:
        key = await desks.seals.journal.key(tx, keys.HOUSE)
        stored = await log.entry(tx, entry_id)
        assert key is not None
        assert stored is not None
        assert stored.sealed is not None
        payload: dict[str, Any] = opened(stored.sealed, key.secret, stored.hashed)["payload"]
        listed = [one async for one in desks.seals.deliveries(tx, payload["occurrence"])]
    known = [one for one in listed if one.payload is not None]
    assert (payload["number"], payload["purpose"]) == (1, "offers")
    assert (payload["size"], payload["counts"]) == (3, {"sent": 3})
    assert (len(listed), len(known)) == (3, 2)
    assert all(delivery.check_opening(one.salt, one.payload) == one.leaf for one in known)
    assert merkle.root(one.leaf for one in listed).hex() == payload["root"]
    arrived = {str(m.id) for person in (anna, boris) for m in person.received if "Green" in m.text}
    assert {one.payload["message_id"] for one in known if one.payload} == arrived
