// Asks for an API key once the gateway wants one.

import { saveKey } from "./api.js";
import { byId, h } from "./dom.js";
import { t } from "./i18n.js";

let asking = null;

/** Show the dialog; resolves when a key was entered. Callers that come meanwhile wait for the same one. */
export function askForKey(refusal = "") {
  asking ??= new Promise((resolve) => show(resolve, refusal)).finally(() => (asking = null));
  return asking;
}

function show(resolve, refusal) {
  const dialog = byId("key-dialog");
  const field = h("input", { type: "password", id: "key", required: true, "aria-label": t("key.label"), placeholder: t("key.label") });
  const save = (event) => {
    event.preventDefault();
    saveKey(field.value.trim());
    dialog.close();
    resolve();
  };
  dialog.replaceChildren(
    h("div", { class: "dialog-head" }, h("h2", { id: "key-title" }, t("key.title"))),
    h(
      "form",
      { onsubmit: save },
      refusal ? h("p", { class: "refusal", role: "alert" }, refusal) : null,
      h("p", {}, t("key.body")),
      field,
      h("button", { type: "submit", class: "button primary" }, t("key.save")),
    ),
  );
  dialog.oncancel = (event) => event.preventDefault();
  dialog.showModal();
}
