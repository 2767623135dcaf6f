// Light, dark, or as the system says.

import { $, icon, ICONS } from "./dom.js";

const ORDER = ["auto", "light", "dark"];
const WORDS = { auto: "as the system", light: "light", dark: "dark" };
const ICON = { auto: ICONS.auto, light: ICONS.sun, dark: ICONS.moon };

function stored() {
  try {
    const theme = localStorage.getItem("theme");
    return ORDER.includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}

function apply(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const button = $("theme");
  button.replaceChildren(icon(ICON[theme]));
  button.setAttribute("aria-label", `Colours: ${WORDS[theme]}. Change`);
  button.title = `Colours: ${WORDS[theme]}`;
}

export function startTheme() {
  let theme = stored();
  apply(theme);
  $("theme").addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    apply(theme);
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // Kept only until the page is loaded again.
    }
  });
}

