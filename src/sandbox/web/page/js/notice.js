// Short notices: toasts that go by themselves, alerts that want a click.

import { $, h } from "./dom.js";

const SHOWN = 3500;
const MOST = 3;

export function toast(words, kind = "") {
  const list = $("toasts");
  // The same words again stay one notice, shown anew.
  for (const other of [...list.children]) if (other.textContent === words) other.remove();
  const one = h("p", { class: `toast ${kind}` }, words);
  list.append(one);
  while (list.children.length > MOST) list.firstChild.remove();
  setTimeout(() => one.remove(), SHOWN + words.length * 25);
}

export const trouble = (error) => toast(error.message || String(error), "bad");

export function alertBox(words) {
  const dialog = $("alert");
  $("alert-text").textContent = words;
  if (!dialog.open) dialog.showModal();
}
