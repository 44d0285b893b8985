// Light and dark: the system's choice until a person makes one.

import { byId } from "./dom.js";

const KEPT = "imagerag.theme";

export function initTheme() {
  apply(localStorage.getItem(KEPT));
  byId("theme").addEventListener("click", () => {
    const wanted = isDark() ? "light" : "dark";
    localStorage.setItem(KEPT, wanted);
    apply(wanted);
  });
}

function apply(theme) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
