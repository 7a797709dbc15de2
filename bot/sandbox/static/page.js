// The page: a top bar, and a phone for each person.

import { element, icon } from "./dom.js";
import { Pane } from "./pane.js";
import { watch } from "./server.js";
import { locale, wordsOf } from "./words.js";

const THEMES = ["auto", "light", "dark"];
const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" };
const narrow = matchMedia("(max-width: 899px)");
const byId = (id) => document.getElementById(id);
const panes = new Map();
const tabs = new Map();
let words = wordsOf(navigator.language);
let chosen = null;

// --- the theme -------------------------------------------------------------------------------

function showTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const button = byId("theme");
  button.replaceChildren(icon(THEME_ICONS[theme]));
  button.title = words.theme[theme];
  button.setAttribute("aria-label", words.theme[theme]);
}

function theme() {
  const kept = localStorage.getItem("theme");
  return THEMES.includes(kept) ? kept : "auto";
}

byId("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  localStorage.setItem("theme", next);
  showTheme(next);
});

// --- tips ------------------------------------------------------------------------------------

function showTips(tips) {
  const list = byId("tips-list");
  list.replaceChildren(...tips.map((tip) => element("li", {}, tip)));
  const kept = JSON.stringify(tips);
  const show = (isShown) => {
    byId("tips").hidden = !isShown;
    byId("show-tips").hidden = isShown || !tips.length;
  };
  byId("show-tips").onclick = () => {
    show(true);
    byId("hide-tips").focus();
  };
  byId("hide-tips").onclick = () => {
    localStorage.setItem("tips-read", kept);
    show(false);
    byId("show-tips").focus();
  };
  show(tips.length > 0 && localStorage.getItem("tips-read") !== kept);
}

// --- the language of the top bar -------------------------------------------------------------

function speak(lang) {
  words = wordsOf(lang);
  document.documentElement.lang = locale(lang);
  for (const node of document.querySelectorAll("body > [data-page] [data-word]")) {
    node.textContent = words[node.dataset.word];
  }
  byId("hide-tips").setAttribute("aria-label", words.close);
  byId("tabs").setAttribute("aria-label", words.tabs);
  showTheme(theme());
}

// --- people ----------------------------------------------------------------------------------

// The stream begins anew after a lost connection: what is half written stays.
function showPeople(people) {
  if (people.join() === [...panes.keys()].join()) {
    for (const pane of panes.values()) pane.forget();
    return;
  }
  panes.clear();
  tabs.clear();
  for (const id of people) {
    panes.set(id, new Pane(id, (count, label) => showUnread(id, count, label)));
    tabs.set(id, tabOf(id));
  }
  byId("panes").replaceChildren(...[...panes.values()].map((pane) => pane.root));
  byId("tabs").replaceChildren(...tabs.values());
  choose(panes.has(chosen) ? chosen : people[0]);
  arrange();
}

function tabOf(id) {
  const name = element("span", { class: "tab-name" });
  const badge = element("span", { class: "badge", hidden: true });
  const facts = { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `pane-${id}` };
  const tab = element("button", facts, name, badge);
  tab.addEventListener("click", () => choose(id));
  tab.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    if (!(event.key in steps)) return;
    const ids = [...tabs.keys()];
    const next = ids.at((ids.indexOf(id) + steps[event.key]) % ids.length);
    choose(next);
    tabs.get(next).focus();
  });
  return tab;
}

function choose(id) {
  chosen = id;
  for (const [other, tab] of tabs) {
    tab.setAttribute("aria-selected", String(other === id));
    tab.tabIndex = other === id ? 0 : -1;
    panes.get(other).root.classList.toggle("chosen", other === id);
  }
}

// On a narrow screen panes are panels of tabs; side by side they are regions with a name.
function arrange() {
  for (const [id, pane] of panes) {
    pane.root.setAttribute("role", narrow.matches ? "tabpanel" : "region");
    if (narrow.matches) pane.root.setAttribute("aria-labelledby", `tab-${id}`);
    else pane.root.removeAttribute("aria-labelledby");
  }
}

function showUnread(id, count, label) {
  const badge = tabs.get(id).querySelector(".badge");
  badge.hidden = count === 0;
  badge.textContent = count > 99 ? "99+" : count;
  badge.setAttribute("aria-label", label);
}

narrow.addEventListener("change", arrange);
speak(navigator.language);
watch({
  page(about) {
    speak(about.lang);
    showTips(about.tips);
    showPeople(about.people);
  },
  chat(chat, now) {
    const pane = panes.get(chat.id);
    pane.update(chat, now);
    pane.root.setAttribute("aria-label", chat.name);
    const name = tabs.get(chat.id).querySelector(".tab-name");
    name.textContent = chat.first_name;
    name.lang = locale(chat.lang);
  },
  connected(isConnected) {
    for (const pane of panes.values()) pane.connected(isConnected);
  },
});
