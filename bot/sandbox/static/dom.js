// Building nodes. Data becomes text and attributes, never markup.

export function element(name, facts = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(facts)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "on") {
      for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    } else {
      node.setAttribute(key, value === true ? "" : value);
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function icon(name) {
  const icons = document.getElementById("icons").content;
  return icons.querySelector(`[data-name="${name}"]`).cloneNode(true);
}

export function hiddenText(text) {
  return element("span", { class: "for-readers" }, text);
}

const CLOSERS = new Set();

export function closePopups() {
  for (const close of CLOSERS) close();
}

document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest(".popup, [aria-haspopup]")) closePopups();
});

// A button that opens a list of buttons; arrows walk it, Escape leaves it.
export function popup(button, menu, home = button) {
  const close = () => {
    menu.hidden = true;
    button.setAttribute("aria-expanded", "false");
  };
  const open = () => {
    closePopups();
    menu.hidden = false;
    button.setAttribute("aria-expanded", "true");
  };
  CLOSERS.add(close);
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => {
    if (!menu.hidden) {
      close();
      return;
    }
    open();
    menu.querySelector("button")?.focus();
  });
  menu.addEventListener("keydown", (event) => {
    const items = [...menu.querySelectorAll("button")];
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) {
      const at = items.indexOf(document.activeElement) + steps[event.key];
      items[(at + items.length) % items.length]?.focus();
      event.preventDefault();
    } else if (event.key === "Escape" || event.key === "Tab") {
      close();
      home.focus();
      event.preventDefault();
    }
  });
  menu.addEventListener("click", (event) => {
    if (event.target.closest("button")) close();
  });
  return { open, close };
}
