"""The chat page: over HTTP as its script asks, and in a real Chromium as people use it."""

import asyncio
import html
import json
import re
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, FilePayload, Locator, Page, Route, expect

from bot.sandbox import page as page_module
from bot.sandbox.page import page_routes
from bot.sandbox.people import Person
from bot.sandbox.server import Sandbox, serve

TOKEN = "4242:tiny-bot"
STATIC = Path(page_module.__file__).parent / "static"
SECONDS = 20
TIPS = ("Press START.", "Send /stop.")
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}

NOTICE = (
    "<b>Скидки и новинки</b> 🍵\n"
    "<i>Не чаще двух раз в неделю.</i> Код <tg-spoiler>ЧАЙ-10</tg-spoiler>, "
    '<a href="https://tea.example/about">о нас</a>, https://tea.example/news, /stop\n'
    "<blockquote expandable>" + "Длинная оговорка, которую никто не читает. " * 12 + "</blockquote>"
)
KEYBOARD = {
    "inline_keyboard": [
        [
            {"text": "✅ Соглашаюсь", "callback_data": "toast"},
            {"text": "Отказываюсь", "callback_data": "alert"},
        ],
        [{"text": "Сайт", "url": "https://tea.example/"}],
        [{"text": "Позвать друга", "url": "https://t.me/tea_shop_bot?start=friend"}],
    ]
}


# --- Telegram, people, a tiny bot -------------------------------------------------------------


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(token=TOKEN, name="Чайная лавка")
    people = [
        sandbox.person(1, "Анна", language_code="ru"),
        sandbox.person(2, "John", language_code="en"),
        sandbox.person(3, "Ольга", language_code="ru"),
    ]
    extra = lambda: page_routes(sandbox, people, tips=TIPS, captions={2: "customer"})  # noqa: E731
    async with serve(sandbox, extra=extra):
        yield sandbox


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.url, timeout=SECONDS) as client:
        yield client


def person(sandbox: Sandbox, number: int) -> Person:
    return Person(sandbox.world, sandbox.world.accounts[number])


async def ask(client: httpx.AsyncClient, method: str, **parameters: Any) -> Any:
    """Call the Bot API as a bot does."""
    answer = (await client.post(f"/bot{TOKEN}/{method}", json=parameters)).json()
    assert answer["ok"], answer
    return answer["result"]


@asynccontextmanager
async def tiny_bot(client: httpx.AsyncClient) -> AsyncIterator[None]:
    """Run a bot that shows a notice, answers presses and repeats everything else."""
    running = asyncio.ensure_future(_poll(client))
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _poll(client: httpx.AsyncClient) -> None:
    offset = 0
    while True:
        for update in await ask(client, "getUpdates", offset=offset, timeout=5):
            offset = update["update_id"] + 1
            if "message" in update:
                await _answer_message(client, update["message"])
            if "callback_query" in update:
                await _answer_press(client, update["callback_query"])


async def _answer_message(client: httpx.AsyncClient, message: dict[str, Any]) -> None:
    chat_id, text = message["chat"]["id"], message.get("text", "a file")
    notice = {"text": NOTICE, "reply_markup": KEYBOARD}
    echo = {"text": f"You said: {html.escape(text)}"}
    body = notice if text == "/start" else echo
    await ask(client, "sendMessage", chat_id=chat_id, parse_mode="HTML", **body)


async def _answer_press(client: httpx.AsyncClient, query: dict[str, Any]) -> None:
    answer = {"text": f"pressed {query['data']}", "show_alert": query["data"] == "alert"}
    await ask(client, "answerCallbackQuery", callback_query_id=query["id"], **answer)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


def png(width: int = 64, height: int = 48) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    rows = (b"\0" + b"\x2a\x80\xb9" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


# --- the stream -------------------------------------------------------------------------------


@asynccontextmanager
async def stream(client: httpx.AsyncClient) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """Listen to the page's events as (name, data)."""

    async def read(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
        name = ""
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))

    async with asyncio.timeout(SECONDS), client.stream("GET", "/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield read(response)


async def chat_of(client: httpx.AsyncClient, number: int) -> dict[str, Any]:
    """Return what one phone shows now."""
    async with stream(client) as events:
        async for name, data in events:
            if name == "chat" and data["chat"]["id"] == number:
                return dict(data["chat"])
    raise AssertionError("the stream ended")


async def test_the_stream_tells_the_page_first_and_then_every_chat(
    client: httpx.AsyncClient,
) -> None:
    async with stream(client) as events:
        told = [await anext(events) for _ in range(4)]
    assert told[0] == ("page", {"lang": "en", "tips": list(TIPS), "people": [1, 2, 3]})
    assert [data["chat"]["id"] for _, data in told[1:]] == [1, 2, 3]
    john = told[2][1]["chat"]
    assert (john["name"], john["caption"], john["lang"]) == ("John", "customer", "en")
    assert john["messages"] == []


async def test_a_message_of_the_bot_brings_the_whole_chat_of_that_person_only(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    await person(sandbox, 2).start()
    async with stream(client) as events:
        for _ in range(4):
            await anext(events)
        await ask(client, "sendMessage", chat_id=2, text="Hello", reply_markup=KEYBOARD)
        name, data = await anext(events)
    assert (name, data["chat"]["id"]) == ("chat", 2)
    start, hello = data["chat"]["messages"]
    assert (start["text"], start["is_own"]) == ("/start", True)
    assert (hello["text"], hello["is_own"]) == ("Hello", False)
    assert hello["reply_markup"] == KEYBOARD


async def test_a_flood_of_changes_is_told_at_most_twenty_times_a_second(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    await person(sandbox, 2).start()
    clock = asyncio.get_running_loop().time

    async def flood() -> None:
        for number in range(150):
            await ask(client, "sendMessage", chat_id=2, text=f"no. {number}")

    async def count(events: AsyncIterator[tuple[str, Any]]) -> int:
        told = 1
        while (await anext(events))[1]["chat"]["messages"][-1]["text"] != "no. 149":
            told += 1
        return told

    async with stream(client) as events:
        for _ in range(4):
            await anext(events)
        began = clock()
        _, told = await asyncio.gather(flood(), count(events))
        assert told <= 20 * (clock() - began) + 1


async def test_a_description_that_is_set_later_is_told(client: httpx.AsyncClient) -> None:
    async with stream(client) as events:
        for _ in range(4):
            await anext(events)
        await ask(client, "setMyDescription", description="Чай", language_code="ru")
        await ask(client, "setMyDescription", description="Tea")
        told: dict[int, str] = {}
        while told != {1: "Чай", 2: "Tea", 3: "Чай"}:
            chat = (await anext(events))[1]["chat"]
            told[chat["id"]] = chat["description"]


async def test_typing_is_told_with_its_end(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await person(sandbox, 1).start()
    assert (await chat_of(client, 1))["typing_until"] == 0
    await ask(client, "sendChatAction", chat_id=1, action="typing")
    assert (await chat_of(client, 1))["typing_until"] == person(sandbox, 1).chat.is_typing_until


async def test_the_narrowest_list_of_commands_in_the_persons_language_is_shown(
    client: httpx.AsyncClient,
) -> None:
    widest_first: Sequence[tuple[dict[str, Any], str]] = [
        ({"type": "default"}, ""),
        ({"type": "default"}, "ru"),
        ({"type": "all_private_chats"}, ""),
        ({"type": "all_private_chats"}, "ru"),
        ({"type": "chat", "chat_id": 1}, ""),
        ({"type": "chat", "chat_id": 1}, "ru"),
    ]
    shown: dict[int, list[str]] = {1: [], 2: []}
    for number, (scope, language) in enumerate(widest_first):
        commands = [{"command": f"c{number}", "description": "x"}]
        await ask(client, "setMyCommands", commands=commands, scope=scope, language_code=language)
        for one, names in shown.items():
            names.append((await chat_of(client, one))["commands"][0]["command"])
    assert shown == {
        1: ["c0", "c1", "c2", "c3", "c4", "c5"],
        2: ["c0", "c0", "c2", "c2", "c2", "c2"],
    }


# --- writing, pressing, files -----------------------------------------------------------------


async def test_a_text_reaches_the_bot_with_its_entities(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    bold = {"type": "bold", "offset": 3, "length": 3}
    answer = await client.post(
        "/people/2/messages", json={"text": "🍵 tea /stop", "entities": [bold]}
    )
    assert answer.status_code == 200
    update = sandbox.world.pending[-1]["message"]
    assert update["message_id"] == answer.json()["message_id"]
    assert update["from"]["id"] == update["chat"]["id"] == 2
    assert update["text"] == "🍵 tea /stop"
    assert update["entities"] == [bold, {"type": "bot_command", "offset": 7, "length": 5}]


@pytest.mark.parametrize(
    "body",
    [
        {"text": ""},
        {"text": "  \n"},
        {"text": 7},
        {},
        [],
        {"text": "я" * 4097},
        {"text": "x", "entities": [{"type": "bold", "offset": 0, "length": 2}]},
        {"text": "x", "entities": ["bold"]},
        {"text": "x", "entities": {"type": "bold"}},
    ],
)
async def test_what_telegram_would_not_take_is_refused(
    sandbox: Sandbox, client: httpx.AsyncClient, body: Any
) -> None:
    answer = await client.post("/people/2/messages", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert not sandbox.world.pending


@pytest.mark.parametrize("source", [b"", b"{", b"\xff", b"[" * 100_000])
async def test_what_is_not_json_is_refused(client: httpx.AsyncClient, source: bytes) -> None:
    assert (await client.post("/people/2/messages", content=source)).status_code == 400


async def test_nobody_else_can_be_played(client: httpx.AsyncClient) -> None:
    assert (await client.post("/people/9/messages", json={"text": "x"})).status_code == 404


async def test_a_press_returns_the_answer_of_the_bot(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    await person(sandbox, 2).start()
    async with tiny_bot(client):
        message = await person(sandbox, 2).wait("Скидки")
        answers = [
            await client.post("/people/2/presses", json={"message_id": message.id, "data": data})
            for data in ("toast", "alert")
        ]
    assert [answer.json() for answer in answers] == [
        {"text": "pressed toast", "show_alert": False},
        {"text": "pressed alert", "show_alert": True},
    ]


@pytest.mark.parametrize(
    ("press", "status"),
    [
        ({"message_id": 1, "data": "gone"}, 409),
        ({"message_id": 1, "data": None}, 409),
        ({"message_id": 77, "data": "toast"}, 404),
        ({"message_id": [], "data": "toast"}, 404),
        ({}, 404),
    ],
)
async def test_only_a_button_that_is_there_can_be_pressed(
    sandbox: Sandbox, client: httpx.AsyncClient, press: Any, status: int
) -> None:
    await person(sandbox, 2).start()
    sandbox.world.pending.clear()
    assert (await client.post("/people/2/presses", json=press)).status_code == status
    assert not sandbox.world.pending


async def test_blocking_and_unblocking_tell_the_bot_once_each(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    for act in ("block", "block"):
        assert (await client.post(f"/people/2/{act}")).status_code == 200
    refused = await client.post("/people/2/messages", json={"text": "x"})
    for act in ("unblock", "unblock"):
        assert (await client.post(f"/people/2/{act}")).status_code == 200
    assert refused.status_code == 409
    told = [
        update["my_chat_member"]["new_chat_member"]["status"] for update in sandbox.world.pending
    ]
    assert told == ["kicked", "member"]


@pytest.mark.parametrize("kind", ["photo", "document"])
async def test_a_file_reaches_the_bot_and_can_be_fetched_again(
    sandbox: Sandbox, client: httpx.AsyncClient, kind: str
) -> None:
    answer = await client.post(
        "/people/2/files",
        data={
            "kind": kind,
            "caption": "look",
            "entities": '[{"type": "bold", "offset": 0, "length": 4}]',
        },
        files={"file": ("чай.png", png(), "image/png")},
    )
    assert answer.status_code == 200
    update = sandbox.world.pending[-1]["message"]
    assert update["caption"] == "look"
    assert update["caption_entities"] == [{"type": "bold", "offset": 0, "length": 4}]
    facts = update["photo"][-1] if kind == "photo" else update["document"]
    assert facts["file_size"] == len(png())
    fetched = await client.get(f"/files/{facts['file_id']}")
    assert fetched.content == png()
    assert fetched.headers["content-type"] == "image/png"
    disposition = "filename*=UTF-8''%D1%87%D0%B0%D0%B9.png"
    assert fetched.headers["content-disposition"] == f"inline; {disposition}"
    download = await client.get(f"/files/{facts['file_id']}?download")
    assert download.headers["content-disposition"] == f"attachment; {disposition}"


async def test_a_file_that_could_run_in_the_page_is_only_downloaded(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    for name, mime in (("x.html", "text/html"), ("x.svg", "image/svg+xml")):
        file = sandbox.world.store_file(b"<script>alert(1)</script>", name, mime)
        answer = await client.get(f"/files/{file.id}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_page_that_was_sent_opens_in_an_origin_of_its_own_without_a_network(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    file = sandbox.world.store_file(b"<script>alert(1)</script>", "x.html", "text/html")
    answer = await client.get(f"/files/{file.id}?open")
    assert answer.headers["content-type"].startswith("text/html")
    policy = [part.strip() for part in answer.headers["content-security-policy"].split(";")]
    assert "sandbox allow-scripts allow-downloads" in policy
    assert "default-src 'none'" in policy
    assert not [part for part in policy if part.startswith("connect-src")]
    assert "allow-same-origin" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_only_a_page_is_opened(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    for name, mime in (("x.svg", "image/svg+xml"), ("x.js", "text/javascript")):
        file = sandbox.world.store_file(b"alert(1)", name, mime)
        answer = await client.get(f"/files/{file.id}?open")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({"kind": "photo"}, {}),
        ({"kind": "video"}, {"file": ("a", b"a")}),
        ({"kind": "photo"}, {"file": ("a", b"")}),
        ({"kind": "photo", "entities": "["}, {"file": ("a", b"a")}),
        ({"kind": "photo", "caption": "я" * 1025}, {"file": ("a", b"a")}),
    ],
)
async def test_a_file_that_telegram_would_not_take_is_refused(
    sandbox: Sandbox, client: httpx.AsyncClient, data: Any, files: Any
) -> None:
    answer = await client.post("/people/2/files", data=data, files=files)
    assert answer.status_code == 400
    assert not sandbox.world.pending


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/files/file00000099", "/static/page.py", "/static/..%2Fpage.py"):
        assert (await client.get(path)).status_code == 404


# --- who may ask ------------------------------------------------------------------------------

PATHS = ["/", "/static/page.js", "/events", "/files/x"]


@pytest.mark.parametrize("host", ["tea.example", "tea.example:8080", "127.0.0.1.tea.example", "["])
@pytest.mark.parametrize("path", PATHS)
async def test_another_name_for_this_machine_is_refused(
    client: httpx.AsyncClient, path: str, host: str
) -> None:
    answer = await client.get(path, headers={"Host": host})
    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_both_names_of_loopback_are_served(client: httpx.AsyncClient, name: str) -> None:
    host = f"{name}:{client.base_url.port}"
    assert (await client.get("/", headers={"Host": host})).status_code == 200
    own = {"Host": host, "Origin": f"http://{host}"}
    sent = await client.post("/people/2/messages", json={"text": "x"}, headers=own)
    assert sent.status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://tea.example", "null", "http://127.0.0.1", "http://localhost:1"]
)
@pytest.mark.parametrize("act", ["messages", "files", "presses", "block", "unblock"])
async def test_another_site_cannot_write(
    sandbox: Sandbox, client: httpx.AsyncClient, act: str, origin: str
) -> None:
    answer = await client.post(
        f"/people/2/{act}", content=b'{"text": "x"}', headers={"Origin": origin}
    )
    assert answer.status_code == 403
    assert not sandbox.world.pending
    assert not sandbox.world.accounts[2].has_blocked


@pytest.mark.parametrize("path", PATHS[:2])
async def test_every_answer_forbids_what_the_page_does_not_need(
    client: httpx.AsyncClient, path: str
) -> None:
    policy = (await client.get(path)).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    "path",
    sorted(path for path in STATIC.iterdir() if path.suffix in {".html", ".css", ".js"}),
    ids=lambda path: path.name,
)
def test_the_page_names_no_other_site_and_runs_nothing_from_data(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not re.findall(r"(?:https?|wss?)://[\w-]+\.\w+", source)
    assert not re.findall(r"""["'(]//\w""", source)
    assert not re.findall(
        r"\.(?:inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(", source
    )
    if path.suffix == ".html":
        assert not re.findall(r"\s(?:on\w+|style)=", source)
        assert not re.findall(r"<script(?![^>]*\ssrc=)", source)


# --- in a real browser ------------------------------------------------------------------------


@asynccontextmanager
async def opened(
    browser: Browser,
    sandbox: Sandbox,
    url: str = "",
    *,
    forgiven: str = "\0",
    route: Any = None,
    **facts: Any,
) -> AsyncIterator[Page]:
    """Show the page; at the end nothing may have gone wrong in it, nothing left this machine."""
    context = await browser.new_context(**{"viewport": DESKTOP, **facts})
    page = await context.new_page()
    wrong: list[str] = []
    hosts: set[str | None] = set()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page.set_default_timeout(SECONDS * 1000)
    if route is not None:
        await page.route("**/files/**", route)
    await page.goto(url or sandbox.url)
    await expect(pane(page, 3).locator(".bot-name")).to_have_text("Чайная лавка")
    yield page
    await context.close()
    assert [error for error in wrong if forgiven not in error] == []
    assert hosts <= {"127.0.0.1", None}


def pane(page: Page, number: int) -> Locator:
    return page.locator(f"#pane-{number}")


def newest(page: Page, number: int) -> Locator:
    return pane(page, number).locator(".message").last


async def write(page: Page, number: int, text: str) -> None:
    box = pane(page, number).get_by_role("textbox")
    await box.fill(text)
    await box.press("Enter")


async def test_a_customer_starts_reads_and_presses(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    await ask(client, "setMyDescription", description="Чай, редко.", language_code="ru")
    async with tiny_bot(client), opened(browser, sandbox) as page:
        anna = pane(page, 1)
        await expect(anna.get_by_text("Чай, редко.")).to_be_visible()
        await anna.get_by_role("button", name="Начать").click()
        notice = newest(page, 1)
        await expect(notice.locator("strong")).to_have_text("Скидки и новинки")
        await expect(notice.locator("em")).to_have_text("Не чаще двух раз в неделю.")
        rows = notice.locator(".keyboard-row")
        await expect(rows).to_have_text(["✅ СоглашаюсьОтказываюсь", "Сайт", "Позвать друга"])
        await notice.get_by_role("button", name="Соглашаюсь").click()
        await expect(anna.locator(".toast")).to_have_text("pressed toast")
        await notice.get_by_role("button", name="Отказываюсь").click()
        alert = anna.get_by_role("alertdialog")
        await expect(alert).to_contain_text("pressed alert")
        await page.keyboard.press("Enter")
        await expect(alert).to_have_count(0)
        await expect(pane(page, 2).locator(".message")).to_have_count(0)


async def test_a_press_shows_that_it_waits(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    await person(sandbox, 1).start()
    await ask(client, "sendMessage", chat_id=1, text="?", reply_markup=KEYBOARD)
    async with opened(browser, sandbox) as page:
        button = newest(page, 1).get_by_role("button", name="Соглашаюсь")
        await button.click()
        await expect(button).to_have_attribute("aria-busy", "true")
        await until(lambda: "callback_query" in sandbox.world.pending[-1])
        query_id = sandbox.world.pending[-1]["callback_query"]["id"]
        await ask(client, "answerCallbackQuery", callback_query_id=query_id)
        await expect(button).not_to_have_attribute("aria-busy", "true")
        await expect(pane(page, 1).locator(".toast")).to_be_hidden()


async def test_links_open_elsewhere_and_links_to_this_bot_start_it(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    async with tiny_bot(client), opened(browser, sandbox) as page:
        await pane(page, 1).get_by_role("button", name="Начать").click()
        notice = newest(page, 1)
        for name in ("Сайт", "о нас", "https://tea.example/news"):
            link = notice.get_by_role("link", name=name)
            await expect(link).to_have_attribute("target", "_blank")
            await expect(link).to_have_attribute("rel", re.compile("noopener"))
        await notice.get_by_role("link", name="Позвать друга").click()
        await expect(newest(page, 1)).to_contain_text("You said: /start friend")


async def test_a_secret_and_a_long_quote_open_on_demand(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    async with tiny_bot(client), opened(browser, sandbox) as page:
        await pane(page, 1).get_by_role("button", name="Начать").click()
        notice = newest(page, 1)
        spoiler = notice.locator(".spoiler")
        await expect(spoiler.locator(".spoiler-text")).to_have_css("opacity", "0")
        await spoiler.press("Enter")
        await expect(spoiler.locator(".spoiler-text")).to_have_css("opacity", "1")
        quote = notice.locator(".quote-text")
        short = (await quote.bounding_box() or {})["height"]
        await notice.get_by_role("button", name="Показать полностью").click()
        await expect(notice.get_by_role("button", name="Свернуть")).to_be_visible()
        assert (await quote.bounding_box() or {})["height"] > 2 * short


async def test_what_is_typed_in_markdown_reaches_the_bot_as_entities(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    john = person(sandbox, 2)
    await john.start()
    async with opened(browser, sandbox) as page:
        await write(page, 2, "🍵 **bold __both__** `a**b**` snake__case__name ~~old~~")
        await until(lambda: len(john.messages) == 2)
    seen = john.messages[-1]
    assert seen.text == "🍵 bold both a**b** snake__case__name old"
    found = [(one["type"], one["offset"], one["length"]) for one in seen.entities]
    assert found == [
        ("bold", 3, 9),
        ("italic", 8, 4),
        ("code", 13, 6),
        ("strikethrough", 38, 3),
    ]


async def test_words_of_others_never_become_markup(browser: Browser, sandbox: Sandbox) -> None:
    evil = "<img src=x onerror=\"document.title='taken'\"><b>not bold</b>"
    john, world = person(sandbox, 2), sandbox.world
    await john.start()
    for link in ("javascript:alert(1)", 'https://tea.example/" onclick="x'):
        # Put into the chat past the Bot API: the page trusts nobody to have looked.
        entity = {"type": "text_link", "offset": 0, "length": 4, "url": link}
        world.add_message(john.chat, world.bot, {"text": evil, "entities": [entity]})
    async with opened(browser, sandbox) as page:
        await expect(newest(page, 2).locator(".text")).to_contain_text(evil)
        assert await pane(page, 2).locator(".message img, .message b").count() == 0
        assert await pane(page, 2).locator(".text [onclick], [href^=javascript]").count() == 0
        assert await page.title() == "Assent"


async def test_overlapping_entities_show_every_letter_once(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    await person(sandbox, 2).start()
    entities = [
        {"type": "bold", "offset": 0, "length": 8},
        {"type": "italic", "offset": 5, "length": 8},
    ]
    await ask(client, "sendMessage", chat_id=2, text="👍 one two three", entities=entities)
    async with opened(browser, sandbox) as page:
        text = newest(page, 2).locator(".text")
        await expect(text).to_have_text(re.compile(r"^👍 one two three\d\d:\d\d$"))
        await expect(text.locator("strong")).to_have_text("👍 one t")
        await expect(text.locator("em")).to_have_text(["e t", "wo th"])


async def test_commands_are_sent_from_the_text_the_menu_and_the_keyboard(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    commands = [
        {"command": "stop", "description": "No more messages"},
        {"command": "help", "description": "What I can do"},
    ]
    await ask(client, "setMyCommands", commands=commands)
    async with tiny_bot(client), opened(browser, sandbox) as page:
        john = pane(page, 2)
        await john.get_by_role("button", name="Start", exact=True).click()
        await newest(page, 2).get_by_role("button", name="/stop").click()
        await expect(newest(page, 2)).to_contain_text("You said: /stop")
        await john.get_by_role("button", name="Commands of the bot").click()
        await john.get_by_role("menuitem", name="What I can do").click()
        await expect(newest(page, 2)).to_contain_text("You said: /help")
        await john.get_by_role("textbox").press_sequentially("/st")
        await expect(john.get_by_role("menuitem")).to_have_count(1)
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("Enter")
        await expect(newest(page, 2)).to_contain_text("You said: /stop")
        await expect(john.get_by_role("textbox")).to_have_value("")


async def test_shift_enter_starts_a_line_and_enter_sends(
    browser: Browser, sandbox: Sandbox
) -> None:
    john = person(sandbox, 2)
    await john.start()
    async with opened(browser, sandbox) as page:
        box = pane(page, 2).get_by_role("textbox")
        await box.press_sequentially("one")
        await box.press("Shift+Enter")
        await box.press_sequentially("two")
        await box.press("Enter")
        await until(lambda: john.messages[-1].text == "one\ntwo")


async def test_a_photo_and_a_file_are_sent_shown_and_saved(
    browser: Browser, sandbox: Sandbox
) -> None:
    john = person(sandbox, 2)
    await john.start()
    async with opened(browser, sandbox) as page:
        box = pane(page, 2)
        for kind, name in (("Photo", "tea.png"), ("File", "contract.pdf")):
            mime = "image/png" if kind == "Photo" else "application/pdf"
            await box.get_by_role("button", name="Attach a file").click()
            async with page.expect_file_chooser() as chooser:
                await box.get_by_role("menuitem", name=kind).click()
            payload: FilePayload = {"name": name, "mimeType": mime, "buffer": png(300, 200)}
            await (await chooser.value).set_files(payload)
            card = box.get_by_role("dialog")
            await card.get_by_role("textbox").fill(f"my **{kind}**")
            await card.get_by_role("button", name="Send").click()
            await expect(newest(page, 2).locator("strong").last).to_have_text(kind)
        image = box.locator(".photo img")
        await expect(image).to_have_js_property("naturalWidth", 300)
        async with page.expect_download() as download:
            await box.get_by_role("link", name="Download: contract.pdf").click()
        saved = await (await download.value).path()
        assert saved.read_bytes() == png(300, 200)
        await expect(box.locator(".document-size")).to_have_text(re.compile(r"^[\d.]+ K?B$"))
    assert [message.text for message in john.messages] == ["/start", "my Photo", "my File"]


async def test_blocking_leaves_only_the_way_back(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    await person(sandbox, 2).start()
    async with opened(browser, sandbox) as page:
        john = pane(page, 2)
        await john.get_by_role("button", name="More").click()
        await john.get_by_role("menuitem", name="Block bot").click()
        await expect(john.get_by_role("textbox")).to_be_hidden()
        await expect(john.locator(".status")).to_have_text("blocked")
        assert sandbox.world.accounts[2].has_blocked
        await john.get_by_role("button", name="Unblock bot").click()
        await expect(john.get_by_role("textbox")).to_be_visible()
        assert not sandbox.world.accounts[2].has_blocked


async def test_typing_edits_and_replies_are_shown(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    john = person(sandbox, 2)
    await john.start()
    asked = await john.send("When do you open?")
    async with opened(browser, sandbox) as page:
        status = pane(page, 2).locator(".status")
        await expect(status).to_have_text("bot")
        await ask(client, "sendChatAction", chat_id=2, action="typing")
        await expect(status).to_have_text("typing")
        sent = await ask(
            client, "sendMessage", chat_id=2, text="At 9", reply_parameters={"message_id": asked.id}
        )
        await expect(status).to_have_text("bot")
        await expect(newest(page, 2).locator(".quoted")).to_have_text("JohnWhen do you open?")
        await expect(newest(page, 2)).not_to_contain_text("edited")
        await ask(client, "editMessageText", chat_id=2, message_id=sent["message_id"], text="At 10")
        await expect(newest(page, 2)).to_contain_text("At 10")
        await expect(newest(page, 2)).to_contain_text("edited")
        await ask(client, "deleteMessage", chat_id=2, message_id=sent["message_id"])
        await expect(newest(page, 2)).to_contain_text("When do you open?")


async def test_the_newest_message_is_in_sight_unless_the_reader_went_up(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    john = person(sandbox, 2)
    for number in range(40):
        await john.send(f"no. {number}")
    async with opened(browser, sandbox) as page:
        await expect(newest(page, 2)).to_be_in_viewport()
        await ask(client, "sendMessage", chat_id=2, text="and one more")
        await expect(newest(page, 2)).to_contain_text("and one more")
        await expect(newest(page, 2)).to_be_in_viewport()
        await pane(page, 2).locator(".scroll").evaluate("node => { node.scrollTop = 0; }")
        down = pane(page, 2).get_by_role("button", name="To the newest message")
        await expect(down).to_be_visible()
        await ask(client, "sendMessage", chat_id=2, text="while away")
        await expect(down).to_have_text("1")
        await expect(newest(page, 2)).not_to_be_in_viewport()
        await down.click()
        await expect(newest(page, 2)).to_be_in_viewport()
        await expect(down).to_be_hidden()


async def test_a_picture_that_comes_late_does_not_hide_the_end(
    browser: Browser, sandbox: Sandbox
) -> None:
    john = person(sandbox, 2)
    for number in range(30):
        await john.send(f"no. {number}")
    await john.send_photo(png(300, 300), caption="the end")
    shown = asyncio.Event()

    async def late(route: Route) -> None:
        await shown.wait()
        await route.continue_()

    async with opened(browser, sandbox, route=late) as page:
        await expect(newest(page, 2)).to_be_in_viewport()
        image = newest(page, 2).locator("img")
        # Its head is there: it takes its place, and nobody has scrolled.
        await image.evaluate("node => { node.style.height = '300px'; }")
        await image.evaluate("node => node.closest('.scroll').dispatchEvent(new Event('scroll'))")
        shown.set()
        await expect(image).to_have_js_property("naturalHeight", 300)
        await expect(newest(page, 2)).to_be_in_viewport(ratio=0.99)


async def test_code_in_a_block_of_code_is_one_block(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    await person(sandbox, 2).start()
    entities = [{"type": kind, "offset": 3, "length": 4} for kind in ("code", "pre")]
    await ask(client, "sendMessage", chat_id=2, text="do\nthis\nnow", entities=entities)
    async with opened(browser, sandbox) as page:
        text = newest(page, 2).locator(".text")
        await expect(text.locator("pre > code")).to_have_text("this")
        await expect(text.locator("code")).to_have_count(1)


async def test_on_a_phone_people_are_tabs_with_what_is_unread(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    await person(sandbox, 2).start()
    async with opened(browser, sandbox, viewport=PHONE) as page:
        await expect(pane(page, 1)).to_be_visible()
        await expect(pane(page, 2)).to_be_hidden()
        tab = page.get_by_role("tab", name="John")
        await ask(client, "sendMessage", chat_id=2, text="one")
        await ask(client, "sendMessage", chat_id=2, text="two")
        await expect(tab.locator(".badge")).to_have_text("2")
        await page.get_by_role("tab", name="Анна").press("ArrowRight")
        await expect(tab).to_have_attribute("aria-selected", "true")
        await expect(newest(page, 2)).to_be_in_viewport()
        await expect(tab.locator(".badge")).to_be_hidden()
        await expect(pane(page, 1)).to_be_hidden()
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width == 390


async def test_each_pane_speaks_the_language_of_its_person(
    browser: Browser, sandbox: Sandbox
) -> None:
    async with opened(browser, sandbox) as page:
        for number, lang, start in ((1, "ru", "Начать"), (2, "en", "Start"), (3, "ru", "Начать")):
            await expect(pane(page, number)).to_have_attribute("lang", lang)
            await expect(pane(page, number).locator("[data-part=start]")).to_have_text(start)
        await expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("system", ["light", "dark"])
async def test_the_theme_follows_the_system_until_it_is_chosen(
    browser: Browser, sandbox: Sandbox, system: str
) -> None:
    is_dark = "() => getComputedStyle(document.body).color === 'rgb(241, 245, 248)'"
    async with opened(browser, sandbox, color_scheme=system) as page:
        seen = [await page.evaluate(is_dark)]
        for _ in range(2):
            await page.locator("#theme").click()
            seen.append(await page.evaluate(is_dark))
        assert seen == [system == "dark", False, True]
        await page.reload()
        await expect(page.locator("#theme")).to_have_attribute("aria-label", "Theme: dark")
        assert await page.evaluate(is_dark)


async def test_tips_go_and_come_back(browser: Browser, sandbox: Sandbox) -> None:
    async with opened(browser, sandbox) as page:
        await expect(page.locator("#tips li")).to_have_text(list(TIPS))
        await page.get_by_role("button", name="Close").click()
        await expect(page.locator("#tips")).to_be_hidden()
        await page.reload()
        await page.get_by_role("button", name="What to try").click()
        await expect(page.locator("#tips")).to_be_visible()


async def test_a_message_of_the_bot_is_read_aloud_and_an_old_one_is_not(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    await person(sandbox, 2).start()
    await ask(client, "sendMessage", chat_id=2, text="old")
    async with opened(browser, sandbox) as page:
        live = pane(page, 2).locator("[aria-live=polite]")
        await expect(newest(page, 2)).to_contain_text("old")
        await ask(client, "sendMessage", chat_id=2, text="new")
        await expect(live).to_have_text("John. Чайная лавка: new")


@dataclass(slots=True)
class Cable:
    """What carries the page's requests to the simulator, until it is cut."""

    url: str = ""
    is_cut: bool = False
    ends: list[asyncio.StreamWriter] = field(default_factory=list)

    def cut(self) -> None:
        self.is_cut = True
        for end in self.ends:
            end.close()


@asynccontextmanager
async def cable_to(sandbox: Sandbox) -> AsyncIterator[Cable]:
    cable = Cable()

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while part := await source.read(65536):
                target.write(part)
                await target.drain()
        target.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cable.ends.append(writer)
        if cable.is_cut:
            writer.close()
            return
        far = await asyncio.open_connection("127.0.0.1", urlsplit(sandbox.url).port)
        cable.ends.append(far[1])
        await asyncio.gather(carry(reader, far[1]), carry(far[0], writer))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        cable.url = f"http://127.0.0.1:{port}"
        yield cable
        cable.cut()


async def test_what_is_half_written_survives_a_lost_connection(
    browser: Browser, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    await person(sandbox, 2).start()
    async with (
        cable_to(sandbox) as cable,
        opened(browser, sandbox, cable.url, forgiven="Failed to load resource") as page,
    ):
        john = pane(page, 2)
        box, status = john.get_by_role("textbox"), john.locator(".status")
        await box.fill("half a th")
        cable.cut()
        await expect(status).to_have_text("connecting…")
        await box.press("Enter")
        await expect(john.locator(".toast")).to_contain_text("That did not work")
        await expect(box).to_have_value("half a th")
        await ask(client, "sendMessage", chat_id=2, text="meanwhile")
        cable.is_cut = False
        await expect(status).to_have_text("bot")
        await expect(newest(page, 2)).to_contain_text("meanwhile")
        await expect(box).to_have_value("half a th")
        await box.press("Enter")
        await expect(newest(page, 2)).to_contain_text("half a th")
