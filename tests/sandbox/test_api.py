"""The simulator serves the Bot API: its methods, parameters, types and words of refusal."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sandbox_shape import (
    ANNA,
    API,
    CASES,
    TOKEN,
    Bot,
    anna,
    begin,
    faults_in_union,
    refusal_of,
    running_bot,
    until,
)

from bot.sandbox.methods import METHODS
from bot.sandbox.parameters import API as SERVED_API
from bot.sandbox.parameters import METHODS as SERVED
from bot.sandbox.refusal import Refusal, too_many_requests
from bot.sandbox.server import Sandbox
from bot.sandbox.world import QUERY_SECONDS

TOO_LONG = "Bad Request: message is too long"
TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"
NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are "
    "exactly the same as a current content and reply markup of the message"
)
TEXT_BUTTON = (
    "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline "
    "keyboard"
)
NO_ROWS = 'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'
DOCUMENT = {"type": "document", "media": "FILE"}
PHOTO = {"type": "photo", "media": "FILE"}
KEYBOARD = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}
STRANGER = 999


@pytest.fixture
async def bot() -> AsyncIterator[Bot]:
    async with running_bot() as running:
        yield running


def keyboard(**button: Any) -> dict[str, Any]:
    return {"inline_keyboard": [[button]]}


# --- the machine-readable Bot API -------------------------------------------------------------


def facts(field: dict[str, Any]) -> tuple[str, tuple[str, ...], bool]:
    return field["name"], tuple(field["types"]), field["required"]


@pytest.mark.parametrize("method", sorted(SERVED))
def test_a_served_method_has_the_parameters_of_the_bot_api(method: str) -> None:
    assert [facts(field) for field in SERVED[method]] == [
        facts(field) for field in API["methods"][method]["fields"]
    ]


def test_every_described_method_is_served_and_every_served_one_described() -> None:
    of_updates = {"getUpdates", "setWebhook", "deleteWebhook", "getWebhookInfo"}
    assert set(SERVED) == set(METHODS) | of_updates


@pytest.mark.parametrize("kind", sorted(SERVED_API["types"]))
def test_a_described_type_has_the_fields_of_the_bot_api(kind: str) -> None:
    described = API["types"][kind]
    fields = {facts(field) for field in described.get("fields", [])}
    assert {facts(field) for field in SERVED_API["types"][kind]} <= fields


async def callback_query_id(bot: Bot) -> str:
    begin(anna(bot.sandbox).press_data("x"))
    await until(lambda: bot.sandbox.world.pending)
    query_id = bot.sandbox.world.pending[-1]["callback_query"]["id"]
    return str(query_id)


async def sent(bot: Bot, **more: Any) -> dict[str, Any]:
    """Name a message of the bot, for what needs one."""
    message = await bot.ok("sendMessage", chat_id=ANNA, text="Hello", **more)
    return {"chat_id": ANNA, "message_id": message["message_id"]}


async def sent_document(bot: Bot) -> dict[str, Any]:
    file = bot.sandbox.world.store_file(b"%PDF", "tea.pdf", "application/pdf")
    message = await bot.ok("sendDocument", chat_id=ANNA, document=file.id)
    return {"chat_id": ANNA, "message_id": message["message_id"]}


def file_id(bot: Bot) -> str:
    return bot.sandbox.world.store_file(b"...", "tea.jpg", "image/jpeg").id


RICH = '<b>Tea</b> <a href="https://tea.example">here</a> <blockquote expandable>q</blockquote>'
SCOPE = {"type": "chat", "chat_id": ANNA}
COMMANDS = [{"command": "start", "description": "Begin"}]
Call = Callable[[Bot], Awaitable[dict[str, Any]]]


async def nothing(_: Bot) -> dict[str, Any]:
    return {}


async def a_message(_: Bot) -> dict[str, Any]:
    reply = {"message_id": 1}
    return {
        "chat_id": ANNA,
        "text": f"/start {RICH} https://tea.example",
        "parse_mode": "HTML",
        "reply_markup": KEYBOARD,
        "reply_parameters": reply,
    }


async def a_photo(bot: Bot) -> dict[str, Any]:
    return {"chat_id": ANNA, "photo": file_id(bot), "caption": RICH, "parse_mode": "HTML"}


async def a_document(bot: Bot) -> dict[str, Any]:
    return {"chat_id": ANNA, "document": file_id(bot), "reply_markup": KEYBOARD}


async def a_copy(bot: Bot) -> dict[str, Any]:
    return {**(await sent(bot)), "from_chat_id": ANNA}


async def a_new_text(bot: Bot) -> dict[str, Any]:
    return {**(await sent(bot)), "text": "Other", "reply_markup": KEYBOARD}


async def a_new_caption(bot: Bot) -> dict[str, Any]:
    return {**(await sent_document(bot)), "caption": RICH, "parse_mode": "HTML"}


async def a_new_keyboard(bot: Bot) -> dict[str, Any]:
    return {**(await sent(bot)), "reply_markup": KEYBOARD}


async def an_answer(bot: Bot) -> dict[str, Any]:
    return {"callback_query_id": await callback_query_id(bot), "text": "Done"}


async def an_album(bot: Bot) -> dict[str, Any]:
    return {"chat_id": ANNA, "media": [album_item(bot), album_item(bot, caption="<b>Two</b>")]}


def album_item(bot: Bot, **facts: Any) -> dict[str, Any]:
    return {"type": "document", "media": file_id(bot), "parse_mode": "HTML", **facts}


async def commands_were_set(bot: Bot) -> dict[str, Any]:
    await bot.ok("setMyCommands", commands=COMMANDS, scope=SCOPE)
    return {"scope": SCOPE}


async def updates_wait(bot: Bot) -> dict[str, Any]:
    await anna(bot.sandbox).send("/help https://tea.example")
    return {}


async def a_webhook_failed(bot: Bot) -> dict[str, Any]:
    await bot.ok("setWebhook", url="http://127.0.0.1:9/", allowed_updates=["message"])
    await anna(bot.sandbox).send("Hello")
    await until(lambda: bot.sandbox.webhook and bot.sandbox.webhook.last_error)
    return {}


async def a_file(bot: Bot) -> dict[str, Any]:
    return {"file_id": file_id(bot)}


def given(**parameters: Any) -> Call:
    async def call(_: Bot) -> dict[str, Any]:
        return parameters

    return call


CALLS: dict[str, Call] = {
    "getMe": nothing,
    "getUpdates": updates_wait,
    "setWebhook": given(url="https://tea.example/hook", secret_token="s"),
    "deleteWebhook": nothing,
    "getWebhookInfo": a_webhook_failed,
    "sendMessage": a_message,
    "sendPhoto": a_photo,
    "sendDocument": a_document,
    "sendMediaGroup": an_album,
    "copyMessage": a_copy,
    "sendChatAction": given(chat_id=ANNA, action="typing"),
    "editMessageText": a_new_text,
    "editMessageCaption": a_new_caption,
    "editMessageReplyMarkup": a_new_keyboard,
    "deleteMessage": sent,
    "answerCallbackQuery": an_answer,
    "setMyCommands": given(commands=COMMANDS, language_code="ru"),
    "getMyCommands": commands_were_set,
    "deleteMyCommands": given(scope=SCOPE),
    "setMyName": given(name="Tea"),
    "getMyName": nothing,
    "setMyDescription": given(description="Tea"),
    "getMyDescription": given(language_code="ru"),
    "setMyShortDescription": given(),
    "getMyShortDescription": nothing,
    "getChat": given(chat_id=ANNA),
    "getFile": a_file,
}


@pytest.mark.parametrize("method", sorted(SERVED))
async def test_an_answer_is_of_the_type_that_the_bot_api_promises(method: str, bot: Bot) -> None:
    answer = await bot.ok(method, **(await CALLS[method](bot)))

    assert faults_in_union(answer, API["methods"][method]["returns"], method) == []
    assert answer != []


async def test_a_group_is_described_as_the_bot_api_promises(bot: Bot) -> None:
    bot.sandbox.group(-1001, "Tea lovers")

    chat = await bot.ok("getChat", chat_id=-1001)

    assert faults_in_union(chat, ["ChatFullInfo"], "getChat") == []
    message = await bot.ok("sendMessage", chat_id=-1001, text="Hello all")
    assert message["chat"] == {"id": -1001, "type": "supergroup", "title": "Tea lovers"}


# --- how a call is made -----------------------------------------------------------------------


FORM = {"chat_id": str(ANNA), "text": "Hello", "reply_markup": json.dumps(KEYBOARD)}


async def test_parameters_arrive_the_same_in_json_form_multipart_and_query(bot: Bot) -> None:
    url = bot.url("sendMessage")
    calls = [
        await bot.http.post(url, json={**FORM, "chat_id": ANNA, "reply_markup": KEYBOARD}),
        await bot.http.post(url, json=FORM),
        await bot.http.post(url, data=FORM),
        await bot.http.post(url, files={key: (None, value) for key, value in FORM.items()}),
        await bot.http.get(url, params=FORM),
        await bot.http.post(url, params=FORM),
    ]

    messages = [response.json()["result"] for response in calls]
    assert [
        (message["chat"]["id"], message["text"], message["reply_markup"]) for message in messages
    ] == [(ANNA, "Hello", KEYBOARD)] * len(calls)


@pytest.mark.parametrize("encoded", ["json", "data"])
async def test_parameters_of_the_query_and_the_body_are_taken_together(
    encoded: str, bot: Bot
) -> None:
    body: dict[str, Any] = {encoded: {"text": "of the body"}}
    query = {"chat_id": ANNA, "text": "of the query"}

    response = await bot.http.post(bot.url("sendMessage"), params=query, **body)

    assert response.json()["result"]["text"] == "of the body"


@pytest.mark.parametrize("field", ["document", "attached"])
async def test_a_file_is_uploaded_and_comes_back_byte_for_byte(field: str, bot: Bot) -> None:
    content = bytes(range(256))
    named = {} if field == "document" else {"document": f"attach://{field}"}

    response = await bot.http.post(
        bot.url("sendDocument"),
        data={"chat_id": ANNA, **named},
        files={field: ("tea.bin", content, "application/octet-stream")},
    )

    document = response.json()["result"]["document"]
    assert (document["file_name"], document["file_size"]) == ("tea.bin", len(content))
    path = (await bot.ok("getFile", file_id=document["file_id"]))["file_path"]
    got = await bot.http.get(f"{bot.sandbox.url}/file/bot{TOKEN}/{path}")
    assert got.content == content


async def test_an_album_is_one_message_for_each_file_and_arrives_whole(bot: Bot) -> None:
    media = [
        {"type": "document", "media": "attach://page"},
        {"type": "document", "media": "attach://proof", "caption": "<b>Both</b>"},
    ]
    media[1]["parse_mode"] = "HTML"
    response = await bot.http.post(
        bot.url("sendMediaGroup"),
        data={"chat_id": str(ANNA), "media": json.dumps(media)},
        files={
            "page": ("proof.html", b"<p>\xff", "text/html"),
            "proof": ("proof.tlog-proof", b"proof", "application/octet-stream"),
        },
    )

    first, second = response.json()["result"]
    assert first["media_group_id"] == second["media_group_id"]
    assert second["message_id"] == first["message_id"] + 1
    assert "caption" not in first
    assert second["caption"] == "Both"
    assert second["caption_entities"] == [{"type": "bold", "offset": 0, "length": 4}]
    names = [message["document"]["file_name"] for message in (first, second)]
    assert names == ["proof.html", "proof.tlog-proof"]
    contents = [message.facts["document"]["file_id"] for message in anna(bot.sandbox).received]
    assert [bot.sandbox.world.files[one].content for one in contents] == [b"<p>\xff", b"proof"]


@pytest.mark.parametrize(
    ("media", "why"),
    [
        ([], "there are no messages to send"),
        ([DOCUMENT], "there are no messages to send"),
        ([DOCUMENT] * 11, "too many messages to send as an album"),
        ([DOCUMENT, PHOTO], "document can't be mixed with other media types"),
        ([DOCUMENT, "file"], "can't parse InputMedia: expected an Object"),
        ([DOCUMENT, {"type": "document"}], "can't parse InputMedia: media not found"),
        (
            [DOCUMENT, DOCUMENT | {"media": "attach://nowhere"}],
            "there is no document in the request",
        ),
        ([DOCUMENT, DOCUMENT | {"caption": "x" * 1025}], "message caption is too long"),
        (
            [DOCUMENT, {"type": "animation", "media": "FILE"}],
            "can't parse InputMedia: type 'animation' is not known here",
        ),
        ("{}", 'field "media" must be of type Array of'),
    ],
)
async def test_an_album_that_telegram_would_not_take_sends_none_of_it(
    media: Any, why: str, bot: Bot
) -> None:
    known = file_id(bot)
    given = json.loads(json.dumps(media).replace("FILE", known))

    status, description = await bot.refusal("sendMediaGroup", chat_id=ANNA, media=given)

    assert status == 400
    assert description.startswith(f"Bad Request: {why}")
    assert not bot.sandbox.sent()
    assert not anna(bot.sandbox).received


async def test_files_are_given_to_the_bot_alone(bot: Bot) -> None:
    path = (await bot.ok("getFile", file_id=file_id(bot)))["file_path"]

    stranger = await bot.http.get(f"{bot.sandbox.url}/file/bot1:other/{path}")
    nowhere = await bot.http.get(f"{bot.sandbox.url}/file/bot{TOKEN}/documents/none")

    assert refusal_of(stranger) == (401, "Unauthorized")
    assert refusal_of(nowhere) == (404, "Not Found")


@pytest.mark.parametrize("name", ["sendmessage", "SENDMESSAGE", "sEnDmEsSaGe"])
async def test_names_of_methods_are_matched_without_case(name: str, bot: Bot) -> None:
    await bot.ok(name, chat_id=ANNA, text="Hello")

    assert [call.method for call in bot.sandbox.sent(ANNA)] == ["sendMessage"]


async def test_unknown_parameters_are_ignored(bot: Bot) -> None:
    assert (await bot.ok("getMe", brand_new=True))["username"] == "tea_shop_bot"


@pytest.mark.parametrize(
    ("value", "read"),
    [("true", 1), ("1", 1), ("yes", 1), (True, 1), ("false", 0), ("0", 0), ("no", 0), (False, 0)],
)
async def test_booleans_are_read_in_the_forms_of_the_bot_api(
    value: Any, read: int, bot: Bot
) -> None:
    query_id = await callback_query_id(bot)
    query = bot.sandbox.world.queries[query_id]

    await bot.ok("answerCallbackQuery", callback_query_id=query_id, show_alert=value)

    assert (await query.answer)["show_alert"] is bool(read)


# --- refusals ---------------------------------------------------------------------------------


async def test_an_unknown_method_is_not_found(bot: Bot) -> None:
    assert await bot.refusal("sendLove") == (404, "Not Found: method not found")


@pytest.mark.parametrize("token", ["4242:other", "no-colon", "x:y"])
async def test_a_wrong_token_is_unauthorized(token: str, bot: Bot) -> None:
    response = await bot.http.post(bot.url("getMe", token))

    assert refusal_of(response) == (401, "Unauthorized")


async def test_a_sandbox_without_a_token_takes_any_wellformed_one() -> None:
    async with running_bot() as bot:
        bot.sandbox.token = None
        assert (await bot.http.post(bot.url("getMe", "1:other"))).status_code == 200
        assert (await bot.http.post(bot.url("getMe", "other"))).status_code == 401


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("sendMessage", {"text": "Hello"}, "chat_id is empty"),
    ("sendMessage", {"chat_id": "", "text": "Hello"}, "chat_id is empty"),
    ("sendMessage", {"chat_id": ANNA}, "message text is empty"),
    ("sendMessage", {"chat_id": ANNA, "text": ""}, "message text is empty"),
    ("sendMessage", {"chat_id": ANNA, "text": " \n "}, "text must be non-empty"),
    (
        "sendMessage",
        {"chat_id": ANNA, "text": "<b> </b>", "parse_mode": "HTML"},
        "text must be non-empty",
    ),
    ("sendMessage", {"chat_id": STRANGER, "text": "x"}, "chat not found"),
    ("sendMessage", {"chat_id": "@nobody", "text": "x"}, "chat not found"),
    ("sendMessage", {"chat_id": "--7", "text": "x"}, "chat not found"),
    ("sendMessage", {"chat_id": "²", "text": "x"}, "chat not found"),
    ("sendMessage", {"chat_id": ANNA, "text": "x" * 4097}, "message is too long"),
    ("sendMessage", {"chat_id": ANNA, "text": "\ud800"}, "strings must be encoded in UTF-8"),
    (
        "sendMessage",
        {"chat_id": ANNA, "text": "x", "reply_markup": keyboard(text="\udc00", callback_data="1")},
        "strings must be encoded in UTF-8",
    ),
    (
        "sendMessage",
        {"chat_id": ANNA, "text": {"not": "text"}},
        'field "text" must be of type String',
    ),
    (
        "sendMessage",
        {"chat_id": [7], "text": "x"},
        'field "chat_id" must be of type Integer or String',
    ),
    (
        "sendMessage",
        {"chat_id": ANNA, "text": "x", "entities": "{}"},
        'field "entities" must be of type Array of MessageEntity',
    ),
    (
        "sendMessage",
        {"chat_id": ANNA, "text": "x", "disable_notification": "maybe"},
        'field "disable_notification" must be of type Boolean',
    ),
    ("getUpdates", {"offset": "soon"}, 'field "offset" must be of type Integer'),
    ("getUpdates", {"offset": True}, 'field "offset" must be of type Integer'),
    (
        "sendMessage",
        {"chat_id": ANNA, "text": "x", "parse_mode": "BBCode"},
        "unsupported parse_mode",
    ),
    (
        "sendMessage",
        {"chat_id": ANNA, "text": "x", "reply_parameters": {"message_id": 404}},
        "message to be replied not found",
    ),
    ("sendPhoto", {"chat_id": ANNA}, "there is no photo in the request"),
    ("sendDocument", {"chat_id": ANNA}, "there is no document in the request"),
    (
        "sendDocument",
        {"chat_id": ANNA, "document": "attach://nowhere"},
        "there is no document in the request",
    ),
    (
        "sendPhoto",
        {"chat_id": ANNA, "photo": "AgADnonsense"},
        "wrong remote file identifier specified: can't unserialize it",
    ),
    (
        "sendPhoto",
        {"chat_id": ANNA, "photo": "https://tea.example/p.jpg"},
        "failed to get HTTP URL content",
    ),
    ("getFile", {"file_id": "nonsense"}, "invalid file_id"),
    ("getFile", {}, "invalid file_id"),
    ("getChat", {"chat_id": STRANGER}, "chat not found"),
    ("sendChatAction", {"chat_id": ANNA, "action": "dance"}, "wrong parameter action in request"),
    ("editMessageText", {"text": "x"}, "message identifier is not specified"),
    ("editMessageText", {"message_id": 1, "text": "x"}, "chat_id is empty"),
    (
        "editMessageText",
        {"chat_id": ANNA, "message_id": 404, "text": "x"},
        "message to edit not found",
    ),
    ("editMessageText", {"chat_id": ANNA, "message_id": 1, "text": "x"}, "message can't be edited"),
    ("deleteMessage", {"chat_id": ANNA}, "message identifier is not specified"),
    ("deleteMessage", {"chat_id": ANNA, "message_id": 404}, "message to delete not found"),
    (
        "copyMessage",
        {"chat_id": ANNA, "from_chat_id": ANNA, "message_id": 404},
        "message to copy not found",
    ),
    (
        "copyMessage",
        {"chat_id": ANNA, "from_chat_id": STRANGER, "message_id": 1},
        "chat not found",
    ),
    ("setMyCommands", {"commands": [{"command": "Ä", "description": "x"}]}, "BOT_COMMAND_INVALID"),
    ("setMyCommands", {"commands": COMMANDS * 101}, "BOT_COMMANDS_TOO_MUCH"),
    ("getMyCommands", {"scope": {}}, "can't parse BotCommandScope: Can't find field \"type\""),
    (
        "setWebhook",
        {"url": "https://tea.example", "secret_token": "ü"},
        "secret token contains unallowed characters",
    ),
    (
        "setWebhook",
        {"url": "ftp://tea.example"},
        "bad webhook: An HTTPS URL must be provided for webhook",
    ),
]


@pytest.mark.parametrize(("method", "parameters", "why"), WRONG)
async def test_a_wrong_call_is_refused_in_the_words_of_telegram(
    method: str, parameters: dict[str, Any], why: str, bot: Bot
) -> None:
    content = json.dumps(parameters)  # escapes what UTF-8 cannot hold
    response = await bot.http.post(
        bot.url(method), content=content, headers={"Content-Type": "application/json"}
    )

    assert refusal_of(response) == (400, f"Bad Request: {why}")
    assert not bot.sandbox.sent()


@pytest.mark.parametrize("content", ["{", "\xff", "[" * 100_000])
async def test_a_body_that_is_no_json_is_refused(content: str, bot: Bot) -> None:
    response = await bot.http.post(
        bot.url("sendMessage"),
        content=content.encode("latin-1"),
        headers={"Content-Type": "application/json"},
    )

    assert refusal_of(response) == (400, "Bad Request: can't parse JSON object")


@pytest.mark.parametrize(
    "text",
    [
        "x" * 4096,
        "😀" * 2048,
        " \n" + "x" * 4096 + "\n ",
        "<b>" + "x" * 4096 + "</b>",
        "&amp;" * 4096,
    ],
)
async def test_text_has_4096_utf16_units_once_entities_are_parsed(text: str, bot: Bot) -> None:
    longer = text.replace("</b>", "y</b>") if text.endswith("</b>") else f"y{text.strip()}"

    fits = await bot.call("sendMessage", chat_id=ANNA, text=text, parse_mode="HTML")
    refused = await bot.refusal("sendMessage", chat_id=ANNA, text=longer, parse_mode="HTML")

    assert fits.status_code == 200
    assert refused == (400, TOO_LONG)


@pytest.mark.parametrize("caption", ["x" * 1025, "😀" * 513])
async def test_a_caption_has_at_most_1024_utf16_units(caption: str, bot: Bot) -> None:
    too_long = (400, "Bad Request: message caption is too long")
    file = file_id(bot)

    refused = await bot.refusal("sendPhoto", chat_id=ANNA, photo=file, caption=caption)
    fits = await bot.ok("sendPhoto", chat_id=ANNA, photo=file, caption=caption[:-1])

    assert refused == too_long
    assert fits["caption"] == caption[:-1]


UNPARSED = "can't parse inline keyboard button: "
BUTTONS: list[tuple[Any, str]] = [
    ({"text": "x", "callback_data": "x" * 65}, "BUTTON_DATA_INVALID"),
    ({"text": "x", "callback_data": "ю" * 33}, "BUTTON_DATA_INVALID"),
    ({"text": "x"}, UNPARSED + "Text buttons are unallowed in the inline keyboard"),
    ({"text": "x", "callback_data": ""}, TEXT_BUTTON.removeprefix("Bad Request: ")),
    ({"callback_data": "x"}, UNPARSED + 'Can\'t find field "text"'),
    ({"text": 5, "callback_data": "x"}, UNPARSED + 'Field "text" must be of type String'),
    ({"text": " ", "callback_data": "x"}, "inline keyboard button text must be non-empty"),
    ("x", UNPARSED + "InlineKeyboardButton must be an Object"),
    (
        {"text": "x", "url": "localhost"},
        "inline keyboard button URL 'localhost' is invalid: Wrong HTTP URL",
    ),
    (
        {"text": "x", "url": "ftp://tea.example"},
        "inline keyboard button URL 'ftp://tea.example' is invalid: Unsupported URL protocol",
    ),
    (
        {"text": "x", "url": "https:///path"},
        "inline keyboard button URL 'https:///path' is invalid: URL host is empty",
    ),
]


@pytest.mark.parametrize(("button", "why"), BUTTONS)
async def test_a_wrong_button_is_refused_wherever_keyboards_go(
    button: Any, why: str, bot: Bot
) -> None:
    markup = {"inline_keyboard": [[button]]}
    message = await sent(bot)

    refused = [
        await bot.refusal("sendMessage", chat_id=ANNA, text="x", reply_markup=markup),
        await bot.refusal("editMessageText", **message, text="y", reply_markup=markup),
        await bot.refusal("editMessageReplyMarkup", **message, reply_markup=markup),
    ]

    assert refused == [(400, f"Bad Request: {why}")] * 3


@pytest.mark.parametrize("rows", [{"text": "x"}, [{"text": "x"}], "x"])
async def test_a_keyboard_is_rows_of_buttons(rows: Any, bot: Bot) -> None:
    refused = await bot.refusal(
        "sendMessage", chat_id=ANNA, text="x", reply_markup={"inline_keyboard": rows}
    )

    assert refused == (400, f"Bad Request: {NO_ROWS}")


@pytest.mark.parametrize(
    "button",
    [
        {"text": "x", "callback_data": "x" * 64},
        {"text": "x", "callback_data": "ю" * 32},
        {"text": "x", "url": "tea.example"},
        {"text": "x", "url": "tg://user?id=7"},
        {"text": "x", "url": "https://tea.example:8443/path?a=b#c"},
    ],
)
async def test_a_right_button_is_kept_as_it_is(button: dict[str, Any], bot: Bot) -> None:
    message = await bot.ok("sendMessage", chat_id=ANNA, text="x", reply_markup=keyboard(**button))

    assert message["reply_markup"] == keyboard(**button)


ENTITIES: list[tuple[Any, str]] = [
    ("x", "can't parse MessageEntity: expected an Object"),
    ({"length": 1, "type": "bold"}, "can't parse MessageEntity: Can't find field \"offset\""),
    ({"offset": 0, "type": "bold"}, "can't parse MessageEntity: Can't find field \"length\""),
    ({"offset": 0, "length": 1}, "can't parse MessageEntity: Can't find field \"type\""),
    (
        {"offset": "0", "length": 1, "type": "bold"},
        'can\'t parse MessageEntity: Field "offset" must be of type Number',
    ),
    (
        {"offset": -1, "length": 1, "type": "bold"},
        "receive an entity with incorrect offset -1",
    ),
    (
        {"offset": 0, "length": 1, "type": "sparkle"},
        "can't parse MessageEntity: Unsupported type specified",
    ),
    (
        {"offset": 3, "length": 1, "type": "bold"},
        "entity beginning at UTF-16 offset 3 ends after the end of the text at UTF-16 offset 4",
    ),
    (
        {"offset": 1, "length": 1, "type": "bold"},
        "entity begins in a middle of a UTF-16 symbol at byte offset 4",
    ),
    (
        {"offset": 0, "length": 1, "type": "bold"},
        "entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol at byte offset 4",
    ),
    (
        {"offset": 2, "length": 1, "type": "text_link"},
        "can't parse MessageEntity: Can't find field \"url\"",
    ),
    (
        {"offset": 2, "length": 1, "type": "text_link", "url": "localhost"},
        "entity URL 'localhost' is invalid: Wrong HTTP URL",
    ),
]


@pytest.mark.parametrize(("entity", "why"), ENTITIES)
async def test_a_broken_entity_is_refused(entity: Any, why: str, bot: Bot) -> None:
    refused = await bot.refusal("sendMessage", chat_id=ANNA, text="😀x", entities=[entity])

    assert refused == (400, f"Bad Request: {why}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("ю<u>x</b>", 'Unmatched end tag at byte offset 6, expected "</u>", found "</b>"'),
        ("😀<br>", 'Unsupported start tag "br" at byte offset 4'),
        ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
        ("1 <b", "Unclosed start tag at byte offset 2"),
    ],
)
async def test_broken_html_is_refused_with_the_byte_where_it_breaks(
    text: str, why: str, bot: Bot
) -> None:
    refused = await bot.refusal("sendMessage", chat_id=ANNA, text=text, parse_mode="HTML")

    assert refused == (400, f"Bad Request: can't parse entities: {why}")


# --- editing and deleting ---------------------------------------------------------------------


async def test_an_edit_that_changes_nothing_is_refused(bot: Bot) -> None:
    message = await sent(bot, reply_markup=KEYBOARD)
    same = {"text": "Hello", "reply_markup": KEYBOARD}

    first = await bot.refusal("editMessageText", **message, **same)
    await bot.ok("editMessageText", **message, text="Other", reply_markup=KEYBOARD)
    await bot.ok("editMessageText", **message, text="Hello", reply_markup=KEYBOARD)
    again = await bot.refusal("editMessageText", **message, **same)
    keys = await bot.refusal("editMessageReplyMarkup", **message, reply_markup=KEYBOARD)

    assert [first, again, keys] == [(400, NOT_MODIFIED)] * 3


async def test_an_edit_without_a_keyboard_takes_it_away(bot: Bot) -> None:
    message = await sent(bot, reply_markup=KEYBOARD)

    edited = await bot.ok("editMessageText", **message, text="Hello")

    assert "reply_markup" not in edited
    assert edited["edit_date"] >= edited["date"]
    assert anna(bot.sandbox).received[-1].labels == []


async def test_a_text_has_no_caption_to_edit_and_a_file_no_text(bot: Bot) -> None:
    text, document = await sent(bot), await sent_document(bot)

    no_caption = await bot.refusal("editMessageCaption", **text, caption="x")
    no_text = await bot.refusal("editMessageText", **document, text="x")

    assert no_caption == (400, "Bad Request: there is no caption in the message to edit")
    assert no_text == (400, "Bad Request: there is no text in the message to edit")


async def test_a_deleted_message_is_gone_for_edits_and_deletions(bot: Bot) -> None:
    message = await sent(bot)
    await bot.ok("deleteMessage", **message)

    assert await bot.refusal("editMessageText", **message, text="x") == (
        400,
        "Bad Request: message to edit not found",
    )
    assert await bot.refusal("deleteMessage", **message) == (
        400,
        "Bad Request: message to delete not found",
    )


async def test_what_was_answered_does_not_change_with_the_message(bot: Bot) -> None:
    message = await sent(bot)
    before = json.dumps(bot.sandbox.sent()[0].response)

    await bot.ok("editMessageText", **message, text="Other")

    assert json.dumps(bot.sandbox.sent()[0].response) == before


async def test_a_copy_has_the_content_and_neither_author_nor_keyboard(bot: Bot) -> None:
    voice = {"file_id": "v", "file_unique_id": "u", "duration": 1}
    original = await anna(bot.sandbox).send_body({"voice": voice, "caption": "Listen"})

    copied = await bot.ok(
        "copyMessage", chat_id=ANNA, from_chat_id=ANNA, message_id=original.id, caption="<b>New"
    )

    message = anna(bot.sandbox).received[-1]
    assert message.id == copied["message_id"]
    assert (message.facts["voice"], message.text) == (voice, "<b>New")
    assert message.is_from_bot


# --- presses ----------------------------------------------------------------------------------


async def test_a_press_is_answered_once(bot: Bot) -> None:
    query_id = await callback_query_id(bot)
    too_long = await bot.refusal("answerCallbackQuery", callback_query_id=query_id, text="x" * 201)
    answer = bot.sandbox.world.queries[query_id].answer

    await bot.ok("answerCallbackQuery", callback_query_id=query_id, text="Done")
    again = await bot.refusal("answerCallbackQuery", callback_query_id=query_id)

    assert too_long == (400, "Bad Request: MESSAGE_TOO_LONG")
    assert (await answer)["text"] == "Done"
    assert again == (400, TOO_OLD)


async def test_a_press_that_waited_too_long_can_no_longer_be_answered(bot: Bot) -> None:
    query_id = await callback_query_id(bot)
    bot.sandbox.world.queries[query_id].at -= QUERY_SECONDS + 1

    assert await bot.refusal("answerCallbackQuery", callback_query_id=query_id) == (400, TOO_OLD)


@pytest.mark.parametrize("parameters", [{}, {"callback_query_id": "404"}])
async def test_a_press_that_never_was_cannot_be_answered(
    parameters: dict[str, str], bot: Bot
) -> None:
    assert await bot.refusal("answerCallbackQuery", **parameters) == (400, TOO_OLD)


# --- who may be written to --------------------------------------------------------------------


def blocked(sandbox: Sandbox) -> int:
    anna(sandbox).account.has_blocked = True
    return ANNA


def deactivated(sandbox: Sandbox) -> int:
    anna(sandbox).account.is_deactivated = True
    return ANNA


def never_started(sandbox: Sandbox) -> int:
    return sandbox.person(8, "Ben").id


def kicked(sandbox: Sandbox) -> int:
    chat = sandbox.group(-1001, "Tea lovers")
    chat.has_kicked_bot = True
    return chat.id


def upgraded(sandbox: Sandbox) -> int:
    chat = sandbox.group(-5, "Tea lovers", kind="group")
    chat.upgraded_to = -1001234567890
    return chat.id


def unknown(_: Sandbox) -> int:
    return STRANGER


@pytest.mark.parametrize(
    ("place", "status", "description"),
    [
        (blocked, 403, "Forbidden: bot was blocked by the user"),
        (deactivated, 403, "Forbidden: user is deactivated"),
        (never_started, 403, "Forbidden: bot can't initiate conversation with a user"),
        (kicked, 403, "Forbidden: bot was kicked from the supergroup chat"),
        (unknown, 400, "Bad Request: chat not found"),
        (upgraded, 400, "Bad Request: group chat was upgraded to a supergroup chat"),
    ],
)
async def test_nothing_reaches_a_chat_that_is_closed_to_the_bot(
    place: Callable[[Sandbox], int], status: int, description: str, bot: Bot
) -> None:
    chat_id = place(bot.sandbox)
    document = file_id(bot)

    refused = [
        await bot.refusal("sendMessage", chat_id=chat_id, text="x"),
        await bot.refusal("sendDocument", chat_id=chat_id, document=document),
        await bot.refusal("sendChatAction", chat_id=chat_id, action="typing"),
    ]

    assert refused == [(status, description)] * 3
    assert not bot.sandbox.sent()


async def test_who_unblocks_the_bot_can_be_written_to_again(bot: Bot) -> None:
    await anna(bot.sandbox).block()
    assert (await bot.refusal("sendMessage", chat_id=ANNA, text="x"))[0] == 403

    await anna(bot.sandbox).unblock()

    assert (await bot.ok("sendMessage", chat_id=ANNA, text="x"))["text"] == "x"


# --- the outside vectors ----------------------------------------------------------------------


def provoke_seven_seconds(sandbox: Sandbox) -> int:
    sandbox.refuse(too_many_requests(7))
    return ANNA


def provoke_server_error(sandbox: Sandbox) -> int:
    sandbox.refuse(Refusal(500, "Internal Server Error"))
    return ANNA


PROVOKED: dict[str, Callable[[Sandbox], int]] = {
    "Too Many Requests: retry after 7": provoke_seven_seconds,
    "Forbidden: bot was blocked by the user": blocked,
    "Forbidden: user is deactivated": deactivated,
    "Forbidden: bot was kicked from the supergroup chat": kicked,
    "Bad Request: chat not found": unknown,
    "Bad Request: group chat was upgraded to a supergroup chat": upgraded,
    "Internal Server Error": provoke_server_error,
}
ANSWERED = [case for case in CASES if "body" in case]


@pytest.mark.parametrize("case", ANSWERED, ids=[case["body"]["description"] for case in ANSWERED])
async def test_a_case_of_telegram_is_answered_word_for_word(case: dict[str, Any], bot: Bot) -> None:
    chat_id = PROVOKED[case["body"]["description"]](bot.sandbox)

    response = await bot.call("sendMessage", chat_id=chat_id, text="x")

    assert (response.status_code, response.json()) == (case["http"], case["body"])
    for name, value in case.get("header", {}).items():
        assert response.headers[name] == value


# --- public channels --------------------------------------------------------------------------

CHANNEL_ID = -1001234567890


async def test_a_public_channel_is_named_in_any_case_and_posts_are_its_own(bot: Bot) -> None:
    bot.sandbox.channel(CHANNEL_ID, "Tea log", "Tea_Log")

    chat = await bot.ok("getChat", chat_id="@tea_LOG")
    message = await bot.ok("sendMessage", chat_id="@tea_log", text="Hello")

    assert faults_in_union(chat, ["ChatFullInfo"], "getChat") == []
    assert faults_in_union(message, ["Message"], "sendMessage") == []
    facts = {"id": CHANNEL_ID, "type": "channel", "title": "Tea log", "username": "Tea_Log"}
    assert message["chat"] == message["sender_chat"] == facts
    assert "from" not in message
    place = {"chat_id": CHANNEL_ID, "message_id": message["message_id"]}
    assert (await bot.ok("editMessageText", **place, text="Hi"))["text"] == "Hi"


@pytest.mark.parametrize("chat_id", ["tea_log", "@tea", "@", "@tea_log "])
async def test_what_names_no_channel_is_not_found(chat_id: str, bot: Bot) -> None:
    bot.sandbox.channel(CHANNEL_ID, "Tea log", "tea_log")
    for method, more in (("sendMessage", {"text": "Hello"}), ("getChat", {})):
        response = await bot.call(method, chat_id=chat_id, **more)
        assert response.json()["description"] == "Bad Request: chat not found"


@pytest.mark.parametrize(
    ("facts", "status", "why"),
    [
        ({"has_bot": False}, 403, "Forbidden: bot is not a member of the channel chat"),
        ({"has_kicked_bot": True}, 403, "Forbidden: bot was kicked from the channel chat"),
        (
            {"may_bot_post": False},
            400,
            "Bad Request: need administrator rights in the channel chat",
        ),
    ],
    ids=str,
)
async def test_a_bot_that_may_not_post_is_told_why(
    facts: dict[str, bool], status: int, why: str, bot: Bot
) -> None:
    channel = bot.sandbox.channel(CHANNEL_ID, "Tea log", "tea_log")
    for name, value in facts.items():
        setattr(channel, name, value)
    response = await bot.call("sendMessage", chat_id="@tea_log", text="Hello")
    assert (response.status_code, response.json()["description"]) == (status, why)
    assert channel.messages == {}
