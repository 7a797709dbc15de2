// What the controls say. A pane speaks the language of its person, the top bar that of the page.

const en = {
  about: "Three phones, one bot: play the customers and the owner.",
  alert: "Message from the bot",
  attach: "Attach a file",
  block: "Block bot",
  blocked: "blocked",
  bot: "bot",
  cancel: "Cancel",
  caption: "Add a caption…",
  close: "Close",
  collapse: "Show less",
  commands: "Commands of the bot",
  connecting: "connecting…",
  copied: "Copied",
  document: "File",
  down: "To the newest message",
  download: "Download",
  edited: "edited",
  empty: "No messages here yet",
  expand: "Show more",
  failed: "That did not work: ",
  from: (name) => `${name}: `,
  language: "English",
  menu: "Menu",
  messages: "Messages",
  more: "More",
  noAnswer: "The bot did not answer",
  ok: "OK",
  open: "Open",
  photo: "Photo",
  questionWhat: "What can this bot do?",
  send: "Send",
  sendFile: "Send file",
  sendPhoto: "Send photo",
  sent: "sent",
  spoiler: "Hidden text: press to show",
  start: "Start",
  tabs: "People",
  theme: { auto: "Theme: as the system", dark: "Theme: dark", light: "Theme: light" },
  tips: "What to try",
  today: "Today",
  typing: "typing",
  unblock: "Unblock bot",
  unread: (count) => `${count} unread`,
  unsupported: "A message that this page cannot show",
  write: "Message",
  yesterday: "Yesterday",
  you: "You: ",
  sizes: ["B", "KB", "MB"],
};

const ru = {
  about: "Три телефона, один бот: побудьте покупателями и владельцем.",
  alert: "Сообщение от бота",
  attach: "Прикрепить файл",
  block: "Заблокировать бота",
  blocked: "заблокирован",
  bot: "бот",
  cancel: "Отмена",
  caption: "Добавить подпись…",
  close: "Закрыть",
  collapse: "Свернуть",
  commands: "Команды бота",
  connecting: "соединение…",
  copied: "Скопировано",
  document: "Файл",
  down: "К новым сообщениям",
  download: "Скачать",
  edited: "изменено",
  empty: "Здесь пока ничего нет",
  expand: "Показать полностью",
  failed: "Не получилось: ",
  from: (name) => `${name}: `,
  language: "Русский",
  menu: "Меню",
  messages: "Сообщения",
  more: "Ещё",
  noAnswer: "Бот не ответил",
  ok: "OK",
  open: "Открыть",
  photo: "Фото",
  questionWhat: "Что умеет этот бот?",
  send: "Отправить",
  sendFile: "Отправить файл",
  sendPhoto: "Отправить фото",
  sent: "отправлено",
  spoiler: "Скрытый текст: нажмите, чтобы показать",
  start: "Начать",
  tabs: "Люди",
  theme: { auto: "Тема: как в системе", dark: "Тема: тёмная", light: "Тема: светлая" },
  tips: "Что попробовать",
  today: "Сегодня",
  typing: "печатает",
  unblock: "Разблокировать бота",
  unread: (count) => `Непрочитанных: ${count}`,
  unsupported: "Сообщение, которое эта страница показать не умеет",
  write: "Сообщение",
  yesterday: "Вчера",
  you: "Вы: ",
  sizes: ["Б", "КБ", "МБ"],
};

export function locale(languageCode) {
  return (languageCode || "en").toLowerCase().startsWith("ru") ? "ru" : "en";
}

export function wordsOf(languageCode) {
  return locale(languageCode) === "ru" ? ru : en;
}

export function clockTime(seconds, languageCode) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(seconds * 1000).toLocaleTimeString(locale(languageCode), options);
}

export function dayName(seconds, languageCode) {
  const words = wordsOf(languageCode);
  const day = new Date(seconds * 1000);
  const today = new Date();
  const yesterday = new Date();
  yesterday.setDate(today.getDate() - 1);
  if (day.toDateString() === today.toDateString()) return words.today;
  if (day.toDateString() === yesterday.toDateString()) return words.yesterday;
  const options = { day: "numeric", month: "long", year: "numeric" };
  return day.toLocaleDateString(locale(languageCode), options);
}

export function fileSize(bytes, languageCode) {
  const names = wordsOf(languageCode).sizes;
  let [size, step] = [bytes, 0];
  while (size >= 1024 && step < names.length - 1) [size, step] = [size / 1024, step + 1];
  const options = { maximumFractionDigits: step ? 1 : 0 };
  return `${size.toLocaleString(locale(languageCode), options)} ${names[step]}`;
}
