// Starts the page.

import { info, onKeyNeeded } from "./api.js";
import { onStored, openAdd, rebuildAdd } from "./add.js";
import { currentMode, initComposer, renderComposer, searchFor, setComposer } from "./composer.js";
import { byId, h, icon } from "./dom.js";
import { initDrop } from "./drop.js";
import { onLanguage, switchLanguage, t, translatePage } from "./i18n.js";
import { askForKey } from "./key_dialog.js";
import { initKeyboard } from "./keyboard.js";
import { redrawSession, run, showHome } from "./session.js";
import { initTheme } from "./theme.js";

let about = null;

function start() {
  for (const place of document.querySelectorAll("[data-icon]")) place.replaceWith(icon(place.dataset.icon));
  onKeyNeeded(askForKey);
  initComposer((asked) => run(asked));
  initTheme();
  initDrop();
  initKeyboard();
  onStored(() => document.body.dataset.view === "home" && showHome());
  byId("open-add").addEventListener("click", openAdd);
  byId("language").addEventListener("click", switchLanguage);
  byId("brand").addEventListener("click", goHome);
  for (const dialog of document.querySelectorAll("dialog:not(#key-dialog)")) closeOnBackdrop(dialog);
  document.addEventListener("modechange", renderExamples);
  window.addEventListener("popstate", followAddress);
  onLanguage(render);
  onLanguage(redrawSession);
  translatePage();
  followAddress();
  render();
  loadAbout();
}

/** Show what the address says. */
function followAddress() {
  const address = new URLSearchParams(location.search);
  const asked = { text: address.get("q") ?? "", mode: address.get("mode") ?? "search", picture: null };
  setComposer(asked);
  run(asked, { keepAddress: true });
}

function goHome(event) {
  event.preventDefault();
  setComposer({ text: "", mode: "search" });
  showHome();
  byId("text").focus();
}

/** Everything that depends on the language and is not marked in the HTML. */
function render() {
  byId("language").textContent = t("language.other");
  byId("language").lang = t("language.other") === "English" ? "en" : "zh";
  renderComposer();
  renderExamples();
  renderAbout();
  rebuildAdd();
}

function renderExamples() {
  const buttons = t(`examples.${currentMode()}`).map((text) =>
    h("button", { type: "button", class: "example", onclick: () => searchFor(text) }, text),
  );
  byId("examples").replaceChildren(h("span", { class: "hint-text" }, t("examples.try")), ...buttons);
}

async function loadAbout() {
  about = await info().catch(() => null);
  renderAbout();
}

function renderAbout() {
  if (!about) return;
  byId("model").textContent = t("model", about);
  byId("notice").hidden = !about.notice;
  byId("notice").textContent = about.notice;
}

function closeOnBackdrop(dialog) {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

start();
