// Small helpers around the document. Text always becomes text nodes.

export const $ = (id) => document.getElementById(id);

// An element: h("p", {class: "x", onclick: f}, "text", child).
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

// An icon drawn by lines.
export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export const ICONS = {
  reply: "M10 7L5 12l5 5M5 12h9a5 5 0 0 1 5 5v1",
  copy: "M9 9h10v10H9zM5 15V5h10",
  close: "M6 6l12 12M18 6L6 18",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  out: "M8 16L17 7M9 7h8v8",
  sun: "M12 8a4 4 0 1 0 0 8a4 4 0 0 0 0-8zM12 2v2M12 20v2M4 12H2M22 12h-2M5 5l1.4 1.4M17.6 17.6L19 19M19 5l-1.4 1.4M6.4 17.6L5 19",
  moon: "M19 14.5A7.5 7.5 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5z",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
};

const shown = new WeakMap();

// Makes the children of a box stand for these items, by their keys. An element stays as long as its item does and is
// filled again only when the item changed, so that a click or the focus is never lost under it.
export function keyed(box, items, make, fill) {
  const known = new Map([...box.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const key = String(item.key);
    const element = known.get(key) || make(item);
    element.dataset.key = key;
    const now = JSON.stringify(item);
    if (shown.get(element) !== now) {
      shown.set(element, now);
      fill(element, item);
    }
    if (box.children[index] !== element) box.insertBefore(element, box.children[index] || null);
  });
  while (box.children.length > items.length) box.lastChild.remove();
}

// A size as people read it.
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

const HOUR = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long" });

export const hour = (seconds) => HOUR.format(seconds * 1000);
export const exact = (seconds) => EXACT.format(seconds * 1000);

export function day(seconds) {
  const date = new Date(seconds * 1000).toDateString();
  const now = new Date();
  if (date === now.toDateString()) return "Today";
  now.setDate(now.getDate() - 1);
  return date === now.toDateString() ? "Yesterday" : DAY.format(seconds * 1000);
}

// Which of the seven colours is theirs.
export const colourOf = (id) => (Math.abs(Number(id) || 0) % 17) % 7;

// The round picture of a person or a chat: its first letter on a colour of its own.
export function avatar(name, id, small = false) {
  const letter = [...(name || "?")][0].toUpperCase();
  return h("span", { class: `avatar colour-${colourOf(id)}${small ? " small" : ""}`, "aria-hidden": "true" }, letter);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without a secure context there is only the old way.
    const area = h("textarea", { class: "away" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
