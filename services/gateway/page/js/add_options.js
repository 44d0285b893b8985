// What else is to be done with what is added. Kept while the page is open.

import { h } from "./dom.js";
import { t } from "./i18n.js";

const SWITCHES = ["ocr", "captions", "tags"];
const POLICIES = ["keep", "link", "skip"];
const chosen = { ocr: false, captions: false, tags: false, duplicates: "keep", near_duplicates: "keep" };
let isOpen = false;

/** As the REST interface names them. */
export const readOptions = () => ({ ...chosen });

export function renderOptions() {
  const details = h(
    "details",
    { class: "add-options", open: isOpen },
    h("summary", {}, t("options.title")),
    h("div", { class: "switches" }, SWITCHES.map(toggle)),
    h("div", { class: "policies" }, policy("duplicates"), policy("near_duplicates")),
  );
  details.addEventListener("toggle", () => (isOpen = details.open));
  return details;
}

function toggle(name) {
  const box = h("input", { type: "checkbox", id: `option-${name}`, checked: chosen[name] });
  box.addEventListener("change", () => (chosen[name] = box.checked));
  return h("label", { class: "switch" }, box, h("span", {}, t(`options.${name}`), h("small", {}, t(`options.${name}_more`))));
}

function policy(name) {
  const options = POLICIES.map((value) => h("option", { value, selected: chosen[name] === value }, t(`options.${value}`)));
  const select = h("select", { id: `option-${name}` }, options);
  select.addEventListener("change", () => (chosen[name] = select.value));
  return h("label", {}, t(`options.${name}`), select);
}
