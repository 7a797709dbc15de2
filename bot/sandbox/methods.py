"""What a bot can ask for, answered as Telegram answers."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from bot.sandbox.albums import checked_album
from bot.sandbox.formatting import CAPTION_LIMIT, TEXT_LIMIT, formatted
from bot.sandbox.markup import link_fault
from bot.sandbox.refusal import Refusal, bad_request
from bot.sandbox.world import QUERY_SECONDS, Chat, StoredFile, World

CALLBACK_BYTES: Final = 64
NOT_MODIFIED: Final = (
    "message is not modified: specified new message content and reply markup are exactly the "
    "same as a current content and reply markup of the message"
)
NO_CHAT: Final = "chat_id is empty"
TOO_OLD: Final = "query is too old and response timeout expired or query ID is invalid"
TYPING_SECONDS: Final = 5
ANSWER_LIMIT: Final = 200
COMMAND: Final = re.compile(r"[a-z0-9_]{1,32}")
DESCRIPTION_LIMIT: Final = 256
COMMAND_COUNT: Final = 100
ACTIONS: Final = {
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
}
NOT_COPIED: Final = {
    "message_id",
    "date",
    "edit_date",
    "chat",
    "from",
    "sender_chat",
    "reply_to_message",
    "reply_markup",
    "forward_origin",
    "media_group_id",
}
TEXT_BUTTON: Final = "Text buttons are unallowed in the inline keyboard"

Parameters = dict[str, Any]
Method = Callable[[World, Parameters], Awaitable[Any]]


# --- chats ------------------------------------------------------------------------------------


def reachable_chat(world: World, chat_id: Any) -> Chat:
    """Return the chat a bot may write to, or refuse as Telegram does."""
    account = world.accounts.get(chat_id) if isinstance(chat_id, int) else None
    chat = world.named_chat(chat_id)
    if account is not None:
        if account.is_deactivated:
            raise Refusal(403, "Forbidden: user is deactivated")
        if account.has_blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        if not account.has_started:
            raise Refusal(403, "Forbidden: bot can't initiate conversation with a user")
        return world.private_chat(account.id)
    if chat is None:
        raise bad_request("chat not found")
    if chat.upgraded_to is not None:
        raise Refusal(
            400,
            "Bad Request: group chat was upgraded to a supergroup chat",
            {"migrate_to_chat_id": chat.upgraded_to},
        )
    if chat.has_kicked_bot:
        raise Refusal(403, f"Forbidden: bot was kicked from the {chat.type} chat")
    if not chat.has_bot:
        raise Refusal(403, f"Forbidden: bot is not a member of the {chat.type} chat")
    if not chat.may_bot_post:
        raise bad_request(f"need administrator rights in the {chat.type} chat")
    return chat


def existing_message(world: World, parameters: Parameters, what: str) -> dict[str, Any]:
    if "chat_id" not in parameters:
        is_unsaid = "message_id" not in parameters
        raise bad_request("message identifier is not specified" if is_unsaid else NO_CHAT)
    chat = reachable_chat(world, parameters["chat_id"])
    message = chat.messages.get(parameters.get("message_id", 0))
    if message is None:
        raise bad_request(f"message to {what} not found")
    is_own = chat.type == "channel" or message.get("from", {}).get("id") == world.bot["id"]
    if what == "edit" and not is_own:
        raise bad_request("message can't be edited")
    return message


def checked_markup(markup: dict[str, Any] | None) -> dict[str, Any] | None:
    """Refuse keyboards that Telegram refuses."""
    if markup is None or "inline_keyboard" not in markup:
        return None
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request(
            'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'
        )
    kept = [row for row in rows if row]
    for row in kept:
        for button in row:
            _check_button(button)
    return {"inline_keyboard": kept} if kept else None


def _check_button(button: Any) -> None:
    if not isinstance(button, dict):
        raise _no_button("InlineKeyboardButton must be an Object")
    if "text" not in button:
        raise _no_button('Can\'t find field "text"')
    for name in ("text", "url", "callback_data"):
        if not isinstance(button.get(name, ""), str):
            raise _no_button(f'Field "{name}" must be of type String')
    data, url = button.get("callback_data"), button.get("url")
    if not data and not url and not {"web_app", "copy_text"} & button.keys():
        raise _no_button(TEXT_BUTTON)
    if not button["text"].strip():
        raise bad_request("inline keyboard button text must be non-empty")
    if url and (fault := link_fault(url)):
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: {fault}")
    if data and not url and len(data.encode()) > CALLBACK_BYTES:
        raise bad_request("BUTTON_DATA_INVALID")


def _no_button(why: str) -> Refusal:
    return bad_request(f"can't parse inline keyboard button: {why}")


# --- sending ----------------------------------------------------------------------------------


async def _send(world: World, parameters: Parameters, body: dict[str, Any]) -> dict[str, Any]:
    chat = reachable_chat(world, parameters.get("chat_id"))
    markup = checked_markup(parameters.get("reply_markup"))
    if markup:
        body["reply_markup"] = markup
    reply = parameters.get("reply_parameters") or {}
    original = chat.messages.get(reply.get("message_id", 0))
    if original is None and reply and not reply.get("allow_sending_without_reply"):
        raise bad_request("message to be replied not found")
    if original is not None:
        body["reply_to_message"] = {
            key: value for key, value in original.items() if key != "reply_to_message"
        }
    chat.is_typing_until = 0.0
    message = world.add_message(chat, world.bot, body)
    await world.touch()
    return message


def _text(parameters: Parameters, name: str, limit: int, what: str) -> dict[str, Any]:
    entities_name = "entities" if name == "text" else "caption_entities"
    text, entities = formatted(
        parameters.get(name, ""),
        parameters.get("parse_mode"),
        parameters.get(entities_name),
        limit,
        what,
    )
    body: dict[str, Any] = {name: text} if text else {}
    if entities:
        body[entities_name] = entities
    return body


def _full_text(parameters: Parameters) -> dict[str, Any]:
    body = _text(parameters, "text", TEXT_LIMIT, "")
    if not parameters.get("text"):
        raise bad_request("message text is empty")
    if not body.get("text"):
        raise bad_request("text must be non-empty")
    return body


async def send_message(world: World, parameters: Parameters) -> Any:
    return await _send(world, parameters, _full_text(parameters))


async def send_photo(world: World, parameters: Parameters) -> Any:
    return await _send_file(world, parameters, "photo")


async def send_document(world: World, parameters: Parameters) -> Any:
    return await _send_file(world, parameters, "document")


async def _send_file(world: World, parameters: Parameters, kind: str) -> Any:
    reachable_chat(world, parameters.get("chat_id"))
    file = _file(world, parameters[kind], kind)
    body = world.file_facts(file, as_photo=kind == "photo")
    body |= _text(parameters, "caption", CAPTION_LIMIT, "caption")
    return await _send(world, parameters, body)


async def send_media_group(world: World, parameters: Parameters) -> Any:
    """Send an album: all of it or nothing; each item is a message of its own (Bot API)."""
    reachable_chat(world, parameters.get("chat_id"))
    bodies = []
    for item in checked_album(parameters["media"]):
        file = _file(world, item["media"], item["type"])
        body = world.file_facts(file, as_photo=item["type"] == "photo")
        bodies.append(body | _text(item, "caption", CAPTION_LIMIT, "caption"))
    group = {"media_group_id": str(world.next_id())}
    return [await _send(world, parameters, body | group) for body in bodies]


def _file(world: World, value: Any, kind: str) -> StoredFile:
    if isinstance(value, tuple):
        name, content, mime = value
        if not content:
            raise bad_request("file must be non-empty")
        return world.store_file(content, name, mime)
    if value.startswith("attach://"):
        raise bad_request(f"there is no {kind} in the request")
    if "." in value:  # whatever has a dot is taken for an address, and nothing is fetched here
        raise bad_request("failed to get HTTP URL content")
    if value not in world.files:
        raise bad_request("wrong remote file identifier specified: can't unserialize it")
    return world.files[value]


async def copy_message(world: World, parameters: Parameters) -> Any:
    source = world.chats.get(parameters["from_chat_id"])
    if source is None:
        raise bad_request("chat not found")
    original = source.messages.get(parameters["message_id"])
    if original is None:
        raise bad_request("message to copy not found")
    body = {key: value for key, value in original.items() if key not in NOT_COPIED}
    if "caption" in parameters and "text" not in body:
        body = {key: value for key, value in body.items() if not key.startswith("caption")}
        body |= _text(parameters, "caption", CAPTION_LIMIT, "caption")
    message = await _send(world, parameters, body)
    return {"message_id": message["message_id"]}


async def send_chat_action(world: World, parameters: Parameters) -> Any:
    if parameters["action"].lower() not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    chat = reachable_chat(world, parameters.get("chat_id"))
    chat.is_typing_until = time.time() + TYPING_SECONDS
    await world.touch()
    return True


# --- editing ----------------------------------------------------------------------------------


async def _edit(world: World, message: dict[str, Any], changes: dict[str, Any]) -> Any:
    edited = {key: value for key, value in message.items() if key not in changes}
    edited |= {key: value for key, value in changes.items() if value is not None}
    if edited == message:
        raise bad_request(NOT_MODIFIED)
    edited["edit_date"] = int(time.time())
    message.clear()
    message.update(edited)
    await world.touch()
    return message


async def edit_message_text(world: World, parameters: Parameters) -> Any:
    message = existing_message(world, parameters, "edit")
    if "text" not in message:
        raise bad_request("there is no text in the message to edit")
    body = _full_text(parameters)
    markup = checked_markup(parameters.get("reply_markup"))
    return await _edit(world, message, {"entities": None, "reply_markup": markup, **body})


async def edit_message_caption(world: World, parameters: Parameters) -> Any:
    message = existing_message(world, parameters, "edit")
    if "text" in message:
        raise bad_request("there is no caption in the message to edit")
    body = _text(parameters, "caption", CAPTION_LIMIT, "caption")
    markup = checked_markup(parameters.get("reply_markup"))
    changes = {"caption": None, "caption_entities": None, "reply_markup": markup, **body}
    return await _edit(world, message, changes)


async def edit_message_reply_markup(world: World, parameters: Parameters) -> Any:
    message = existing_message(world, parameters, "edit")
    return await _edit(
        world, message, {"reply_markup": checked_markup(parameters.get("reply_markup"))}
    )


async def delete_message(world: World, parameters: Parameters) -> Any:
    message = existing_message(world, parameters, "delete")
    del world.chats[message["chat"]["id"]].messages[message["message_id"]]
    await world.touch()
    return True


async def answer_callback_query(world: World, parameters: Parameters) -> Any:
    if len(parameters.get("text", "")) > ANSWER_LIMIT:
        raise bad_request("MESSAGE_TOO_LONG")
    query = world.queries.pop(str(parameters["callback_query_id"]), None)
    if query is None or time.time() - query.at > QUERY_SECONDS:
        raise bad_request(TOO_OLD)
    answer = {
        "text": parameters.get("text", ""),
        "show_alert": bool(parameters.get("show_alert")),
        "person": query.person,
    }
    if not query.answer.done():
        query.answer.set_result(answer)
    await world.touch()
    return True


# --- the bot itself ---------------------------------------------------------------------------


async def get_me(world: World, _: Parameters) -> Any:
    return {**world.bot, "can_join_groups": True, "can_read_all_group_messages": False}


def _scope(parameters: Parameters) -> str:
    scope = parameters.get("scope", {"type": "default"})
    if "type" not in scope:
        raise bad_request("can't parse BotCommandScope: Can't find field \"type\"")
    return f"{scope['type']}:{scope.get('chat_id', '')}:{parameters.get('language_code', '')}"


async def set_my_commands(world: World, parameters: Parameters) -> Any:
    if len(parameters["commands"]) > COMMAND_COUNT:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    for command in parameters["commands"]:
        if not isinstance(command, dict):
            raise bad_request("can't parse BotCommand: expected an Object")
        if not COMMAND.fullmatch(str(command.get("command", "")).removeprefix("/")):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(str(command.get("description", ""))) <= DESCRIPTION_LIMIT:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    world.commands[_scope(parameters)] = parameters["commands"]
    await world.touch()
    return True


async def get_my_commands(world: World, parameters: Parameters) -> Any:
    return world.commands.get(_scope(parameters), [])


async def delete_my_commands(world: World, parameters: Parameters) -> Any:
    world.commands.pop(_scope(parameters), None)
    return True


def _setter(kind: str, limit: int) -> Method:
    async def set_text(world: World, parameters: Parameters) -> Any:
        text = parameters.get(kind, "")
        if len(text) > limit:
            raise bad_request(f"{kind.upper()}_TOO_LONG")
        world.texts[f"{kind}:{parameters.get('language_code', '')}"] = text
        return True

    return set_text


def _getter(kind: str) -> Method:
    async def get_text(world: World, parameters: Parameters) -> Any:
        language = parameters.get("language_code", "")
        found = world.texts.get(f"{kind}:{language}") or world.texts.get(f"{kind}:", "")
        return {kind: found}

    return get_text


async def get_chat(world: World, parameters: Parameters) -> Any:
    chat = world.named_chat(parameters["chat_id"])
    if chat is None:
        raise bad_request("chat not found")
    gifts = ("unlimited", "limited", "unique")
    accepted = {f"{kind}_gifts": True for kind in gifts}
    return {
        **world.chat_facts(chat),
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": {
            **accepted,
            "premium_subscription": True,
            "gifts_from_channels": True,
        },
    }


async def get_file(world: World, parameters: Parameters) -> Any:
    file = world.files.get(parameters["file_id"])
    if file is None:
        raise bad_request("invalid file_id")
    return {
        "file_id": file.id,
        "file_unique_id": f"u{file.id}",
        "file_size": len(file.content),
        "file_path": f"documents/{file.id}",
    }


METHODS: Final[dict[str, Method]] = {
    "getMe": get_me,
    "sendMessage": send_message,
    "sendPhoto": send_photo,
    "sendDocument": send_document,
    "sendMediaGroup": send_media_group,
    "copyMessage": copy_message,
    "sendChatAction": send_chat_action,
    "editMessageText": edit_message_text,
    "editMessageCaption": edit_message_caption,
    "editMessageReplyMarkup": edit_message_reply_markup,
    "deleteMessage": delete_message,
    "answerCallbackQuery": answer_callback_query,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "setMyName": _setter("name", 64),
    "getMyName": _getter("name"),
    "setMyDescription": _setter("description", 512),
    "getMyDescription": _getter("description"),
    "setMyShortDescription": _setter("short_description", 120),
    "getMyShortDescription": _getter("short_description"),
    "getChat": get_chat,
    "getFile": get_file,
}
