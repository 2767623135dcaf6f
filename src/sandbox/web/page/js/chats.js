// The list of chats, the persons one can be, and the head of the open chat.

import { $, avatar, h, hour, keyed } from "./dom.js";
import { become, chatsOf, isPrivate, on, openChat, openKey, person, store, unreadOf } from "./store.js";

// A chat action shows for so long unless it is repeated, as in Telegram.
export const DOING = 5000;

const WORDS = {
  typing: "is typing",
  upload_document: "is sending a file",
  upload_photo: "is sending a picture",
};

function preview(message) {
  if (!message) return "No messages yet";
  const who = message.from === store.me ? "You: " : isPrivate(message.chat) ? "" : `${message.name || ""}: `;
  const what = message.text || message.service || (message.file?.photo ? "Picture" : message.file?.name) || "";
  return who + what.replace(/\s+/g, " ").slice(0, 90);
}

function unreadAnywhere(id) {
  let count = 0;
  for (const [name, one] of store.unread) if (name.startsWith(`${id}|`)) count += one.count;
  return count;
}

const badge = (count, words) => count > 0 && h("span", { class: "badge", "aria-label": `${count} ${words}` }, count > 99 ? "99+" : count);

function drawPeople() {
  const focused = $("people").contains(document.activeElement);
  const items = store.people.map(({ id, name, role }) => {
    const current = id === store.me;
    return { key: id, name, role, current, unread: current ? 0 : unreadAnywhere(id) };
  });
  const make = ({ key }) => h("button", { type: "button", class: "person", role: "radio", onclick: () => become(key) });
  keyed($("people"), items, make, (button, { key, name, role, current, unread }) => {
    button.setAttribute("aria-checked", String(current));
    button.tabIndex = current ? 0 : -1;
    button.title = `${name}, ${role}`;
    const parts = [h("span", { class: "person-face" }, avatar(name, key), badge(unread, "unread"))];
    button.replaceChildren(...parts, h("span", { class: "person-name" }, name), h("span", { class: "person-role" }, role));
  });
  if (focused) $("people").querySelector("[aria-checked=true]")?.focus();
}

function walkPeople(event) {
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const step = steps[event.key];
  if (!step) return;
  event.preventDefault();
  const at = store.people.findIndex(({ id }) => id === store.me);
  const count = store.people.length;
  become(store.people[(at + step + count) % count].id);
}

function drawChats() {
  const items = chatsOf(store.me).map((chat) => {
    const last = store.last.get(chat.key);
    const unread = unreadOf(chat.key)?.count || 0;
    const current = openKey() === chat.key;
    return { ...chat, unread, current, words: preview(last), date: last?.date };
  });
  const make = ({ chat, thread }) => h("button", { type: "button", class: "chat-row", onclick: () => openChat(chat, thread) });
  keyed($("chats"), items, make, (row, chat) => {
    if (chat.current) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
    const name = h("span", { class: "chat-name" }, chat.title, chat.parent && h("small", {}, chat.parent));
    const first = h("span", { class: "chat-line" }, name, chat.date && h("time", {}, hour(chat.date)));
    const second = h("span", { class: "chat-line" }, h("span", { class: "chat-last" }, chat.words), badge(chat.unread, "unread"));
    row.replaceChildren(face(chat), h("span", { class: "chat-words" }, first, second));
  });
}

function face(chat) {
  if (chat.parent) return h("span", { class: `avatar topic colour-${Math.abs(chat.thread || 0) % 7}`, "aria-hidden": "true" }, "#");
  if (isPrivate(chat.chat)) return h("img", { class: "avatar", src: "/icon.svg", alt: "", width: "44", height: "44" });
  return avatar(chat.title, chat.chat);
}

let clock;

function drawState() {
  const key = openKey();
  const open = chatsOf(store.me).find((chat) => chat.key === key);
  if (!open) return;
  const doing = store.doing.get(key);
  const now = Date.now();
  const state = $("chat-state");
  clearTimeout(clock);
  state.classList.toggle("busy", Boolean(doing && doing.until > now));
  if (doing && doing.until > now) {
    state.textContent = WORDS[doing.action] || "is busy";
    clock = setTimeout(drawState, doing.until - now);
    return;
  }
  const dead = store.status && store.status.bot.state === "ended";
  state.textContent = !isPrivate(open.chat) ? open.note : dead ? "bot, not running" : "bot";
}

function drawHead() {
  const open = chatsOf(store.me).find((chat) => chat.key === openKey());
  $("app").classList.toggle("opened", Boolean(open));
  if (!open) return;
  $("chat-avatar").replaceChildren(face(open));
  $("chat-title").textContent = open.title;
  const me = person(store.me);
  $("whoami").replaceChildren(avatar(me.name, me.id, true), h("span", {}, `${me.name}, ${me.role}`));
  $("whoami").title = `You are ${me.name}, ${me.role}`;
  drawState();
}

export function startChats() {
  $("people").addEventListener("keydown", walkPeople);
  on("world me unread", drawPeople);
  on("world me open last unread chats", drawChats);
  on("world me open chats", drawHead);
  on("doing status", drawState);
}
