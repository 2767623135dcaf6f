// Puts the page together: the stream of events on one side, the views on the other.

import { get, listen, post } from "./api.js";
import { Chat } from "./chat.js";
import { DOING, startChats } from "./chats.js";
import { Composer } from "./composer.js";
import { $ } from "./dom.js";
import { alertBox, toast, trouble } from "./notice.js";
import { Panel } from "./panel.js";
import { changed, closeChat, keyOf, on, openChat, openKey, sees, store, take } from "./store.js";
import { startOf } from "./text.js";
import { startTheme } from "./theme.js";

// A press and its answer may come in either order.
const presses = new Map();
const answers = new Map();
const MOST_ANSWERS = 100;

function answered({ press, text, alert }) {
  const done = presses.get(press);
  if (!done) {
    answers.set(press, { press, text, alert });
    if (answers.size > MOST_ANSWERS) answers.delete(answers.keys().next().value);
    return;
  }
  presses.delete(press);
  done.release();
  if (!text || done.person !== store.me) return;
  if (alert) alertBox(text);
  else toast(text);
}

async function press(message, data, release) {
  const person = store.me;
  try {
    const { press: id } = await post("press", { from: person, chat: message.chat, message: message.id, data });
    presses.set(id, { person, release });
    const early = answers.get(id);
    answers.delete(id);
    if (early) answered(early);
  } catch (error) {
    release();
    trouble(error);
  }
}

const bot = () => (store.bot?.username || "").toLowerCase();

const act = {
  press,
  say: (text) => composer.say(text),
  reply: (message) => composer.answer(message),
  asked: (message) => composer.asked(message),
  show: (id) => chat.show(id),
  startOf: (address) => startOf(address, bot()),
  start: (passed) => {
    openChat(store.me, null);
    composer.say(`/start ${passed}`.trim());
  },
};

// The list must not go on showing what was deleted.
async function forget(where, id) {
  for (const [key, last] of store.last) {
    if (last.chat !== where || last.id !== id) continue;
    const { messages } = await get("messages", { chat: where, thread: last.thread });
    const next = messages.at(-1);
    if (next) store.last.set(key, next);
    else store.last.delete(key);
    changed("last");
  }
}

const chat = new Chat(act);
const composer = new Composer(chat);
const panel = new Panel();

function stored() {
  try {
    return Number(sessionStorage.getItem("me"));
  } catch {
    return 0;
  }
}

function began(world) {
  store.connected = true;
  store.bot = world.bot;
  store.people = world.people;
  store.chats = world.chats;
  store.last.clear();
  for (const message of world.last) store.last.set(keyOf(message.chat, message.thread), message);
  const known = (id) => store.people.some((person) => person.id === id);
  if (!known(store.me)) store.me = known(stored()) ? stored() : store.people[0].id;
  if (store.open && !sees(store.me, store.open.chat)) store.open = null;
  const wide = matchMedia("(min-width: 760px)").matches;
  if (!store.open && wide) store.open = { chat: store.me, thread: null };
  panel.reset();
  changed("world");
  changed("open");
  document.documentElement.dataset.ready = "true";
}

listen(
  {
    world: began,
    chats: (chats) => {
      store.chats = chats;
      changed("chats");
    },
    message: (message) => {
      const fresh = take(message, (key) => chat.watches(key));
      chat.take(message, fresh);
      const here = openKey() === keyOf(message.chat, message.thread);
      if (fresh && here && message.bot) composer.asked(message);
      changed("last");
      if (fresh) changed("unread");
      if (fresh && message.bot) changed("doing");
    },
    gone: ({ chat: where, id }) => {
      chat.gone(where, id);
      if (store.open?.chat === where) composer.gone(id);
      forget(where, id);
    },
    answered,
    doing: ({ chat: where, thread, action }) => {
      store.doing.set(keyOf(where, thread), { action, until: Date.now() + DOING });
      changed("doing");
    },
    menus: () => changed("menus"),
    status: (status) => {
      store.status = status;
      changed("status");
    },
    calls: (calls) => panel.calls.take(calls),
    log: (lines) => panel.logged(lines),
  },
  (why) => {
    store.connected = false;
    if (store.status) panel.banner();
    if (!why) return;
    $("banner").hidden = false;
    $("banner").replaceChildren(why);
  },
);

startTheme();
startChats();
on("open", () => chat.open());
on("world", () => store.status && panel.banner());
$("back").addEventListener("click", () => closeChat());
document.addEventListener("visibilitychange", () => chat.scrolled());
