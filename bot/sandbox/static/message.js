// One message: its bubble and the buttons under it.

import { element, hiddenText, icon } from "./dom.js";
import { formatted, safeUrl } from "./text.js";
import { clockTime, fileSize } from "./words.js";

const FEW_EMOJI = /^(?:\p{RGI_Emoji}\s*){1,3}$/v;

// `tools`: words, lang, bot, send(text), follow(event, url), press(message, data), say(text),
// show(messageId). `before`: the node that showed this message until now.
export function messageNode(message, tools, before = null) {
  const text = message.text ?? message.caption ?? "";
  const entities = message.entities ?? message.caption_entities ?? [];
  const isBig = message.text !== undefined && !entities.length && FEW_EMOJI.test(text);
  const bubble = element(
    "div",
    { class: "bubble" },
    hiddenText(message.is_own ? tools.words.you : tools.words.from(tools.bot.name)),
    message.quoted ? quoted(message.quoted, tools) : null,
    message.photo ? photo(message.photo, text, tools, before) : null,
    message.document ? documentNode(message.document, tools) : null,
    body(message, text, entities, tools),
  );
  const keyboard = message.reply_markup?.inline_keyboard;
  const kinds = [
    "message",
    message.is_own ? "own" : "received",
    isBig ? "big" : "",
    message.photo ? "with-photo" : "",
    message.photo && !text ? "bare" : "",
    message.media_group_id && message.document ? "of-album" : "",
    keyboard ? "with-keyboard" : "",
  ];
  const node = element("li", { class: kinds.filter(Boolean).join(" ") }, bubble);
  node.dataset.id = message.message_id;
  if (keyboard) node.append(keyboardNode(message, keyboard, tools));
  return node;
}

function body(message, text, entities, tools) {
  const node = element("div", { class: "text", dir: "auto" });
  if (text) {
    node.append(formatted(text, entities, tools));
  } else if (!message.photo && !message.document) {
    node.append(element("em", {}, tools.words.unsupported));
  }
  node.append(meta(message, tools));
  return node;
}

function meta(message, tools) {
  const at = new Date(message.date * 1000);
  const node = element("span", { class: "meta" });
  if (message.edit_date) node.append(`${tools.words.edited} `);
  const time = clockTime(message.date, tools.lang);
  node.append(element("time", { datetime: at.toISOString() }, time));
  if (message.is_own) node.append(icon("ticks"), hiddenText(tools.words.sent));
  return node;
}

function quoted(original, tools) {
  const click = () => tools.show(original.message_id);
  return element(
    "button",
    { type: "button", class: "quoted", on: { click } },
    element("strong", {}, original.is_own ? tools.name : tools.bot.name),
    element("span", {}, original.text || tools.words.photo),
  );
}

function photo(sizes, caption, tools, before) {
  const source = `/files/${sizes.at(-1).file_id}`;
  const shown = before?.querySelector(".photo img");
  const isSame = shown?.getAttribute("src") === source;
  // A rebuilt message keeps its picture: loading it again would flicker.
  const image = isSame ? shown : element("img", { src: source, alt: "" });
  image.alt = caption ? `${tools.words.photo}: ${caption}` : tools.words.photo;
  const facts = { href: source, target: "_blank", rel: "noopener noreferrer" };
  return element("a", { class: "photo", ...facts }, image);
}

// A page that the bot sent can be opened: the simulator serves it in an origin of its own.
function documentNode(file, tools) {
  const link = documentLink(file, tools);
  if (file.mime_type !== "text/html") return link;
  const facts = { href: `/files/${file.file_id}?open`, target: "_blank", rel: "noopener noreferrer" };
  const label = `${tools.words.open}: ${file.file_name}`;
  const open = element("a", { class: "open", "aria-label": label, ...facts }, tools.words.open);
  return element("div", { class: "openable" }, link, open);
}

function documentLink(file, tools) {
  const label = `${tools.words.download}: ${file.file_name}`;
  return element(
    "a",
    {
      class: "document",
      href: `/files/${file.file_id}?download`,
      download: file.file_name,
      "aria-label": label,
    },
    element("span", { class: "document-icon" }, icon("file")),
    element(
      "span",
      { class: "document-facts" },
      element("span", { class: "document-name" }, file.file_name),
      element("span", { class: "document-size" }, fileSize(file.file_size, tools.lang)),
    ),
  );
}

// --- buttons ---------------------------------------------------------------------------------

function keyboardNode(message, rows, tools) {
  const node = element("div", { class: "keyboard" });
  for (const row of rows) {
    const buttons = row.map((button) => keyboardButton(message, button, tools));
    node.append(element("div", { class: "keyboard-row" }, ...buttons));
  }
  return node;
}

function keyboardButton(message, button, tools) {
  const url = button.url ?? button.web_app?.url;
  if (url !== undefined) return urlButton(button.text, url, tools);
  const node = element("button", { type: "button", class: "key" }, button.text);
  if (button.copy_text) {
    node.append(icon("copy"));
    node.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.copy_text.text);
      tools.say(tools.words.copied);
    });
  } else {
    node.addEventListener("click", () => press(node, message, button.callback_data, tools));
  }
  return node;
}

function urlButton(label, url, tools) {
  const parsed = safeUrl(url);
  if (!parsed) return element("span", { class: "key" }, label);
  const click = (event) => tools.follow(event, parsed);
  const facts = { href: parsed.href, target: "_blank", rel: "noopener noreferrer" };
  return element("a", { class: "key", ...facts, on: { click } }, label, icon("out"));
}

async function press(node, message, data, tools) {
  if (node.getAttribute("aria-busy") === "true") return;
  node.setAttribute("aria-busy", "true");
  try {
    await tools.press(message.message_id, data);
  } finally {
    node.removeAttribute("aria-busy");
  }
}
