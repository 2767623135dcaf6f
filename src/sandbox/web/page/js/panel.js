// Behind the scenes: the bot's process, Telegram's absence, faults, the calls, the log.

import { post } from "./api.js";
import { Calls, time } from "./calls.js";
import { $, h, icon, ICONS } from "./dom.js";
import { toast, trouble } from "./notice.js";
import { on, store } from "./store.js";

const LINES = 500;

const KINDS = [
  ["too_many", "429: too many requests"],
  ["server_error", "500: server error"],
  ["drop_before", "Connection cut before it is done"],
  ["drop_after", "Connection cut after it is done"],
  ["garbage", "Garbage as the answer"],
  ["late", "Answer comes late"],
  ["blocked", "403: blocked by the person"],
  ["missing", "File is gone when the bot fetches it"],
  ["half", "Half of a file, then cut"],
];
const TIMED = ["too_many", "late"];
// These befall downloads alone.
const FILES = ["missing", "half"];
const PLACES = [
  ["messages", "messages and edits"],
  ["answers", "answers to presses"],
  ["polls", "polls for updates"],
  ["downloads", "downloads of files"],
  ["all", "any call"],
];

const number = (name, value, most) =>
  h("input", { type: "number", name, value, min: "1", max: most, inputmode: "numeric", required: true });

const choice = (name, list) => h("select", { name }, list.map(([value, words]) => h("option", { value }, words)));

async function act(path, body, done) {
  try {
    await post(path, body);
    if (done) toast(done);
  } catch (error) {
    trouble(error);
  }
}

const order = (name) => act("bot", { order: name });

function ago(since) {
  const seconds = Math.max(0, Math.round((Date.now() - since) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

// A line of the log: when, how bad, the spans it is in, the part of the program, what it says.
const LINE = /^(\S+Z) +(ERROR|WARN|INFO|DEBUG|TRACE) ((?:\w+(?:\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\})?:(?!:))+ )?(\w+(?:::\w+)*): (.*)$/;
// Where what it says goes over into fields.
const FIELD = /(?:^| )[\w.]+=/;

// A duration with more digits than anybody reads.
const LONG_TIME = /(\d+\.\d)\d+(?=(?:ms|µs|s)\b)/g;

// What is said comes first; ids, fields and places stand back.
function logLine(line) {
  const parts = LINE.exec(line);
  if (!parts) return h("li", { class: line.startsWith("──") ? "mark" : null }, line);
  const [, at, level, spans, place, rest] = parts;
  const end = FIELD.exec(rest)?.index ?? rest.length;
  const more = [rest.slice(end).trim(), place, (spans || "").trim().replace(/:$/, "")].filter(Boolean).join(" · ").replace(LONG_TIME, "$1");
  return h(
    "li",
    { class: level.toLowerCase(), title: at },
    h("time", { datetime: at }, time(at)),
    " ",
    h("span", { class: "level" }, level),
    " ",
    h("span", { class: "said" }, rest.slice(0, end)),
    " ",
    h("span", { class: "more" }, more),
  );
}

export class Panel {
  constructor() {
    this.element = $("panel");
    this.lines = [];
    this.calls = new Calls();
    this.build();
    $("panel-toggle").addEventListener("click", () => this.toggle());
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggle(false);
    });
    this.toggle(matchMedia("(min-width: 1180px)").matches, false);
    on("status", () => this.draw());
    setInterval(() => this.tick(), 500);
  }

  build() {
    this.botWords = h("p", { class: "bot-words" });
    this.kill = h("button", { type: "button", class: "danger", "data-do": "kill", onclick: () => order("kill") }, "kill −9");
    this.restart = h("button", { type: "button", class: "danger", "data-do": "restart", onclick: () => order("restart") }, "Kill and restart");
    this.start = h("button", { type: "button", class: "primary", "data-do": "start", onclick: () => order("start") }, "Start");
    this.stop = h("button", { type: "button", "data-do": "stop", onclick: () => order("stop") }, "Stop");

    const seconds = number("seconds", "60", "600");
    this.awayForm = h("form", { class: "line" }, h("span", {}, "Away for"), seconds, h("span", {}, "s"), h("button", { type: "submit" }, "Go away"));
    this.awayForm.addEventListener("submit", (event) => {
      event.preventDefault();
      act("away", { seconds: Number(seconds.value) });
    });
    this.countdown = h("strong", {});
    this.awayNow = h("p", { class: "line away-now", hidden: true }, h("span", {}, "Back in "), this.countdown, h("button", { type: "button", onclick: () => act("away", { seconds: 0 }) }, "End now"));

    this.faults = h("ul", { class: "waiting", "aria-label": "Faults that wait" });
    this.clear = h("button", { type: "button", onclick: () => act("faults/clear", {}) }, "Take all away");

    this.tabs = [
      ["faults", "Faults", h("div", { class: "page" }, this.botPart(), this.awayPart(), this.faultPart())],
      ["calls", "Calls", this.calls.element],
      ["log", "Log", h("div", { class: "page log-page" }, (this.log = h("ol", { class: "lines", tabindex: "0", "aria-label": "The bot's log" })))],
    ];
    const tab = ([name, words]) =>
      h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `page-${name}`, onclick: () => this.choose(name) }, words);
    this.bar = h("div", { class: "tabs", role: "tablist", "aria-label": "Behind the scenes", onkeydown: (event) => this.walk(event) }, this.tabs.map(tab));
    for (const [name, , page] of this.tabs) {
      page.id = `page-${name}`;
      page.setAttribute("role", "tabpanel");
      page.setAttribute("aria-labelledby", `tab-${name}`);
    }
    const close = h("button", { class: "icon-button", type: "button", "aria-label": "Close", onclick: () => this.toggle(false) }, icon(ICONS.close));
    this.element.append(h("header", { class: "panel-head" }, this.bar, close), ...this.tabs.map(([, , page]) => page));
    this.choose("faults");
  }

  botPart() {
    return h("section", {}, h("h3", {}, "The bot"), this.botWords, h("div", { class: "buttons" }, this.kill, this.restart, this.start, this.stop));
  }

  awayPart() {
    const note = h("p", { class: "note" }, "Nobody reaches Telegram; what you write waits there until the bot does.");
    return h("section", {}, h("h3", {}, "Telegram"), this.awayForm, this.awayNow, note);
  }

  faultPart() {
    const kind = choice("kind", KINDS);
    const place = choice("on", PLACES);
    const seconds = number("seconds", "5", "600");
    const times = number("times", "1", "100");
    const wait = h("label", {}, "Seconds", seconds);
    const placed = h("label", { class: "wide" }, "With the next", place);
    const form = h(
      "form",
      { class: "fault" },
      h("label", { class: "wide" }, "What goes wrong", kind),
      placed,
      h("label", {}, "How often", times),
      wait,
      h("button", { type: "submit", class: "primary" }, "Let it go wrong"),
    );
    const timed = () => {
      wait.hidden = !TIMED.includes(kind.value);
      placed.hidden = FILES.includes(kind.value);
    };
    kind.addEventListener("change", timed);
    timed();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      act("fault", { kind: kind.value, on: place.value, seconds: Number(seconds.value), times: Number(times.value) });
    });
    return h("section", {}, h("h3", {}, "Faults"), form, this.faults, this.clear);
  }

  choose(wanted) {
    for (const [name, , page] of this.tabs) {
      const chosen = name === wanted;
      page.hidden = !chosen;
      const tab = this.bar.querySelector(`#tab-${name}`);
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
    this.chosen = wanted;
    if (wanted === "log") this.log.scrollTop = this.log.scrollHeight;
    this.calls.watched(wanted === "calls" && !this.closed);
  }

  walk(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = this.tabs.findIndex(([name]) => name === this.chosen);
    const [name] = this.tabs[(at + step + this.tabs.length) % this.tabs.length];
    this.choose(name);
    this.bar.querySelector(`#tab-${name}`).focus();
  }

  toggle(open = this.closed, focus = true) {
    this.closed = !open;
    $("app").classList.toggle("paneled", open);
    this.element.hidden = !open;
    $("panel-toggle").setAttribute("aria-expanded", String(open));
    this.calls.watched(open && this.chosen === "calls");
    if (!focus) return;
    if (open) this.bar.querySelector("[aria-selected=true]").focus();
    else $("panel-toggle").focus();
  }

  draw() {
    const { bot, away, faults } = store.status;
    const runs = bot.state !== "ended";
    this.kill.hidden = this.restart.hidden = this.stop.hidden = !runs;
    this.start.hidden = runs;
    this.awayForm.hidden = Boolean(away);
    this.awayNow.hidden = !away;
    this.faults.replaceChildren(...faults.map((words) => h("li", {}, words)));
    this.clear.hidden = faults.length === 0;
    const count = faults.length + (away ? 1 : 0) + (runs ? 0 : 1);
    $("panel-badge").hidden = count === 0;
    $("panel-badge").textContent = count;
    this.tick();
    this.banner();
  }

  banner() {
    const { bot, away } = store.status;
    const box = $("banner");
    const dead = bot.state === "ended";
    box.hidden = !dead && !away && store.connected;
    box.classList.toggle("bad", dead && !bot.asked);
    if (box.hidden) return;
    const button = (words, go) => h("button", { type: "button", onclick: go }, words);
    if (!store.connected) box.replaceChildren("The sandbox does not answer. Trying again…");
    else if (dead && !bot.asked) box.replaceChildren(`The bot ended by itself: ${bot.how}.`, button("Show its log", () => this.showLog()), button("Start", () => order("start")));
    else if (dead) box.replaceChildren(`The bot is not running: ${bot.how}.`, button("Start", () => order("start")));
    else box.replaceChildren("Telegram is away.", (this.bannerClock = h("strong", {})), button("End now", () => act("away", { seconds: 0 })));
    this.tick();
  }

  showLog() {
    this.toggle(true);
    this.choose("log");
  }

  // The clocks go on without news from the server.
  tick() {
    if (!store.status) return;
    const { bot, away } = store.status;
    const nth = bot.starts > 1 ? ` · start ${bot.starts}` : "";
    const words = {
      starting: "starting…",
      running: `running for ${ago(bot.since)} · process ${bot.pid}${nth}`,
      ended: `${bot.how || "ended"}, ${ago(bot.since)} ago`,
    };
    const state = bot.state === "ended" && !bot.asked ? "crashed" : bot.state;
    if (this.botWords.dataset.state !== state) this.botWords.dataset.state = state;
    if (this.botWords.textContent !== words[bot.state]) this.botWords.textContent = words[bot.state];
    if (!away) return;
    const left = `${Math.max(0, Math.ceil((away - Date.now()) / 1000))} s`;
    this.countdown.textContent = left;
    if (this.bannerClock) this.bannerClock.textContent = left;
  }

  logged(lines) {
    const atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 40;
    this.log.append(...lines.map(logLine));
    while (this.log.children.length > LINES) this.log.firstChild.remove();
    if (atEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  // The world was read again from the beginning.
  reset() {
    this.log.replaceChildren();
    this.calls.reset();
  }
}
