"""The main job on the other engine."""

import pytest
from shop import Shop

from storage.database import Database


@pytest.mark.parametrize("empty_database", ["postgresql"], indirect=True)
async def test_agree_send_leave_and_restart_on_postgresql(
    empty_database: Database, closed_shop: Shop
) -> None:
    shop = closed_shop
    url = empty_database.url.render_as_string(hide_password=False)
    shop.more["database_url"] = url
    await shop.open()
    anna, ben = shop.customer(1), shop.customer(2, "ru")
    await shop.answer_all(anna)
    await shop.answer_all(ben)
    await shop.broadcast("Oolong one")
    message = await anna.wait("Oolong one")
    await ben.wait("Oolong one")
    await anna.press("Unsubscribe", message)
    await anna.wait("unsubscribed")
    await shop.finished(1)
    await shop.reopen()
    await shop.broadcast("Oolong two")
    await ben.wait("Oolong two")
    await shop.finished(2)
    assert not shop.advertisements(anna, "Oolong two")
    question = await shop.say(anna, "/forget", "Delete everything?")
    await anna.press("Delete everything", question)
    await anna.wait("is deleted")
    asked = await shop.say(shop.owner, "/export", "For which period")
    await shop.owner.press("Everything", asked)
    await shop.owner.press("All purposes", await shop.owner.wait("For which purpose"))
    await shop.owner.wait("python -m bot verify")
