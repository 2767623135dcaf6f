// Text with entities as nodes. Offsets are UTF-16 units, which is how JavaScript counts, too.

import { h, icon, ICONS, copy } from "./dom.js";
import { toast } from "./notice.js";

const LINK = /\bhttps?:\/\/[^\s<>"“”]+/g;
const TAIL = /[.,;:!?)\]}'…]+$/;
const SAFE = ["http:", "https:", "tg:", "mailto:"];

// The address if following it can run nothing.
function safe(address) {
  try {
    const url = new URL(address);
    return SAFE.includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

// What a deep link to this bot passes to /start; null for any other address.
export function startOf(address, bot) {
  const url = safe(address);
  if (!url) return null;
  const http = ["t.me", "telegram.me"].includes(url.hostname) && url.pathname.slice(1).toLowerCase() === bot;
  const direct = url.protocol === "tg:" && (url.searchParams.get("domain") || "").toLowerCase() === bot;
  const passed = url.searchParams.get("start");
  return (http || direct) && passed !== null ? passed : null;
}

function link(address, children, act) {
  const url = safe(address);
  if (!url) return h("span", {}, children);
  const deep = act.startOf(address);
  if (deep !== null) {
    const go = (event) => {
      event.preventDefault();
      act.start(deep);
    };
    return h("a", { href: url.href, onclick: go }, children);
  }
  return h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, children);
}

function linkify(text, act) {
  const nodes = [];
  let done = 0;
  for (const found of text.matchAll(LINK)) {
    const address = found[0].replace(TAIL, "");
    nodes.push(text.slice(done, found.index), link(address, [address], act));
    done = found.index + address.length;
  }
  nodes.push(text.slice(done));
  return nodes.filter((node) => node !== "");
}

function codeBlock(text, language) {
  const button = h(
    "button",
    {
      class: "copy",
      type: "button",
      "aria-label": "Copy this block",
      title: "Copy",
      onclick: async () => toast((await copy(text)) ? "Copied" : "The browser does not allow copying."),
    },
    icon(ICONS.copy),
  );
  const head = h("figcaption", {}, h("span", {}, language || ""), button);
  const code = h("pre", { tabindex: "0", "aria-label": language ? `Code, ${language}` : "Code" }, h("code", {}, text));
  return h("figure", { class: language ? "block named" : "block" }, head, code);
}

function spoiler(children) {
  const element = h("span", { class: "spoiler", role: "button", tabindex: "0", "aria-label": "Hidden text; press to show" }, children);
  const show = () => {
    element.classList.add("shown");
    element.removeAttribute("role");
    element.removeAttribute("tabindex");
    element.removeAttribute("aria-label");
  };
  element.addEventListener("click", show);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    show();
  });
  return element;
}

function quote(children, folds) {
  const element = h("blockquote", {}, children);
  if (!folds) return element;
  element.classList.add("folded");
  const toggle = h("button", { class: "fold", type: "button", "aria-expanded": "false" }, "Show more");
  toggle.addEventListener("click", () => {
    const folded = element.classList.toggle("folded");
    toggle.textContent = folded ? "Show more" : "Show less";
    toggle.setAttribute("aria-expanded", String(!folded));
  });
  return h("div", { class: "folding" }, element, toggle);
}

function wrap(entity, text, inner, act) {
  const simple = { bold: "strong", italic: "em", underline: "u", strikethrough: "s" };
  switch (entity.type) {
    case "code":
      return h("code", { class: "inline" }, text);
    case "pre":
      return codeBlock(text, entity.language);
    case "spoiler":
      return spoiler(inner());
    case "blockquote":
    case "expandable_blockquote":
      return quote(inner(), entity.type === "expandable_blockquote");
    case "text_link":
      return link(entity.url, inner(), act);
    case "bot_command":
      return h("button", { class: "command", type: "button", onclick: () => act.say(text) }, text);
    default:
      return h(simple[entity.type] || "span", {}, inner());
  }
}

function stretch(text, from, to, entities, act) {
  const nodes = [];
  let at = from;
  let index = 0;
  while (index < entities.length) {
    const entity = entities[index];
    const start = Math.max(entity.offset, at);
    const end = Math.min(entity.offset + entity.length, to);
    index += 1;
    if (start >= end) continue;
    const inside = [];
    while (index < entities.length && entities[index].offset < end) {
      inside.push(entities[index]);
      index += 1;
    }
    nodes.push(...linkify(text.slice(at, start), act));
    nodes.push(wrap(entity, text.slice(start, end), () => stretch(text, start, end, inside, act), act));
    at = end;
  }
  nodes.push(...linkify(text.slice(at, to), act));
  return nodes;
}

const BLOCKS = ["pre", "blockquote", "expandable_blockquote"];

// The nodes of a text. act: {say, start, startOf}.
export function render(text, entities, act) {
  const sorted = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  // A block stands on its own; the line break beside it would be an empty line.
  const nodes = stretch(text, 0, text.length, sorted, act);
  const isBlock = (node) => node instanceof Element && (node.matches("figure, blockquote, .folding"));
  return nodes.map((node, index) => {
    if (typeof node !== "string") return node;
    let words = node;
    if (index > 0 && isBlock(nodes[index - 1])) words = words.replace(/^\n/, "");
    if (index + 1 < nodes.length && isBlock(nodes[index + 1])) words = words.replace(/\n$/, "");
    return words;
  });
}

export const hasBlock = (entities) => entities.some((entity) => BLOCKS.includes(entity.type));
