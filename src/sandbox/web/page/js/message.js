// One message as a bubble. A change replaces only the part that changed, so that nothing flickers.

import { fileAddress } from "./api.js";
import { avatar, colourOf, copy, exact, h, hour, icon, ICONS, size } from "./dom.js";
import { toast } from "./notice.js";
import { render } from "./text.js";

// How long a pressed button waits for its answer before it looks idle again, as Telegram's do.
const PRESS_WAITS = 15000;

function photo(message) {
  const { width, height, name } = message.file;
  const image = h("img", { src: fileAddress(message), alt: name || "Picture", loading: "lazy", width: width || null, height: height || null });
  return h("a", { class: "photo", href: fileAddress(message), target: "_blank", rel: "noopener" }, image);
}

function documentLine(message) {
  const { name, size: bytes } = message.file;
  return h(
    "a",
    { class: "document", href: fileAddress(message), download: name, "aria-label": `Download ${name}, ${size(bytes)}` },
    h("span", { class: "document-icon" }, icon(ICONS.file)),
    h("span", { class: "document-words" }, h("span", { class: "document-name" }, name), h("span", { class: "document-size" }, size(bytes))),
  );
}

function replyLine(message, act) {
  const { id, name, text } = message.reply;
  return h(
    "button",
    { class: "quote", type: "button", onclick: () => act.show(id), "aria-label": `Answers ${name || ""}: ${text}` },
    h("span", { class: "quote-name" }, name || "Deleted"),
    h("span", { class: "quote-text" }, text),
  );
}

export class Bubble {
  constructor(message, act) {
    this.act = act;
    this.busy = new Map(); // data of a button → timer
    this.shown = {};
    this.name = h("span", { class: "author" });
    this.head = h("div", { class: "head" });
    this.media = h("div", { class: "media" });
    this.text = h("div", { class: "text", dir: "auto" });
    this.meta = h("span", { class: "meta" });
    this.reactions = h("div", { class: "reactions", hidden: true });
    const answer = h(
      "button",
      { class: "answer", type: "button", tabindex: "-1", "aria-label": "Answer this message", title: "Answer", onclick: () => act.reply(this.message) },
      icon(ICONS.reply),
    );
    this.body = h("div", { class: "bubble" }, this.name, this.head, this.media, this.text, this.meta, this.reactions, answer);
    this.keys = h("div", { class: "keys", role: "group", "aria-label": "Buttons", hidden: true });
    this.face = h("span", { class: "face" });
    this.element = h("article", { class: "message", tabindex: "-1" }, this.face, h("div", { class: "column" }, this.body, this.keys));
    this.element.addEventListener("dblclick", (event) => {
      if (event.target.closest("button, a, pre")) return;
      getSelection()?.removeAllRanges();
      act.reply(this.message);
    });
    this.update(message);
  }

  // Draws `part` again only if what it shows is another than before.
  changed(part, value) {
    const text = JSON.stringify(value);
    if (this.shown[part] === text) return false;
    this.shown[part] = text;
    return true;
  }

  update(message) {
    this.message = message;
    const { element } = this;
    element.dataset.id = message.id;
    const service = message.service && !message.text && !message.file;
    element.classList.toggle("service", Boolean(service));
    if (service) {
      element.replaceChildren(h("span", { class: "pill" }, message.service));
      return;
    }
    if (this.changed("author", [message.from, message.name])) {
      this.name.textContent = message.name || "";
      this.name.className = message.bot ? "author" : `author ink-${colourOf(message.from)}`;
      const bot = h("img", { class: "avatar small", src: "/icon.svg", alt: "" });
      this.face.replaceChildren(message.bot ? bot : avatar(message.name, message.from, true));
    }
    if (this.changed("head", [message.reply, message.forwarded])) {
      const from = message.forwarded && h("p", { class: "forwarded" }, `Forwarded from ${message.forwarded}`);
      this.head.replaceChildren(...[from, message.reply && replyLine(message, this.act)].filter(Boolean));
    }
    if (this.changed("media", message.file)) {
      const media = message.file && (message.file.photo ? photo(message) : documentLine(message));
      this.media.replaceChildren(...[media].filter(Boolean));
      element.classList.toggle("pictured", Boolean(message.file?.photo));
    }
    if (this.changed("text", [message.text, message.entities])) this.drawText();
    if (this.changed("meta", [message.date, message.edited])) {
      const time = h("time", { datetime: new Date(message.date * 1000).toISOString(), title: exact(message.date) }, hour(message.date));
      const edited = message.edited && h("span", { title: `Edited ${exact(message.edited)}` }, "edited ");
      this.meta.replaceChildren(...[edited, time].filter(Boolean));
    }
    if (this.changed("reactions", message.reactions)) {
      this.reactions.hidden = message.reactions.length === 0;
      this.reactions.replaceChildren(...message.reactions.map((emoji) => h("span", {}, emoji)));
    }
    if (this.changed("keys", message.buttons)) this.drawKeys();
  }

  drawText() {
    const { text } = this;
    // Who reads in a wide block keeps their place.
    const places = [...text.querySelectorAll("pre")].map((pre) => pre.scrollLeft);
    text.replaceChildren(...render(this.message.text, this.message.entities, this.act));
    [...text.querySelectorAll("pre")].forEach((pre, index) => {
      if (places[index]) pre.scrollLeft = places[index];
    });
    text.hidden = this.message.text === "";
    const last = text.lastChild;
    this.element.classList.toggle("blocked", last instanceof Element && last.matches("figure, blockquote, .folding"));
  }

  drawKeys() {
    const focused = this.keys.contains(document.activeElement) ? document.activeElement.dataset.at : null;
    const rows = this.message.buttons.map((row, y) =>
      h("div", { class: "row" }, row.map((button, x) => this.key(button, `${y}.${x}`))),
    );
    this.keys.hidden = rows.length === 0;
    this.keys.replaceChildren(...rows);
    const kept = new Set(this.message.buttons.flat().map((button) => button.data));
    for (const data of this.busy.keys()) if (!kept.has(data)) this.release(data);
    if (focused === null) return;
    // Whoever used the keyboard goes on where they were.
    const next = this.keys.querySelector(`[data-at="${focused}"]`) || this.keys.querySelector("button, a") || this.element;
    next.focus({ preventScroll: true });
  }

  key(button, at) {
    const style = button.style ? ` ${button.style}` : "";
    if (button.url) {
      const deep = this.act.startOf(button.url);
      const open = (event) => {
        if (deep === null) return;
        event.preventDefault();
        this.act.start(deep);
      };
      const web = /^(https?|tg):/i.test(button.url) ? button.url : null;
      return h("a", { class: `key${style}`, "data-at": at, href: web, target: "_blank", rel: "noopener noreferrer", onclick: open }, button.text, icon(ICONS.out));
    }
    if (button.copy) {
      const done = async () => toast((await copy(button.copy)) ? "Copied" : "The browser does not allow copying.");
      return h("button", { class: `key${style}`, "data-at": at, type: "button", onclick: done }, button.text, icon(ICONS.copy));
    }
    const busy = this.busy.has(button.data);
    return h(
      "button",
      { class: `key${style}`, type: "button", "data-at": at, "data-press": button.data, "aria-busy": String(busy), onclick: () => this.press(button) },
      button.text,
    );
  }

  async press(button) {
    if (this.busy.has(button.data)) return;
    this.busy.set(button.data, setTimeout(() => this.release(button.data), PRESS_WAITS));
    this.mark(button.data);
    await this.act.press(this.message, button.data, () => this.release(button.data));
  }

  release(data) {
    clearTimeout(this.busy.get(data));
    this.busy.delete(data);
    this.mark(data);
  }

  mark(data) {
    for (const key of this.keys.querySelectorAll("[data-press]")) {
      if (key.dataset.press === data) key.setAttribute("aria-busy", String(this.busy.has(data)));
    }
  }

  // How it stands among its neighbours and to whom it belongs.
  place({ own, first, last, named }) {
    const { classList } = this.element;
    classList.toggle("own", own);
    classList.toggle("first", first);
    classList.toggle("last", last);
    classList.toggle("named", named);
    this.element.setAttribute("aria-label", `${own ? "You" : this.message.name || "Somebody"}, ${hour(this.message.date)}`);
  }
}
