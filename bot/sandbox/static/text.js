// Text with entities. Telegram counts in UTF-16 units, and so do strings here.

import { element, icon } from "./dom.js";

const SIMPLE = {
  bold: "strong",
  italic: "em",
  underline: "u",
  strikethrough: "s",
  code: "code",
};
const BLOCKS = new Set(["pre", "blockquote", "expandable_blockquote"]);
const SAFE = new Set(["http:", "https:", "tg:", "mailto:", "tel:"]);

// `tools`: words, send(text), follow(event, url).
export function formatted(text, entities, tools) {
  const fragment = document.createDocumentFragment();
  fill(fragment, text, 0, text.length, entities || [], tools);
  return fragment;
}

function fill(parent, text, from, to, entities, tools) {
  let at = from;
  let left = inOrder(entities);
  while (left.length) {
    const [entity, ...others] = left;
    const end = Math.min(entity.offset + entity.length, to);
    if (entity.offset > at) parent.append(text.slice(at, entity.offset));
    const [within, after] = divided(others, end);
    const inside = entity.type === "pre" ? within.filter((one) => one.type !== "code") : within;
    const [node, hole] = wrapper(entity, text.slice(entity.offset, end), tools);
    fill(hole, text, entity.offset, end, inside, tools);
    parent.append(node);
    // A block ends its line already: the line end after it would show as an empty line.
    at = BLOCKS.has(entity.type) && text[end] === "\n" ? end + 1 : end;
    left = inOrder(after);
  }
  if (at < to) parent.append(text.slice(at, to));
}

// What holds comes before what is held; of two that cover the same text the block holds.
function inOrder(entities) {
  const weight = (entity) => 2 * entity.length + (BLOCKS.has(entity.type) ? 1 : 0);
  return [...entities].sort((a, b) => a.offset - b.offset || weight(b) - weight(a));
}

// Entities may overlap without one holding the other: what sticks out is cut off and kept.
function divided(entities, end) {
  const [inside, after] = [[], []];
  for (const entity of entities) {
    const stop = entity.offset + entity.length;
    if (entity.offset >= end) {
      after.push(entity);
    } else if (stop <= end) {
      inside.push(entity);
    } else {
      inside.push({ ...entity, length: end - entity.offset });
      after.push({ ...entity, offset: end, length: stop - end });
    }
  }
  return [inside, after];
}

// The node of an entity, and the node inside it that takes the text.
function wrapper(entity, text, tools) {
  if (entity.type in SIMPLE) return twice(element(SIMPLE[entity.type]));
  switch (entity.type) {
    case "spoiler":
      return spoiler(tools);
    case "pre":
      return pre(entity);
    case "blockquote":
      return twice(element("blockquote", { class: "quote" }));
    case "expandable_blockquote":
      return expandable(tools);
    case "text_link":
      return twice(link(entity.url, tools));
    case "url":
      return twice(link(/^[a-z]+:/i.test(text) ? text : `https://${text}`, tools));
    case "email":
      return twice(link(`mailto:${text}`, tools));
    case "bot_command":
      return twice(command(text, tools));
    default:
      return twice(element("span", { class: entity.type === "mention" ? "mention" : null }));
  }
}

function twice(node) {
  return [node, node];
}

export function safeUrl(url) {
  try {
    const parsed = new URL(url);
    return SAFE.has(parsed.protocol) ? parsed : null;
  } catch {
    return null;
  }
}

function link(url, tools) {
  const parsed = safeUrl(url);
  if (!parsed) return element("span");
  const click = (event) => tools.follow(event, parsed);
  const facts = { href: parsed.href, target: "_blank", rel: "noopener noreferrer" };
  return element("a", { ...facts, title: parsed.href, on: { click } });
}

function command(text, tools) {
  const click = (event) => {
    event.preventDefault();
    tools.send(text);
  };
  return element("a", { href: "#", class: "command", role: "button", on: { click } });
}

function pre(entity) {
  const code = element("code");
  const { language } = entity;
  const label = language ? element("span", { class: "pre-language" }, language) : null;
  return [element("pre", { tabindex: "0" }, label, code), code];
}

function spoiler(tools) {
  const hole = element("span", { class: "spoiler-text", inert: true });
  const node = element("span", {
    class: "spoiler",
    role: "button",
    tabindex: "0",
    "aria-label": tools.words.spoiler,
  });
  node.append(hole);
  const reveal = (event) => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    hole.inert = false;
    node.classList.add("revealed");
    for (const name of ["role", "tabindex", "aria-label"]) node.removeAttribute(name);
    node.removeEventListener("click", reveal);
    node.removeEventListener("keydown", reveal);
  };
  node.addEventListener("click", reveal);
  node.addEventListener("keydown", reveal);
  return [node, hole];
}

function expandable(tools) {
  const hole = element("div", { class: "quote-text" });
  const toggle = element("button", { type: "button", class: "quote-toggle" }, icon("down"));
  const node = element("blockquote", { class: "quote collapsed" }, hole, toggle);
  const show = (isExpanded) => {
    node.classList.toggle("collapsed", !isExpanded);
    toggle.setAttribute("aria-expanded", String(isExpanded));
    toggle.setAttribute("aria-label", isExpanded ? tools.words.collapse : tools.words.expand);
  };
  show(false);
  toggle.addEventListener("click", () => show(node.classList.contains("collapsed")));
  // A short quote needs no toggle; how long it is, only the layout knows.
  new ResizeObserver(() => {
    if (hole.clientHeight && node.classList.contains("collapsed")) {
      toggle.hidden = hole.scrollHeight <= hole.clientHeight + 1;
    }
  }).observe(hole);
  return [node, hole];
}

// --- what is typed ---------------------------------------------------------------------------

const WORD = "[\\p{L}\\p{N}_]";
const MARKS = new RegExp(
  [
    "```(?:(?<language>[a-zA-Z0-9+-]+)\\n)?(?<pre>[\\s\\S]+?)```",
    "`(?<code>[^`\\n]+)`",
    "\\*\\*(?<bold>(?=\\S)[\\s\\S]+?(?<=\\S))\\*\\*",
    `(?<!${WORD})__(?<italic>(?=\\S)[\\s\\S]+?(?<=\\S))__(?!${WORD})`,
    "~~(?<strikethrough>(?=\\S)[\\s\\S]+?(?<=\\S))~~",
    "\\|\\|(?<spoiler>(?=\\S)[\\s\\S]+?(?<=\\S))\\|\\|",
    "\\[(?<label>[^\\]\\n]+)\\]\\((?<url>https?://[^\\s)]+)\\)",
  ].join("|"),
  "gu",
);

// **bold**, __italic__, `code`, ~~strike~~, ||spoiler|| and [links](…), as Telegram's apps take.
export function fromMarkdown(source) {
  let text = "";
  const entities = [];
  let at = 0;
  for (const match of source.matchAll(MARKS)) {
    text += source.slice(at, match.index);
    at = match.index + match[0].length;
    const { language, label, url, ...kinds } = match.groups;
    const kind = label ? "text_link" : Object.keys(kinds).find((name) => kinds[name] !== undefined);
    const isVerbatim = kind === "code" || kind === "pre";
    const inside = label || kinds[kind];
    const inner = isVerbatim ? { text: inside, entities: [] } : fromMarkdown(inside);
    const entity = { type: kind, offset: text.length, length: inner.text.length };
    if (url) entity.url = url;
    if (language) entity.language = language;
    const moved = inner.entities.map((one) => ({ ...one, offset: one.offset + text.length }));
    entities.push(entity, ...moved);
    text += inner.text;
  }
  return { text: text + source.slice(at), entities };
}
