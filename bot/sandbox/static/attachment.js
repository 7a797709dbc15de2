// A photo or a document on its way into a chat: chosen, dropped or pasted, looked at, sent.

import { element, icon, popup } from "./dom.js";
import * as server from "./server.js";
import { fromMarkdown } from "./text.js";
import { fileSize } from "./words.js";

const PHOTOS = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);
const CAPTION_LIMIT = 1024;

export class Attachment {
  constructor(pane) {
    this.pane = pane;
    this.menu = pane.part("attach-menu");
    popup(pane.part("attach"), this.menu);
    for (const kind of ["photo", "document"]) {
      const chooser = pane.part(`choose-${kind}`);
      pane.part(`attach-${kind}`).addEventListener("click", () => chooser.click());
      chooser.addEventListener("change", () => {
        const [file] = chooser.files;
        chooser.value = "";
        if (file) this.#offer(file, kind);
      });
    }
    pane.part("input").addEventListener("paste", (event) => this.#take(event, event.clipboardData));
    pane.root.addEventListener("dragover", (event) => {
      if (event.dataTransfer.types.includes("Files")) event.preventDefault();
    });
    pane.root.addEventListener("drop", (event) => this.#take(event, event.dataTransfer));
  }

  speak(words) {
    this.words = words;
  }

  #take(event, data) {
    const [file] = data.files;
    if (!file) return;
    event.preventDefault();
    const canWrite = this.pane.chat?.messages.length && !this.pane.chat.has_blocked;
    if (canWrite) this.#offer(file, PHOTOS.has(file.type) ? "photo" : "document");
  }

  #offer(file, asked) {
    const { pane, words } = this;
    const kind = asked === "photo" && PHOTOS.has(file.type) ? "photo" : "document";
    const title = kind === "photo" ? words.sendPhoto : words.sendFile;
    const caption = element("textarea", {
      rows: "2",
      maxlength: CAPTION_LIMIT,
      placeholder: words.caption,
      "aria-label": words.caption,
    });
    const cancel = element("button", { type: "button", class: "plain" }, words.cancel);
    const send = element("button", { type: "submit", class: "plain strong" }, words.send);
    const preview = kind === "photo" ? photoPreview(file) : documentPreview(file, pane.chat.lang);
    const card = element(
      "form",
      { class: "card", role: "dialog", "aria-label": title },
      element("h3", {}, title),
      preview,
      caption,
      element("div", { class: "card-actions" }, cancel, send),
    );
    const uncover = pane.cover(card);
    cancel.addEventListener("click", uncover);
    caption.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      card.requestSubmit();
    });
    card.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = fromMarkdown(caption.value.trim());
      uncover();
      pane.part("input").focus();
      pane.attempt(() => server.sendFile(pane.id, file, kind, text));
    });
    caption.focus();
  }
}

function photoPreview(file) {
  const url = URL.createObjectURL(file);
  const image = element("img", { class: "preview", src: url, alt: file.name });
  image.addEventListener("load", () => URL.revokeObjectURL(url));
  image.addEventListener("error", () => URL.revokeObjectURL(url));
  return image;
}

function documentPreview(file, lang) {
  return element(
    "div",
    { class: "document" },
    element("span", { class: "document-icon" }, icon("file")),
    element(
      "span",
      { class: "document-facts" },
      element("span", { class: "document-name" }, file.name),
      element("span", { class: "document-size" }, fileSize(file.size, lang)),
    ),
  );
}
