// One phone: its chat with the bot, what one can write, and what comes back.

import { Attachment } from "./attachment.js";
import { closePopups, element, icon, popup } from "./dom.js";
import { messageNode } from "./message.js";
import * as server from "./server.js";
import { fromMarkdown } from "./text.js";
import { dayName, locale, wordsOf } from "./words.js";

const NEAR_PIXELS = 80;
const GROUP_SECONDS = 300;
const TOAST_MILLISECONDS = 3500;
const TEXT_LIMIT = 4096;
const BOTS_OWN_SITES = new Set(["t.me", "telegram.me"]);

export class Pane {
  // `unreadChanged(count)` is called when the number of unread messages changes.
  constructor(id, unreadChanged) {
    this.id = id;
    this.unreadChanged = unreadChanged;
    this.chat = null;
    this.unread = 0;
    this.sticks = true;
    this.lastTop = 0;
    this.shown = new Map();
    const template = document.getElementById("pane").content;
    this.root = template.firstElementChild.cloneNode(true);
    this.root.id = `pane-${id}`;
    this.root.dataset.person = id;
    for (const node of this.root.querySelectorAll("[data-icon]")) {
      node.prepend(icon(node.dataset.icon));
    }
    this.attachment = new Attachment(this);
    this.#listen();
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  // --- what came from the simulator ----------------------------------------------------------

  update(chat, now) {
    const previous = this.chat;
    this.chat = chat;
    if (previous?.lang !== chat.lang) this.#speak();
    this.part("who-name").textContent = chat.name;
    const facts = [chat.caption, this.words.language].filter(Boolean);
    this.part("who-caption").textContent = facts.join(" · ");
    this.part("bot-name").textContent = chat.bot.name;
    for (const node of this.root.querySelectorAll(".avatar")) {
      node.textContent = [...chat.bot.name][0] ?? "";
    }
    this.#showStatus(now);
    this.#showFoot();
    this.#showMessages(previous);
  }

  // The next chat is a first one: it may be of a simulator that was started anew.
  forget() {
    this.chat = null;
    this.unread = 0;
  }

  connected(isConnected) {
    this.isConnected = isConnected;
    if (this.chat) this.#showStatus();
  }

  #speak() {
    this.words = wordsOf(this.chat.lang);
    this.root.lang = locale(this.chat.lang);
    for (const node of this.root.querySelectorAll("[data-word]")) {
      node.textContent = this.words[node.dataset.word];
    }
    for (const node of this.root.querySelectorAll("[data-label]")) {
      node.setAttribute("aria-label", this.words[node.dataset.label]);
      if (node.matches("button")) node.title = this.words[node.dataset.label];
    }
    this.part("input").placeholder = this.words.write;
    this.attachment.speak(this.words);
    this.shown.clear();
  }

  #showStatus(now = Date.now() / 1000) {
    const left = this.chat.typing_until - now;
    const status = this.part("status");
    clearTimeout(this.typing);
    status.classList.remove("typing");
    if (this.isConnected === false) {
      status.textContent = this.words.connecting;
    } else if (this.chat.has_blocked) {
      status.textContent = this.words.blocked;
    } else if (left > 0) {
      const dots = element("span", { class: "dots", "aria-hidden": "true" });
      dots.append(element("i"), element("i"), element("i"));
      status.replaceChildren(this.words.typing, dots);
      status.classList.add("typing");
      this.typing = setTimeout(() => this.#showStatus(), left * 1000);
    } else {
      status.textContent = this.words.bot;
    }
  }

  #showFoot() {
    const { has_blocked: hasBlocked, messages, commands, description } = this.chat;
    const isEmpty = messages.length === 0;
    const hadFocus = this.part("start") === document.activeElement;
    this.part("empty").hidden = !isEmpty;
    this.part("description").textContent = description || this.words.empty;
    this.part("question").hidden = !description;
    this.part("unblock").hidden = !hasBlocked;
    this.part("start").hidden = hasBlocked || !isEmpty;
    this.part("composer").hidden = hasBlocked || isEmpty;
    this.part("menu").hidden = commands.length === 0;
    this.part("block").textContent = hasBlocked ? this.words.unblock : this.words.block;
    if (hadFocus && this.part("start").hidden) this.part("input").focus();
  }

  // --- messages ------------------------------------------------------------------------------

  #showMessages(previous) {
    const { messages } = this.chat;
    const known = previous ? Math.max(0, ...previous.messages.map((one) => one.message_id)) : 0;
    const fresh = messages.filter((one) => one.message_id > known);
    this.#place(this.#nodes(messages));
    if (fresh.some((one) => one.is_own)) this.sticks = true;
    if (this.sticks) this.#toEnd();
    if (previous) this.#tell(fresh.filter((one) => !one.is_own));
  }

  #nodes(messages) {
    const shown = new Map();
    const nodes = [];
    let day = "";
    messages.forEach((message, index) => {
      const name = dayName(message.date, this.chat.lang);
      if (name !== day) nodes.push(this.#once(shown, `day ${name}`, name, () => dayNode(name)));
      day = name;
      const node = this.#once(
        shown, message.message_id, JSON.stringify(message),
        (before) => messageNode(message, this.#tools(), before),
      );
      node.classList.toggle("first", !continues(messages[index - 1], message));
      node.classList.toggle("last", !continues(message, messages[index + 1]));
      nodes.push(node);
    });
    this.shown = shown;
    return nodes;
  }

  // Nodes of messages that did not change stay: an opened spoiler stays open.
  #once(shown, key, looks, make) {
    const before = this.shown.get(key);
    const isSame = before?.looks === looks;
    const node = isSame ? before.node : make(before?.node);
    if (before && !isSame) this.#moveFocus(before.node, node);
    shown.set(key, { looks, node });
    return node;
  }

  // Whoever pressed a button with the keyboard goes on where they were.
  #moveFocus(before, node) {
    if (!before.contains(document.activeElement)) return;
    const at = [...before.querySelectorAll("button, a")].indexOf(document.activeElement);
    before.replaceWith(node);
    const next = [...node.querySelectorAll("button, a")].at(at);
    (next ?? this.part("scroll")).focus({ preventScroll: true });
  }

  #place(nodes) {
    const list = this.part("messages");
    const kept = new Set(nodes);
    for (const node of [...list.children]) if (!kept.has(node)) node.remove();
    nodes.forEach((node, index) => {
      if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
    });
  }

  #tools() {
    const { words, chat } = this;
    return {
      words,
      lang: chat.lang,
      name: chat.name,
      bot: chat.bot,
      send: (text) => this.send({ text, entities: [] }),
      follow: (event, url) => this.#follow(event, url),
      press: (messageId, data) => this.#press(messageId, data),
      say: (text) => this.toast(text),
      show: (messageId) => this.#showOriginal(messageId),
    };
  }

  #showOriginal(messageId) {
    const node = this.shown.get(messageId)?.node;
    if (!node) return;
    node.scrollIntoView({ block: "center" });
    node.classList.remove("found");
    requestAnimationFrame(() => node.classList.add("found"));
  }

  // A link to this very bot is this chat: it starts the bot with the link's payload.
  #follow(event, url) {
    const { username } = this.chat.bot;
    const domain = BOTS_OWN_SITES.has(url.host)
      ? url.pathname.split("/")[1]
      : url.protocol === "tg:" && url.searchParams.get("domain");
    if (!domain || domain.toLowerCase() !== username.toLowerCase()) return;
    event.preventDefault();
    this.send({ text: `/start ${url.searchParams.get("start") ?? ""}`.trim(), entities: [] });
  }

  // --- reading -------------------------------------------------------------------------------

  get isVisible() {
    return this.root.clientHeight > 0;
  }

  #tell(received) {
    if (!received.length) return;
    for (const message of received) {
      const text = message.text ?? message.caption ?? "";
      const line = `${this.chat.name}. ${this.words.from(this.chat.bot.name)}${text}`;
      this.part("live").append(element("p", {}, line));
    }
    while (this.part("live").childElementCount > 5) this.part("live").firstElementChild.remove();
    if (!this.isVisible || !this.sticks) this.#count(this.unread + received.length);
  }

  #count(unread) {
    this.unread = unread;
    const badge = this.part("down-count");
    badge.hidden = unread === 0;
    badge.textContent = unread > 99 ? "99+" : unread;
    this.unreadChanged(unread, this.words.unread(unread));
  }

  #toEnd() {
    const scroll = this.part("scroll");
    scroll.scrollTop = scroll.scrollHeight;
  }

  #scrolled() {
    const scroll = this.part("scroll");
    if (!scroll.clientHeight) return;
    const below = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight;
    // Only a reader goes up; a picture that gets its height makes the end go down.
    if (below < NEAR_PIXELS) this.sticks = true;
    else if (scroll.scrollTop < this.lastTop) this.sticks = false;
    this.lastTop = scroll.scrollTop;
    this.part("down").hidden = this.sticks;
    if (this.sticks && this.unread) this.#count(0);
  }

  // The place to read from is kept when a tab comes back and when the phone changes its size.
  #resized() {
    const scroll = this.part("scroll");
    if (!scroll.clientHeight) return;
    if (this.sticks) this.#toEnd();
    else if (scroll.scrollTop === 0) scroll.scrollTop = this.lastTop;
    this.#scrolled();
  }

  // --- writing -------------------------------------------------------------------------------

  async send(text) {
    this.sticks = true;
    return await this.attempt(() => server.sendText(this.id, text));
  }

  async attempt(act) {
    try {
      return await act();
    } catch (error) {
      const isSilent = error instanceof server.Refused && error.status === 504;
      this.toast(isSilent ? this.words.noAnswer : this.words.failed + error.message);
      return null;
    }
  }

  async #press(messageId, data) {
    const answer = await this.attempt(() => server.press(this.id, messageId, data));
    if (!answer?.text) return;
    if (answer.show_alert) this.#alert(answer.text);
    else this.toast(answer.text);
  }

  async #submit() {
    const input = this.part("input");
    const source = input.value.trim();
    if (!source) return;
    input.value = "";
    this.#typed();
    if (await this.send(fromMarkdown(source))) return;
    if (!input.value) input.value = source;
    this.#typed();
  }

  #typed() {
    const input = this.part("input");
    input.style.height = "auto";
    input.style.height = `${input.scrollHeight}px`;
    this.part("composer").classList.toggle("has-text", input.value !== "");
    if (/^\/\w*$/.test(input.value) && this.#listCommands(input.value.slice(1))) {
      this.commandsPopup.open();
    } else {
      this.commandsPopup.close();
    }
  }

  #listCommands(prefix) {
    const fitting = this.chat.commands.filter((one) => one.command.startsWith(prefix));
    const items = fitting.map(({ command, description }) => {
      const click = () => {
        this.part("input").value = "";
        this.#typed();
        this.send({ text: `/${command}`, entities: [] });
        this.part("input").focus();
      };
      return element(
        "button",
        { type: "button", role: "menuitem", on: { click } },
        element("span", { class: "command-name" }, `/${command}`),
        element("span", { class: "command-about" }, description),
      );
    });
    this.part("commands").replaceChildren(...items);
    return items.length > 0;
  }

  #typedKey(event) {
    const commands = this.part("commands");
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "ArrowUp" && !commands.hidden) {
      event.preventDefault();
      commands.querySelector("button:last-child")?.focus();
    } else if (event.key === "Escape") {
      closePopups();
    }
  }

  // --- what covers the chat ------------------------------------------------------------------

  toast(text) {
    const toast = this.part("toast");
    toast.textContent = text;
    toast.classList.add("shown");
    clearTimeout(this.toasting);
    this.toasting = setTimeout(() => toast.classList.remove("shown"), TOAST_MILLISECONDS);
  }

  #alert(text) {
    const ok = element("button", { type: "button", class: "plain" }, this.words.ok);
    const card = element(
      "div",
      { class: "card", role: "alertdialog", "aria-label": this.words.alert },
      element("p", { class: "card-text" }, text),
      element("div", { class: "card-actions" }, ok),
    );
    const uncover = this.cover(card);
    ok.addEventListener("click", uncover);
    ok.focus();
  }

  // Put a card over this phone only; return what takes it away again.
  cover(card) {
    const [cover, chat] = [this.part("cover"), this.part("inside")];
    const focused = document.activeElement;
    const uncover = () => {
      cover.hidden = true;
      cover.replaceChildren();
      cover.onkeydown = cover.onclick = null;
      chat.inert = false;
      if (focused?.isConnected) focused.focus();
      else this.part("input").focus();
    };
    cover.replaceChildren(card);
    cover.hidden = false;
    chat.inert = true;
    cover.onkeydown = (event) => {
      if (event.key === "Escape") uncover();
    };
    cover.onclick = (event) => {
      if (event.target === cover) uncover();
    };
    return uncover;
  }

  // --- listening -----------------------------------------------------------------------------

  #listen() {
    const on = (name, event, act) => this.part(name).addEventListener(event, act);
    on("start", "click", () => this.send({ text: "/start", entities: [] }));
    on("unblock", "click", () => this.attempt(() => server.setBlocked(this.id, false)));
    on("block", "click", () => {
      this.attempt(() => server.setBlocked(this.id, !this.chat.has_blocked));
    });
    on("composer", "submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    on("input", "keydown", (event) => this.#typedKey(event));
    on("input", "input", () => this.#typed());
    on("scroll", "scroll", () => this.#scrolled());
    on("down", "click", () => this.#toEnd());
    // Pictures get their height late; `load` does not bubble, so it is caught on the way down.
    this.part("scroll").addEventListener("load", () => this.sticks && this.#toEnd(), true);
    new ResizeObserver(() => this.#resized()).observe(this.part("scroll"));
    popup(this.part("more"), this.part("more-menu"));
    this.part("menu").addEventListener("click", () => this.#listCommands(""));
    this.commandsPopup = popup(this.part("menu"), this.part("commands"), this.part("input"));
    this.part("input").maxLength = TEXT_LIMIT;
  }
}

function dayNode(name) {
  return element("li", { class: "day" }, element("span", {}, name));
}

function continues(message, next) {
  if (!message || !next || message.is_own !== next.is_own) return false;
  return next.date - message.date < GROUP_SECONDS && !message.reply_markup;
}
