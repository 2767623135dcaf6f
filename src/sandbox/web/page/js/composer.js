// Where one writes: the text, the commands of the bot, the message one answers, the files one sends.

import { get, post, upload } from "./api.js";
import { $, h, icon, ICONS, size } from "./dom.js";
import { trouble } from "./notice.js";
import { isPrivate, on, openKey, store } from "./store.js";

const MOST_FILES = 10;
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

export class Composer {
  constructor(chat) {
    this.chat = chat;
    this.text = $("text");
    this.drafts = new Map();
    this.replies = new Map();
    this.files = [];
    this.asPicture = true;
    this.menu = [];
    this.offered = [];
    this.picked = -1;
    this.where = null;
    $("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.text.addEventListener("input", () => this.typed());
    this.text.addEventListener("keydown", (event) => this.key(event));
    this.text.addEventListener("paste", (event) => this.paste(event));
    this.text.addEventListener("blur", () => setTimeout(() => this.menuOpen || this.offer([]), 150));
    $("menu").addEventListener("click", () => this.toggleMenu());
    $("attach").addEventListener("click", () => $("file").click());
    $("file").addEventListener("change", () => {
      this.attach([...$("file").files]);
      $("file").value = "";
    });
    $("start").addEventListener("click", () => this.say("/start"));
    document.addEventListener("click", (event) => {
      if (this.menuOpen && !event.target.closest("#menu, #suggestions")) this.closeMenu();
    });
    this.drops();
    on("open", () => this.moved());
    on("menus", () => this.loadMenu());
    on("last", () => this.drawStart());
  }

  // Another chat, or another person: their draft, their menu.
  moved() {
    const place = store.open && `${store.me}|${openKey()}`;
    if (place === this.where) return;
    if (this.where) this.drafts.set(this.where, this.text.value);
    this.where = place;
    this.files = [];
    this.closeMenu();
    this.text.value = (place && this.drafts.get(place)) || "";
    this.resize();
    this.drawFiles();
    this.drawReply();
    this.drawStart();
    this.loadMenu();
    if (place && matchMedia("(pointer: fine)").matches) this.text.focus();
  }

  drawStart() {
    const empty = Boolean(store.open) && isPrivate(store.open.chat) && !store.last.has(openKey());
    $("start").hidden = !empty;
    $("form").hidden = empty;
  }

  async loadMenu() {
    const { where } = this;
    if (!store.open) return;
    try {
      const menu = await get("menu", { person: store.me, chat: store.open.chat });
      if (where !== this.where) return;
      this.menu = menu;
      $("menu").hidden = menu.length === 0;
      if (this.menuOpen) this.offer(this.menu);
    } catch (error) {
      trouble(error);
    }
  }

  // ── commands ──

  toggleMenu() {
    if (this.menuOpen) {
      this.closeMenu();
      return;
    }
    this.menuOpen = true;
    this.offer(this.menu);
    $("menu").setAttribute("aria-expanded", "true");
    this.text.focus();
  }

  closeMenu() {
    this.menuOpen = false;
    $("menu").setAttribute("aria-expanded", "false");
    this.offer([]);
  }

  typed() {
    this.resize();
    this.menuOpen = false;
    const typed = this.text.value.match(/^\/([a-z0-9_]*)$/i);
    const begins = typed && typed[1].toLowerCase();
    this.offer(typed ? this.menu.filter(({ command }) => command.startsWith(begins)) : []);
  }

  offer(list) {
    this.offered = list;
    this.picked = -1;
    const box = $("suggestions");
    box.hidden = list.length === 0;
    const one = ({ command, description }, index) =>
      h(
        "li",
        {
          role: "option",
          id: `command-${index}`,
          "aria-selected": "false",
          // The text keeps the focus.
          onpointerdown: (event) => event.preventDefault(),
          onclick: () => this.choose(command),
        },
        h("span", { class: "command-name" }, `/${command}`),
        h("span", { class: "command-does" }, description),
      );
    box.replaceChildren(...list.map(one));
    this.text.removeAttribute("aria-activedescendant");
  }

  pick(step) {
    const count = this.offered.length;
    this.picked = (this.picked + step + count + (this.picked === -1 && step < 0 ? 1 : 0)) % count;
    [...$("suggestions").children].forEach((option, index) => {
      option.setAttribute("aria-selected", String(index === this.picked));
      if (index === this.picked) option.scrollIntoView({ block: "nearest" });
    });
    this.text.setAttribute("aria-activedescendant", `command-${this.picked}`);
  }

  // A command that is chosen is sent, as in Telegram.
  choose(command) {
    this.closeMenu();
    this.text.value = "";
    this.resize();
    this.say(`/${command}`);
  }

  key(event) {
    if (event.isComposing) return;
    const offers = this.offered.length > 0;
    if (offers && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.pick(event.key === "ArrowDown" ? 1 : -1);
    } else if (offers && event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      const { command } = this.offered[Math.max(0, this.picked)];
      this.text.value = `/${command} `;
      this.typed();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (offers && this.picked >= 0) this.choose(this.offered[this.picked].command);
      else this.send();
    } else if (event.key === "Escape") {
      if (offers) this.closeMenu();
      else if (this.files.length) this.attachNone();
      else this.answer(null);
    } else if (event.key === "ArrowUp" && this.text.value === "") {
      event.preventDefault();
      $("log").focus();
    }
  }

  resize() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(this.text.scrollHeight, 160)}px`;
    $("send").classList.toggle("ready", this.text.value.trim() !== "" || this.files.length > 0);
  }

  // ── answers ──

  // Answers this message from now on; null for none.
  answer(message) {
    if (!this.where) return;
    if (message) this.replies.set(this.where, message);
    else this.replies.delete(this.where);
    this.drawReply();
    if (message) this.text.focus();
  }

  drawReply() {
    const message = this.replies.get(this.where);
    const bar = $("reply-bar");
    bar.hidden = !message;
    this.text.placeholder = message?.ask ? "Your answer" : "Message";
    if (!message) return;
    const words = message.text || message.file?.name || "";
    bar.replaceChildren(
      icon(ICONS.reply),
      h("span", { class: "above-words" }, h("strong", {}, message.name || "Message"), h("span", {}, words.replace(/\s+/g, " ").slice(0, 160))),
      h("button", { class: "icon-button", type: "button", "aria-label": "Do not answer it", onclick: () => this.answer(null) }, icon(ICONS.close)),
    );
  }

  // The bot asks this person: the next message answers it.
  asked(message) {
    const other = message.reply && message.reply.from && message.reply.from !== store.me;
    if (message.ask && !(other && !isPrivate(message.chat))) this.answer(message);
  }

  gone(id) {
    if (this.replies.get(this.where)?.id === id) this.answer(null);
  }

  // ── files ──

  drops() {
    const area = $("drop");
    let depth = 0;
    const main = document.querySelector("main");
    const files = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
    const show = (by) => {
      depth = Math.max(0, depth + by);
      area.hidden = depth === 0;
    };
    main.addEventListener("dragenter", (event) => files(event) && show(1));
    main.addEventListener("dragleave", (event) => files(event) && show(-1));
    main.addEventListener("dragover", (event) => files(event) && event.preventDefault());
    main.addEventListener("drop", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      depth = 0;
      area.hidden = true;
      this.attach([...event.dataTransfer.files]);
    });
  }

  paste(event) {
    const files = [...(event.clipboardData?.files || [])];
    if (files.length === 0) return;
    event.preventDefault();
    this.attach(files);
  }

  attach(files) {
    this.files = [...this.files, ...files].slice(0, MOST_FILES);
    this.drawFiles();
    this.text.focus();
  }

  attachNone() {
    this.files = [];
    this.drawFiles();
  }

  drawFiles() {
    const bar = $("files-bar");
    bar.hidden = this.files.length === 0;
    this.resize();
    if (this.files.length === 0) {
      this.text.placeholder = this.replies.get(this.where)?.ask ? "Your answer" : "Message";
      return;
    }
    this.text.placeholder = "Caption";
    const chip = (file) =>
      h(
        "li",
        { class: "file-chip" },
        h("span", { class: "file-name" }, file.name),
        h("span", { class: "file-size" }, size(file.size)),
        h("button", { class: "icon-button", type: "button", "aria-label": `Do not send ${file.name}`, onclick: () => this.drop(file) }, icon(ICONS.close)),
      );
    const pictures = this.files.some((file) => PICTURES.includes(file.type));
    const box = h("input", { type: "checkbox", onchange: (event) => (this.asPicture = event.target.checked) });
    box.checked = this.asPicture;
    bar.replaceChildren(
      icon(ICONS.file),
      h("ul", { class: "file-chips", "aria-label": "Files to send" }, this.files.map(chip)),
      ...(pictures ? [h("label", { class: "as-picture" }, box, "as picture")] : []),
    );
  }

  drop(file) {
    this.files = this.files.filter((one) => one !== file);
    this.drawFiles();
  }

  // ── sending ──

  place() {
    const reply = this.replies.get(this.where)?.id;
    return { from: store.me, chat: store.open.chat, thread: store.open.thread, reply };
  }

  // Sends words that were not typed: a command of the menu, in a message, of a link.
  async say(text) {
    if (!store.open) return;
    try {
      await post("say", { from: store.me, chat: store.open.chat, thread: store.open.thread, text });
    } catch (error) {
      trouble(error);
    }
  }

  async send() {
    const text = this.text.value.trim();
    const { files } = this;
    if (!store.open || this.sending || (text === "" && files.length === 0)) return;
    const place = this.place();
    this.sending = true;
    this.closeMenu();
    try {
      if (files.length === 0) await post("say", { ...place, text });
      for (const [index, file] of files.entries()) {
        const photo = this.asPicture && PICTURES.includes(file.type) ? 1 : 0;
        await upload({ ...place, caption: index === 0 ? text : "", photo }, file);
        this.drop(file);
      }
      // What was written meanwhile stays.
      if (this.text.value.trim() === text) this.text.value = "";
      this.answer(null);
      this.resize();
    } catch (error) {
      trouble(error);
    } finally {
      this.sending = false;
    }
  }
}
