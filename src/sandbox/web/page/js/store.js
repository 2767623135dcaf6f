// What the page knows: the world, who one is, which chat is open, what is unread.

const listeners = new Map();

export const store = {
  bot: null,
  people: [],
  chats: [],
  status: null,
  connected: false,
  me: null,
  open: null, // {chat, thread} or nothing on a phone that shows the list
  last: new Map(), // key of a chat → its newest message
  unread: new Map(), // person|key → {count, first}
  doing: new Map(), // key → {action, until}
};

// Calls `take` whenever one of these things changed.
export function on(names, take) {
  for (const name of names.split(" ")) {
    if (!listeners.has(name)) listeners.set(name, []);
    listeners.get(name).push(take);
  }
}

export function changed(name, detail) {
  for (const take of listeners.get(name) || []) take(detail);
}

const find = (chat) => store.chats.find((one) => one.id === chat);

// A chat, or one topic of a forum, in one word.
export const keyOf = (chat, thread) => `${chat}:${find(chat)?.forum ? thread || 0 : 0}`;

export const sees = (person, chat) => chat === person || (find(chat)?.members || []).includes(person);

export const isPrivate = (chat) => chat > 0;

export const person = (id) => store.people.find((one) => one.id === id);

// The chats that a person has, in the order of the list.
export function chatsOf(me) {
  const botName = store.bot?.name || "Bot";
  const list = [{ chat: me, thread: null, title: botName, note: "bot" }];
  for (const chat of store.chats) {
    if (isPrivate(chat.id) || chat.moved || !chat.members.includes(me)) continue;
    const people = `${chat.members.length} people and the bot`;
    if (!chat.forum) {
      list.push({ chat: chat.id, thread: null, title: chat.title, note: people });
      continue;
    }
    list.push({ chat: chat.id, thread: null, title: "General", parent: chat.title, note: `topic in ${chat.title}` });
    for (const topic of chat.topics) {
      list.push({ chat: chat.id, thread: topic.id, title: topic.name, parent: chat.title, note: `topic in ${chat.title}` });
    }
  }
  return list.map((one) => ({ ...one, key: keyOf(one.chat, one.thread) }));
}

export const openKey = () => store.open && keyOf(store.open.chat, store.open.thread);

export function openChat(chat, thread) {
  store.open = { chat, thread };
  changed("open");
}

export function closeChat() {
  store.open = null;
  changed("open");
}

export function become(id) {
  if (store.me === id) return;
  const before = store.open;
  store.me = id;
  try {
    sessionStorage.setItem("me", String(id));
  } catch {
    // Kept only until the page is loaded again.
  }
  if (before) {
    // The same group if they are in it, else their own chat with the bot.
    const stays = !isPrivate(before.chat) && sees(id, before.chat);
    store.open = stays ? before : { chat: id, thread: null };
  }
  changed("me");
  changed("open");
}

export function markRead(key) {
  if (store.unread.delete(`${store.me}|${key}`)) changed("unread");
}

export const unreadOf = (key) => store.unread.get(`${store.me}|${key}`);

// Takes in a message that is new or changed; gives whether it is new.
export function take(message, isWatched) {
  const key = keyOf(message.chat, message.thread);
  const last = store.last.get(key);
  const fresh = !last || message.id > last.id;
  if (!last || message.id >= last.id) store.last.set(key, message);
  if (fresh) {
    store.doing.delete(key);
    for (const { id } of store.people) {
      const watched = id === store.me && isWatched(key);
      if (id === message.from || watched || !sees(id, message.chat)) continue;
      const name = `${id}|${key}`;
      const known = store.unread.get(name);
      store.unread.set(name, { count: (known?.count || 0) + 1, first: known?.first || message.id });
    }
  }
  return fresh;
}
