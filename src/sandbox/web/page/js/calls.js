// The calls that the bot made, newest first; each unfolds into what it asked and what it got.

import { get, post } from "./api.js";
import { h } from "./dom.js";
import { trouble } from "./notice.js";
import { isPrivate, person, store } from "./store.js";

const KEPT = 500;
// The longest beginning of a text that a row shows, in characters.
const BEGINNING = 120;

const two = (value) => String(value).padStart(2, "0");

export function time(at) {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

const clock = (at) => `${time(at)}.${String(new Date(at).getMilliseconds()).padStart(3, "0")}`;

const spent = (ms) => (ms < 1 ? "<1 ms" : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// Long ones are kept only in part; of those nothing is known.
function parsed(text) {
  try {
    return JSON.parse(text) || {};
  } catch {
    return {};
  }
}

const NAMED = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&amp;": "&" };
const bare = (html) => html.replace(/<[^>]*>/g, "").replace(/&(?:lt|gt|quot|amp);/g, (name) => NAMED[name]);

// What the call is about: the text as it was understood, the name of a file, else the text as it was sent.
function wordsOf(params, answer) {
  const message = parsed(answer);
  const asked = parsed(params);
  const sent = asked.text || asked.caption || "";
  const meant = asked.parse_mode === "HTML" ? bare(sent) : sent;
  const words = message.text || message.caption || message.document?.file_name || meant;
  return words.replace(/\s+/g, " ").trim().slice(0, BEGINNING);
}

function chatOf(call) {
  if (!call.chat) return "";
  const known = isPrivate(call.chat) ? person(call.chat)?.name : store.chats.find((one) => one.id === call.chat)?.title;
  return known || String(call.chat);
}

const outcome = (call) => (call.code === 0 ? "cut" : String(call.code));

export class Calls {
  constructor() {
    this.all = [];
    this.paused = false;
    this.seen = false;
    this.details = new WeakMap(); // row → its call, until it is looked at
    this.looked = new IntersectionObserver((rows) => {
      for (const { target, isIntersecting } of rows) if (isIntersecting) this.tell(target);
    });
    this.filter = h("input", { type: "search", placeholder: "Filter: method, chat, 429…", "aria-label": "Filter the calls", oninput: () => this.draw() });
    this.polls = h("input", { type: "checkbox", onchange: () => this.draw() });
    this.pauseButton = h("button", { type: "button", "aria-pressed": "false", onclick: () => this.pause() }, "Pause");
    const clear = h("button", { type: "button", onclick: () => this.clear() }, "Clear");
    this.list = h("div", { class: "calls", role: "list" });
    this.none = h("p", { class: "note" }, "No calls yet.");
    this.element = h(
      "div",
      { class: "page calls-page" },
      h("div", { class: "tools" }, this.filter, h("div", { class: "line" }, h("label", {}, this.polls, "with polls"), this.pauseButton, clear)),
      this.none,
      this.list,
    );
  }

  // Only what is seen is drawn.
  watched(seen) {
    this.seen = seen;
    if (seen) this.draw();
  }

  take(calls) {
    this.all.push(...calls);
    this.all.splice(0, Math.max(0, this.all.length - KEPT));
    if (!this.seen || this.paused) return;
    for (const call of calls) if (this.fits(call)) this.list.prepend(this.row(call));
    while (this.list.children.length > KEPT) this.list.lastChild.remove();
    this.empty();
  }

  reset() {
    this.all = [];
    this.draw();
  }

  async clear() {
    try {
      await post("calls/clear");
      this.reset();
    } catch (error) {
      trouble(error);
    }
  }

  pause() {
    this.paused = !this.paused;
    this.pauseButton.setAttribute("aria-pressed", String(this.paused));
    this.pauseButton.textContent = this.paused ? "Go on" : "Pause";
    if (!this.paused) this.draw();
  }

  fits(call) {
    if (call.method === "getUpdates" && call.code === 200 && !this.polls.checked) return false;
    const wanted = this.filter.value.trim().toLowerCase();
    const text = `${call.method} ${call.chat ?? ""} ${chatOf(call)} ${outcome(call)} ${call.error || ""}`.toLowerCase();
    return wanted.split(/\s+/).every((word) => text.includes(word));
  }

  draw() {
    const fitting = this.all.filter((call) => this.fits(call)).reverse();
    this.list.replaceChildren(...fitting.map((call) => this.row(call)));
    this.empty();
  }

  empty() {
    this.none.hidden = this.list.children.length > 0;
    this.none.textContent = this.all.length ? "No call fits." : "No calls yet.";
  }

  row(call) {
    const good = call.code === 200;
    const head = h(
      "summary",
      {},
      h("span", { class: `code ${good ? "good" : "bad"}` }, outcome(call)),
      h("span", { class: "method" }, call.method),
      h("span", { class: "spent" }, spent(call.ms)),
      call.chat && h("span", { class: "about" }, chatOf(call), call.words && ` · ${call.words}`),
      h("time", {}, clock(call.at)),
      call.error && h("span", { class: "why" }, call.error),
    );
    const row = h("details", { class: "call", role: "listitem" }, head);
    row.addEventListener("toggle", () => row.open && this.unfold(row, call), { once: true });
    if (call.chat && call.words === undefined) {
      this.details.set(row, call);
      this.looked.observe(row);
    }
    return row;
  }

  // The words of a call are fetched once its row is looked at: of most calls nobody reads them.
  async tell(row) {
    const call = this.details.get(row);
    this.looked.unobserve(row);
    if (!call || call.words !== undefined) return;
    call.words = "";
    try {
      const { params, answer } = await get("call", { id: call.id });
      call.words = wordsOf(params, answer);
    } catch {
      // It was forgotten meanwhile; unfolding says so.
      return;
    }
    if (call.words) row.querySelector(".about").append(` · ${call.words}`);
  }

  async unfold(row, call) {
    const part = (title, text) => [h("h4", {}, title), h("pre", { tabindex: "0" }, text ? pretty(text) : "nothing")];
    try {
      const { params, answer } = await get("call", { id: call.id });
      row.append(h("div", { class: "call-parts" }, ...part("Parameters", params), ...part("Answer", answer)));
    } catch (error) {
      row.append(h("p", { class: "note" }, error.message));
    }
  }
}
