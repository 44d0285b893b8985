// The search box: words, a picture, and whether to search or ask.

import { byId, h, icon } from "./dom.js";
import { t } from "./i18n.js";

const MODES = ["search", "ask"];
const state = { picture: null, mode: "search" };
let submit = () => {};
let preview = null;

/** `listener({text, picture, mode})` is called when a person wants to know. */
export function initComposer(listener) {
  submit = () => listener({ text: byId("text").value.trim(), picture: state.picture, mode: state.mode });
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    // On a phone the keyboard would cover the results.
    if (matchMedia("(pointer: coarse)").matches) byId("text").blur();
    submit();
  });
  byId("choose").addEventListener("click", () => byId("picture-file").click());
  byId("picture-file").addEventListener("change", (event) => {
    if (event.target.files.length) searchWith(event.target.files[0]);
    event.target.value = "";
  });
  for (const button of modeButtons()) {
    button.addEventListener("click", () => setMode(button.dataset.mode));
    button.addEventListener("keydown", moveBetweenModes);
  }
  document.addEventListener("paste", paste);
}

export const currentMode = () => state.mode;
export const currentText = () => byId("text").value;

/** Search with a picture (and the words that stand there). */
export function searchWith(picture) {
  setPicture(picture);
  submit();
}

/** Search with words alone. */
export function searchFor(text) {
  byId("text").value = text;
  submit();
}

export function setComposer({ text, mode, picture = null }) {
  byId("text").value = text;
  setMode(mode);
  setPicture(picture);
}

export function setMode(mode) {
  state.mode = MODES.includes(mode) ? mode : "search";
  for (const button of modeButtons()) {
    const chosen = button.dataset.mode === state.mode;
    button.setAttribute("aria-checked", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
  }
  renderPlaceholder();
  document.dispatchEvent(new CustomEvent("modechange"));
}

function setPicture(picture) {
  state.picture = picture;
  if (preview) URL.revokeObjectURL(preview);
  preview = picture ? URL.createObjectURL(picture) : null;
  renderComposer();
}

/** Draw what depends on language or picture. */
export function renderComposer() {
  renderPlaceholder();
  const row = byId("chip-row");
  row.hidden = !state.picture;
  row.replaceChildren(...(state.picture ? [chip(state.picture)] : []));
}

function renderPlaceholder() {
  byId("text").placeholder = t(`composer.placeholder.${state.picture ? "picture" : state.mode}`);
}

function chip(picture) {
  const remove = { type: "button", class: "quiet square", "aria-label": t("composer.remove"), onclick: removePicture };
  return h(
    "div",
    { class: "chip" },
    h("img", { src: preview, alt: "" }),
    h("span", { class: "name" }, picture.name || t("composer.pasted"), h("small", {}, t("composer.with_picture"))),
    h("button", remove, icon("close")),
  );
}

function removePicture() {
  setPicture(null);
  byId("text").focus();
}

function paste(event) {
  const picture = [...(event.clipboardData?.files ?? [])].find((file) => file.type.startsWith("image/"));
  if (!picture || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  searchWith(picture);
}

const modeButtons = () => [...document.querySelectorAll(".modes button")];

function moveBetweenModes(event) {
  if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  event.preventDefault();
  const other = MODES[(MODES.indexOf(state.mode) + 1) % MODES.length];
  setMode(other);
  modeButtons().find((button) => button.dataset.mode === other).focus();
}
