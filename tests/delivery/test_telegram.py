"""Telegram as a channel: what an answer means, and that doubt is called doubt."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.campaigns.states import DELIVERY_MOVES, DeliveryState
from bot.delivery.channel import Outcome, Prepared
from bot.delivery.telegram import TelegramChannel, classify
from bot.sandbox.faults import FaultKind
from bot.sandbox.refusal import Refusal, bad_request, too_many_requests
from bot.sandbox.server import Sandbox, serve

TOKEN = "4242:made-up"
CASES = json.loads(
    Path(__file__).parents[1].joinpath("data/vectors/telegram-errors/cases.json").read_text()
)["cases"]
HTTP_CASES = [case for case in CASES if "http" in case]
D = DeliveryState
MESSAGE = Prepared(method="sendMessage", fields={"chat_id": 7, "text": "Hello"})


def answer(status: int, **body: Any) -> Outcome:
    return classify(status, json.dumps(body).encode())


def raw(case: dict[str, Any]) -> bytes:
    return case["body_raw"].encode() if "body_raw" in case else json.dumps(case["body"]).encode()


# --- answers


@pytest.mark.parametrize("case", HTTP_CASES, ids=lambda case: f"{case['http']}-{case['outcome']}")
def test_known_answers_mean_what_was_found_out_about_them(case: dict[str, Any]) -> None:
    outcome = classify(case["http"], raw(case))
    if case["outcome"].startswith("unknown"):
        assert outcome.state is D.UNCERTAIN
    else:
        assert outcome.state in {D.READY, D.FAILED}
    assert (outcome.retry_after is not None) == (case["http"] == 429)


def test_the_vectors_are_all_read() -> None:
    assert len(HTTP_CASES) == 9
    assert {case["transport"] for case in CASES if "transport" in case} == {
        "connection refused",
        "connection reset after the request was written",
        "no answer before the timeout",
    }


def test_a_yes_has_a_message_id() -> None:
    outcome = answer(200, ok=True, result={"message_id": 41})
    assert outcome == Outcome(state=D.SENT, message_id=41)


@pytest.mark.parametrize(
    "result",
    [
        *[None, True, [], {}, {"message_id": None}, {"message_id": "41"}],
        *[{"message_id": 0}, {"message_id": -1}, {"message_id": 2**63}, {"message_id": 4.1}],
    ],
)
def test_a_yes_without_a_usable_message_id_is_doubt(result: Any) -> None:
    assert answer(200, ok=True, result=result).state is D.UNCERTAIN


@pytest.mark.parametrize(
    ("description", "reason", "is_unreachable"),
    [
        ("Forbidden: bot was blocked by the user", "blocked", True),
        ("Forbidden: user is deactivated", "deactivated", True),
        ("Forbidden: bot can't initiate conversation with a user", "blocked", True),
        ("Forbidden: bot was kicked from the supergroup chat", "blocked", True),
    ],
)
def test_403_is_about_the_person(description: str, reason: str, is_unreachable: bool) -> None:  # noqa: FBT001
    outcome = answer(403, ok=False, error_code=403, description=description)
    assert outcome == Outcome(state=D.FAILED, reason=reason, is_unreachable=is_unreachable)


@pytest.mark.parametrize(
    "description",
    [
        *["chat not found", "user not found", "PEER_ID_INVALID", "INPUT_USER_DEACTIVATED"],
        *["group chat was upgraded to a supergroup chat", "have no rights to send a message"],
    ],
)
def test_some_400_are_about_the_person(description: str) -> None:
    outcome = answer(400, ok=False, error_code=400, description=f"Bad Request: {description}")
    assert outcome == Outcome(state=D.FAILED, reason="chat_not_found", is_unreachable=True)


@pytest.mark.parametrize("description", ["message is too long", "BUTTON_URL_INVALID", "", None, 7])
def test_every_other_400_is_about_the_message(description: Any) -> None:
    outcome = answer(400, ok=False, error_code=400, description=description)
    assert outcome == Outcome(state=D.FAILED, reason="content_refused", is_about_content=True)


@pytest.mark.parametrize("status", [401, 404, 409])
def test_a_question_about_the_bot_itself_stops_the_sending(status: int) -> None:
    outcome = answer(status, ok=False, error_code=status, description="Unauthorized")
    assert outcome == Outcome(state=D.READY, reason=f"http_{status}", stops_sending=True)


@pytest.mark.parametrize(
    ("parameters", "seconds"),
    [
        ({"retry_after": 7}, 7),
        ({"retry_after": 2.5}, 2.5),
        ({"retry_after": 0}, 1),
        ({"retry_after": -5}, 1),
        ({"retry_after": 10**12}, 86_400),
        ({"retry_after": float("inf")}, 86_400),
        ({"retry_after": float("nan")}, 1),
        ({"retry_after": "7"}, 1),
        ({"retry_after": None}, 1),
        ({"retry_after": True}, 1),
        ({"retry_after": [7]}, 1),
        ({}, 1),
        (None, 1),
        ([7], 1),
    ],
)
def test_429_lets_the_bot_rest_for_a_time_that_can_be_waited(
    parameters: Any, seconds: float
) -> None:
    outcome = answer(429, ok=False, error_code=429, parameters=parameters)
    assert outcome == Outcome(state=D.READY, reason="too_many_requests", retry_after=seconds)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"ok": False, "error_code": 400}),
        (200, {"ok": 1, "result": {"message_id": 1}}),
        (200, {"result": {"message_id": 1}}),
        (201, {"ok": True, "result": {"message_id": 1}}),
        (302, {"ok": False}),
        (400, {"ok": True, "result": {"message_id": 1}}),
        (400, {"ok": None}),
        (400, {}),
        (429, {}),
        (500, {"ok": True, "result": {"message_id": 1}}),
        (503, {"ok": False, "error_code": 429, "parameters": {"retry_after": 1}}),
    ],
)
def test_an_answer_that_contradicts_itself_is_doubt(status: int, body: dict[str, Any]) -> None:
    assert answer(status, **body).state is D.UNCERTAIN


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["ok", "result", "message_id", "parameters", "retry_after", "description"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)
BODIES = st.binary() | JSON.map(lambda facts: json.dumps(facts).encode())


@given(status=st.integers(100, 599), body=BODIES)
@example(status=200, body=b"[" * 100_000)
@example(status=200, body=b'{"ok": true, "result": ' + b"9" * 5000 + b"}")
@example(status=400, body=b"\xff\xfe{}")
def test_whatever_comes_is_an_outcome_and_only_a_clear_word_is_no_doubt(
    status: int, body: bytes
) -> None:
    outcome = classify(status, body)
    assert outcome.state in DELIVERY_MOVES[D.SENDING]
    if status != 200:
        assert outcome.state is not D.SENT
    if not 400 <= status < 500:
        assert outcome.state in {D.SENT, D.UNCERTAIN}
    if outcome.state is D.SENT:
        assert json.loads(body)["result"]["message_id"] == outcome.message_id
    if outcome.state is D.READY:
        assert outcome.retry_after is not None or outcome.stops_sending


# --- over HTTP


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with serve(Sandbox(token=TOKEN)) as served:
        served.person(7, "Anna").account.has_started = True
        yield served


@pytest.fixture
async def channel(sandbox: Sandbox) -> AsyncIterator[TelegramChannel]:
    opened = TelegramChannel(sandbox.url, TOKEN, connections=5, timeout_seconds=0.5)
    yield opened
    await opened.close()


def arrived(sandbox: Sandbox) -> int:
    return len(sandbox.world.private_chat(7).messages)


async def test_a_message_is_sent_once_and_its_id_is_known(
    sandbox: Sandbox, channel: TelegramChannel
) -> None:
    outcome = await channel.send(MESSAGE)
    assert outcome == Outcome(state=D.SENT, message_id=1)
    assert arrived(sandbox) == 1


async def test_a_refused_connection_proves_that_nothing_was_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        channel = TelegramChannel(
            f"http://127.0.0.1:{unused.getsockname()[1]}", TOKEN, connections=1
        )
        outcome = await channel.send(MESSAGE)
        await channel.close()
    assert outcome.state is D.READY
    assert outcome.retry_after == 1


@pytest.mark.parametrize("host", ["tea-shop.invalid", "127.0.0.1:1"])
async def test_no_server_proves_that_nothing_was_sent(host: str) -> None:
    channel = TelegramChannel(f"http://{host}", TOKEN, connections=1)
    outcome = await channel.send(MESSAGE)
    await channel.close()
    assert outcome.state is D.READY


@pytest.mark.parametrize(
    ("kind", "was_sent"),
    [
        (FaultKind.RESET_BEFORE, False),
        (FaultKind.RESET_AFTER, True),
        (FaultKind.HANG, True),
        (FaultKind.TRUNCATED, True),
    ],
)
async def test_a_connection_that_ends_is_doubt_and_nothing_is_sent_twice(
    sandbox: Sandbox,
    channel: TelegramChannel,
    kind: FaultKind,
    was_sent: bool,  # noqa: FBT001
) -> None:
    fault = sandbox.fault(kind, method="sendMessage", seconds=5.0)
    outcome = await channel.send(MESSAGE)
    assert outcome == Outcome(state=D.UNCERTAIN, reason="connection_lost")
    assert fault.times == 0
    assert arrived(sandbox) == was_sent
    assert len([call for call in sandbox.calls if call.method == "sendMessage"]) <= 1


async def test_a_kept_connection_that_was_reset_is_doubt_too(
    sandbox: Sandbox, channel: TelegramChannel
) -> None:
    assert (await channel.send(MESSAGE)).state is D.SENT
    sandbox.fault(FaultKind.RESET_AFTER, method="sendMessage")
    assert (await channel.send(MESSAGE)).state is D.UNCERTAIN
    assert arrived(sandbox) == 2
    assert (await channel.send(MESSAGE)).state is D.SENT


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, b"<html>bad gateway</html>"),
        (200, b"<html>fine</html>"),
        (200, b'{"ok":true,"resu'),
        (200, b""),
        (404, b"<html>no such page</html>"),
        (429, b"slow down"),
    ],
)
async def test_an_answer_that_is_not_telegrams_is_doubt(
    sandbox: Sandbox, channel: TelegramChannel, status: int, body: bytes
) -> None:
    sandbox.fault(FaultKind.REPLY, method="sendMessage", status=status, body=body)
    outcome = await channel.send(MESSAGE)
    assert outcome == Outcome(state=D.UNCERTAIN, reason=f"http_{status}")


@pytest.mark.parametrize(
    ("refusal", "state"),
    [
        (too_many_requests(3), D.READY),
        (Refusal(401, "Unauthorized"), D.READY),
        (Refusal(404, "Not Found"), D.READY),
        (Refusal(409, "Conflict"), D.READY),
        (Refusal(403, "Forbidden: bot was blocked by the user"), D.FAILED),
        (bad_request("chat not found"), D.FAILED),
        (bad_request("message is too long"), D.FAILED),
        (Refusal(500, "Internal Server Error"), D.UNCERTAIN),
    ],
)
async def test_a_refusal_over_http_is_understood(
    sandbox: Sandbox, channel: TelegramChannel, refusal: Refusal, state: DeliveryState
) -> None:
    sandbox.refuse(refusal, method="sendMessage")
    outcome = await channel.send(MESSAGE)
    assert outcome.state is state
    assert outcome == classify(refusal.status, json.dumps(refusal.body()).encode())
    assert arrived(sandbox) == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed_into_a_second_send(
    sandbox: Sandbox, status: int
) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        place = f"{sandbox.url}/bot{TOKEN}/sendMessage"
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    channel = TelegramChannel(url, TOKEN, connections=1)
    outcome = await channel.send(MESSAGE)
    await channel.close()
    server.close()
    assert outcome == Outcome(state=D.UNCERTAIN, reason=f"http_{status}")
    assert sandbox.calls == []


async def test_a_channel_that_was_never_used_can_be_closed() -> None:
    await TelegramChannel("http://127.0.0.1:1", TOKEN, connections=1).close()
