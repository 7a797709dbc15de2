"""What goes wrong on demand goes wrong in exactly the way that was asked for."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sandbox_shape import ANNA, CASES, Bot, anna, refusal_of, running_bot, until

from bot.sandbox.faults import FaultKind, RateLimit
from bot.sandbox.refusal import Refusal, too_many_requests

SECONDS = 0.3


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    async with running_bot() as running:
        yield running


def shown(bot: Bot) -> list[str]:
    """What lies in Anna's chat from the bot."""
    return [message.text for message in anna(bot.sandbox).received]


async def send(bot: Bot, text: str = "Hello") -> httpx.Response:
    return await bot.call("sendMessage", chat_id=ANNA, text=text)


# --- each kind --------------------------------------------------------------------------------


async def test_a_reset_before_does_nothing_and_says_nothing(bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.RESET_BEFORE)

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await send(bot)

    assert shown(bot) == []


async def test_a_reset_after_does_it_and_says_nothing(bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.RESET_AFTER)

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await send(bot)

    assert shown(bot) == ["Hello"]


async def test_a_hang_does_it_at_once_and_gives_no_answer_in_time(bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.HANG, seconds=60)

    with pytest.raises(httpx.ReadTimeout):
        await bot.http.post(
            bot.url("sendMessage"), json={"chat_id": ANNA, "text": "Hello"}, timeout=SECONDS
        )

    assert shown(bot) == ["Hello"]


async def test_a_hang_ends_with_the_connection_and_never_with_an_answer(bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.HANG, seconds=SECONDS)
    began = time.monotonic()

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await send(bot)

    assert time.monotonic() - began >= SECONDS


async def test_a_truncated_answer_was_done_and_is_cut_in_the_middle(bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.TRUNCATED)

    with pytest.raises(httpx.RemoteProtocolError):
        await send(bot)

    assert shown(bot) == ["Hello"]


async def test_a_truncated_answer_begins_as_a_right_one(bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.TRUNCATED)
    host, port = bot.sandbox.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    writer.write(f"GET {urlsplit(bot.url('getMe')).path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()

    head, _, body = answer.partition(b"\r\n\r\n")
    promised = int(head.rpartition(b"Content-Length: ")[2])
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body.startswith(b'{"ok": true')
    assert 0 < len(body) < promised


async def test_a_delay_does_it_later_and_answers(bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.DELAY, seconds=SECONDS)
    began = time.monotonic()
    call = asyncio.ensure_future(send(bot))
    await until(lambda: not bot.sandbox.faults[0].times)

    assert shown(bot) == []
    response = await call
    assert time.monotonic() - began >= SECONDS
    assert response.json()["result"]["text"] == "Hello"
    assert shown(bot) == ["Hello"]


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b'{"ok":true,"resu', b""])
async def test_a_reply_is_given_byte_for_byte_and_nothing_is_done(body: bytes, bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.REPLY, status=502, body=body)

    response = await send(bot)

    assert (response.status_code, response.content) == (502, body)
    assert shown(bot) == []


async def test_a_planned_refusal_has_the_form_of_a_real_one(bot: Bot) -> None:
    bot.sandbox.refuse(Refusal(403, "Forbidden: bot was blocked by the user"))

    response = await send(bot)

    assert refusal_of(response) == (403, "Forbidden: bot was blocked by the user")
    assert response.headers["Content-Type"] == "application/json"
    assert shown(bot) == []


# --- which calls ------------------------------------------------------------------------------


async def test_a_fault_hits_as_often_as_it_was_asked_to(bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.REPLY, status=500, times=2)

    assert [(await send(bot)).status_code for _ in range(4)] == [500, 500, 200, 200]


async def test_a_fault_hits_only_its_method_and_its_chat(bot: Bot) -> None:
    bot.sandbox.person(8, "Ben").account.has_started = True
    bot.sandbox.fault(FaultKind.REPLY, status=500, method="sendMessage", chat_id=8)

    assert (await bot.call("getChat", chat_id=ANNA)).status_code == 200
    assert (await send(bot)).status_code == 200
    assert (await bot.call("SENDMESSAGE", chat_id=8, text="x")).status_code == 500


@pytest.mark.parametrize("encoded", ["json", "data", "params"])
async def test_a_fault_for_a_chat_hits_however_the_chat_is_named(encoded: str, bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.REPLY, status=500, chat_id=ANNA)
    given: dict[str, Any] = {encoded: {"chat_id": str(ANNA), "text": "x"}}

    response = await bot.http.post(bot.url("sendMessage"), **given)

    assert response.status_code == 500


async def test_faults_come_in_the_order_they_were_planned(bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.REPLY, status=502)
    bot.sandbox.fault(FaultKind.REPLY, status=500)

    assert [(await send(bot)).status_code for _ in range(3)] == [502, 500, 200]


async def test_calls_that_failed_are_not_counted_as_sent(bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.REPLY, status=500)
    await send(bot, "refused")
    await send(bot, "sent")
    await bot.call("sendMessage", chat_id=999, text="nobody")

    await bot.http.post(bot.url("sendMessage"), data={"chat_id": str(ANNA), "text": "by a form"})

    texts = [call.parameters["text"] for call in bot.sandbox.sent(ANNA)]
    assert texts == ["sent", "by a form"]
    statuses = [call.status for call in bot.sandbox.calls if call.method == "sendMessage"]
    assert statuses == [500, 200, 400, 200]


async def test_held_calls_wait_until_they_are_released(bot: Bot) -> None:
    held = bot.sandbox.hold("sendMessage")
    calls = [asyncio.ensure_future(send(bot, str(number))) for number in range(3)]
    await until(lambda: held.entered == 3)

    assert shown(bot) == []
    assert await bot.ok("getMe")
    held.release()
    assert {call.status_code for call in await asyncio.gather(*calls)} == {200}
    assert sorted(shown(bot)) == ["0", "1", "2"]


# --- too many requests ------------------------------------------------------------------------


async def test_beyond_the_rate_calls_are_refused_with_the_time_to_wait(bot: Bot) -> None:
    bot.sandbox.rate_limit = RateLimit(per_second=2)
    responses = [await send(bot, str(number)) for number in range(3)]

    assert [response.status_code for response in responses] == [200, 200, 429]
    assert refusal_of(responses[2]) == (429, "Too Many Requests: retry after 1")
    assert responses[2].json()["parameters"] == {"retry_after": 1}
    assert responses[2].headers["Retry-After"] == "1"
    assert shown(bot) == ["0", "1"]
    assert bot.sandbox.rate_limit.refused == 1
    assert await bot.ok("getChat", chat_id=ANNA), "only messages count"


def test_a_rate_is_a_window_that_slides() -> None:
    limit = RateLimit(per_second=2)

    admitted = [limit.admits(now) for now in (0.0, 0.6, 0.9, 1.0, 1.1, 1.6)]

    assert admitted == [True, True, False, True, False, True]


async def test_a_planned_429_names_its_seconds_in_body_and_header(bot: Bot) -> None:
    bot.sandbox.refuse(too_many_requests(7))

    response = await send(bot)

    assert refusal_of(response) == (429, "Too Many Requests: retry after 7")
    assert response.json()["parameters"] == {"retry_after": 7}
    assert response.headers["Retry-After"] == "7"
    assert (await send(bot)).status_code == 200


# --- the outside vectors that are not answers in JSON -----------------------------------------


RAW = [case for case in CASES if "body_raw" in case]


@pytest.mark.parametrize("case", RAW, ids=[case["body_raw"] for case in RAW])
async def test_a_broken_answer_of_telegram_can_be_given(case: dict[str, Any], bot: Bot) -> None:
    bot.sandbox.fault(FaultKind.REPLY, status=case["http"], body=case["body_raw"].encode())

    response = await send(bot)

    assert (response.status_code, response.text) == (case["http"], case["body_raw"])
    with pytest.raises(json.JSONDecodeError):
        response.json()


TRANSPORT = {
    "connection reset after the request was written": (FaultKind.RESET_AFTER, httpx.ReadError),
    "no answer before the timeout": (FaultKind.HANG, httpx.ReadTimeout),
}


@pytest.mark.parametrize("case", sorted(TRANSPORT))
async def test_a_broken_connection_can_be_given(case: str, bot: Bot) -> None:
    assert case in {known.get("transport") for known in CASES}
    kind, error = TRANSPORT[case]
    bot.sandbox.fault(kind, seconds=60)

    with pytest.raises((error, httpx.RemoteProtocolError)):
        await bot.http.post(
            bot.url("sendMessage"), json={"chat_id": ANNA, "text": "Hello"}, timeout=SECONDS
        )

    assert shown(bot) == ["Hello"]


async def test_a_connection_is_refused_once_the_simulator_is_gone() -> None:
    assert "connection refused" in {known.get("transport") for known in CASES}
    async with running_bot() as bot:
        url = bot.url("getMe")
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(url)
