// What the page asks of the simulator.

export class Refused extends Error {
  constructor(status, why) {
    super(why);
    this.status = status;
  }
}

async function post(path, body) {
  const isForm = body instanceof FormData;
  const response = await fetch(path, {
    method: "POST",
    headers: isForm ? {} : { "Content-Type": "application/json" },
    body: isForm ? body : JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer.error ?? response.statusText);
  return answer;
}

export function sendText(person, { text, entities }) {
  return post(`/people/${person}/messages`, { text, entities });
}

export function sendFile(person, file, kind, { text, entities }) {
  const form = new FormData();
  form.set("kind", kind);
  form.set("caption", text);
  form.set("entities", JSON.stringify(entities));
  form.set("file", file, file.name || "file");
  return post(`/people/${person}/files`, form);
}

export function press(person, messageId, data) {
  return post(`/people/${person}/presses`, { message_id: messageId, data });
}

export function setBlocked(person, isBlocked) {
  return post(`/people/${person}/${isBlocked ? "block" : "unblock"}`, {});
}

// Events come as soon as something changes; the browser connects again by itself.
export function watch({ page, chat, connected }) {
  const stream = new EventSource("/events");
  stream.addEventListener("page", (event) => page(JSON.parse(event.data)));
  stream.addEventListener("chat", (event) => {
    const told = JSON.parse(event.data);
    chat(told.chat, told.now);
  });
  stream.addEventListener("open", () => connected(true));
  stream.addEventListener("error", () => connected(false));
}
