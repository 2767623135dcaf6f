// The open chat: its newest messages, earlier ones as one scrolls up, each changed in place.

import { get } from "./api.js";
import { $, day, h } from "./dom.js";
import { Bubble } from "./message.js";
import { trouble } from "./notice.js";
import { isPrivate, keyOf, markRead, openKey, store, unreadOf } from "./store.js";

// Messages that stay in the page while one is at the end; earlier ones are fetched again.
const KEPT = 300;
// So near to the end counts as at the end, in pixels.
const NEAR = 80;
// Messages of one person within this time stand together, in seconds.
const TOGETHER = 300;

export class Chat {
  constructor(act) {
    this.act = act;
    this.log = $("log");
    this.bubbles = new Map();
    this.key = null;
    this.turn = 0;
    this.more = false;
    this.loading = false;
    this.below = 0;
    this.atEnd = true;
    this.log.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.log.addEventListener("keydown", (event) => this.walk(event));
    $("down").addEventListener("click", () => this.toEnd(true));
    // What grows (pictures, the keyboard of a phone) must not push the end out of sight.
    const stay = () => this.atEnd && this.toEnd();
    new ResizeObserver(stay).observe(this.log);
    this.log.addEventListener("load", stay, true);
  }

  // Shows the chat that is open now.
  async open() {
    const { open } = store;
    this.turn += 1;
    const turn = this.turn;
    this.key = openKey();
    this.below = 0;
    if (!open) return;
    const first = unreadOf(this.key)?.first;
    this.loading = true;
    let page;
    try {
      page = await get("messages", { chat: open.chat, thread: open.thread });
    } catch (error) {
      trouble(error);
      return;
    } finally {
      if (turn === this.turn) this.loading = false;
    }
    // Meanwhile another chat may have been opened.
    if (turn !== this.turn) return;
    this.bubbles.clear();
    this.log.replaceChildren();
    this.more = page.more;
    for (const message of page.messages) this.insert(message);
    this.arrange();
    if (first && this.bubbles.has(first)) {
      this.bubbles.get(first).element.before(h("p", { class: "pill unread-line" }, "Unread messages"));
    }
    if (page.messages.length === 0) this.greet();
    this.toEnd();
    markRead(this.key);
    const last = page.messages.at(-1);
    if (last?.bot) this.act.asked(last);
  }

  greet() {
    const words = isPrivate(store.open.chat)
      ? ["Nothing here yet.", "Press Start, then try /run or /help."]
      : ["Nothing here yet.", "In groups the bot sees commands, such as /status, and answers to its messages."];
    this.log.replaceChildren(h("div", { class: "greeting" }, words.map((line) => h("p", {}, line))));
  }

  insert(message) {
    const bubble = new Bubble(message, this.act);
    const later = this.ids().find((id) => id > message.id);
    this.bubbles.set(message.id, bubble);
    const next = later && this.bubbles.get(later).element;
    if (next) this.log.insertBefore(bubble.element, next);
    else this.log.append(bubble.element);
    return bubble;
  }

  ids() {
    return [...this.bubbles.keys()].sort((a, b) => a - b);
  }

  // A message is new or changed.
  take(message, fresh) {
    if (!store.open || keyOf(message.chat, message.thread) !== this.key || this.loading) {
      if (this.loading && keyOf(message.chat, message.thread) === this.key) this.again();
      return;
    }
    const known = this.bubbles.get(message.id);
    if (known) {
      known.update(message);
      if (this.atEnd) this.toEnd();
      return;
    }
    if (!fresh) return;
    this.log.querySelector(".greeting")?.remove();
    const own = message.from === store.me;
    if (own) this.log.querySelector(".unread-line")?.remove();
    this.insert(message).element.classList.add("new");
    this.arrange();
    if (this.atEnd || own) {
      this.toEnd();
      this.trim();
    } else {
      this.below += 1;
      this.showDown();
    }
  }

  // What came while a page was on its way is read with the next.
  again() {
    const turn = this.turn;
    setTimeout(() => turn === this.turn && this.open(), 50);
  }

  gone(chat, id) {
    if (!store.open || store.open.chat !== chat) return;
    const bubble = this.bubbles.get(id);
    if (!bubble) return;
    bubble.element.remove();
    this.bubbles.delete(id);
    this.arrange();
  }

  // Groups by person, and puts the days between.
  arrange() {
    for (const old of this.log.querySelectorAll(".day")) old.remove();
    const list = this.ids().map((id) => this.bubbles.get(id));
    const together = (a, b) =>
      a && b && a.message.from === b.message.from && !a.message.service && !b.message.service &&
      Math.abs(b.message.date - a.message.date) < TOGETHER && day(a.message.date) === day(b.message.date);
    list.forEach((bubble, index) => {
      const before = list[index - 1];
      const after = list[index + 1];
      const first = !together(before, bubble);
      const own = bubble.message.from === store.me;
      bubble.place({ own, first, last: !together(bubble, after), named: first && !own && !isPrivate(bubble.message.chat) });
      if (!before || day(before.message.date) !== day(bubble.message.date)) {
        bubble.element.before(h("p", { class: "pill day" }, day(bubble.message.date)));
      }
    });
    this.log.classList.toggle("shared", Boolean(store.open) && !isPrivate(store.open.chat));
  }

  // Old messages leave the page; scrolling up brings them again.
  trim() {
    const ids = this.ids();
    for (const id of ids.slice(0, Math.max(0, ids.length - KEPT))) {
      this.bubbles.get(id).element.remove();
      this.bubbles.delete(id);
      this.more = true;
    }
  }

  async earlier() {
    const oldest = this.ids()[0];
    if (!this.more || this.fetching || oldest === undefined) return;
    this.fetching = true;
    const turn = this.turn;
    try {
      const { chat, thread } = store.open;
      const page = await get("messages", { chat, thread, before: oldest });
      if (turn !== this.turn) return;
      const height = this.log.scrollHeight;
      const top = this.log.scrollTop;
      for (const message of page.messages) if (!this.bubbles.has(message.id)) this.insert(message);
      this.more = page.more;
      this.arrange();
      this.log.scrollTop = top + this.log.scrollHeight - height;
    } catch (error) {
      trouble(error);
    } finally {
      this.fetching = false;
    }
  }

  scrolled() {
    const { log } = this;
    this.atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
    if (this.atEnd) {
      this.below = 0;
      if (this.key) markRead(this.key);
    }
    this.showDown();
    if (log.scrollTop < 400) this.earlier();
  }

  toEnd(smooth = false) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.log.scrollTo({ top: this.log.scrollHeight, behavior: smooth && !calm ? "smooth" : "instant" });
    this.atEnd = true;
    this.below = 0;
    this.showDown();
  }

  showDown() {
    $("down").hidden = this.atEnd;
    $("down-count").hidden = this.below === 0;
    $("down-count").textContent = this.below;
  }

  // Whether the newest message of this chat is in front of the person's eyes.
  watches(key) {
    return this.key === key && this.atEnd && document.visibilityState === "visible";
  }

  // Jumps to a message and lights it up.
  show(id) {
    const bubble = this.bubbles.get(id);
    if (!bubble) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    bubble.element.scrollIntoView({ block: "center", behavior: calm ? "instant" : "smooth" });
    bubble.element.classList.remove("lit");
    requestAnimationFrame(() => bubble.element.classList.add("lit"));
  }

  // The arrow keys go from message to message, R answers.
  walk(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("pre") && event.key.startsWith("Arrow")) return;
    const ids = this.ids();
    const at = ids.indexOf(Number(event.target.closest?.(".message")?.dataset.id));
    const focus = (index) => {
      const id = ids[Math.max(0, Math.min(ids.length - 1, index))];
      if (id === undefined) return;
      event.preventDefault();
      this.bubbles.get(id).element.focus();
      this.bubbles.get(id).element.scrollIntoView({ block: "nearest" });
    };
    switch (event.key) {
      case "ArrowUp":
        return focus(at === -1 ? ids.length - 1 : at - 1);
      case "ArrowDown":
        return focus(at === -1 ? ids.length - 1 : at + 1);
      case "End":
        event.preventDefault();
        return this.toEnd();
      case "r":
      case "R":
        if (at === -1 || event.target.closest("button, a")) return undefined;
        event.preventDefault();
        return this.act.reply(this.bubbles.get(ids[at]).message);
      default:
        return undefined;
    }
  }
}
