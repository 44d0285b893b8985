// The grid of hits, and what stands there when there are none.

import { byId, excerpt, h, highlighted } from "./dom.js";
import { number, t } from "./i18n.js";
import { thumbnail } from "./images.js";
import { scales, why } from "./why.js";

const SKELETONS = 8;

/** What a person would call the item. */
export function titleOf(item) {
  const key = item.key.startsWith("sha256:") ? "" : item.key;
  return item.title || key || item.text.slice(0, 80) || fileName(item) || item.ocr_text.slice(0, 80) || t(item.media ? "untitled.picture" : "untitled.text");
}

function fileName(item) {
  const last = item.source_uri.split("/").at(-1);
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

export function showWaiting() {
  const places = Array.from({ length: SKELETONS }, () => h("div", { class: "skeleton" }));
  byId("results").replaceChildren(h("div", { class: "grid", "aria-hidden": "true" }, places));
}

/** Show hits; `open(hit)` is called for the one a person chooses. */
export function showHits(hits, open) {
  const scale = scales(hits);
  const cards = hits.map((hit, place) => card(hit, place, scale, open));
  byId("results").replaceChildren(h("ol", { class: "grid" }, cards));
}

export const clearResults = () => byId("results").replaceChildren();

/** A panel in place of the grid: `actions` are buttons, `extra` further lines. */
export function showPanel({ title, body, kind = "", actions = [], extra = [] }) {
  byId("results").replaceChildren(
    h(
      "div",
      { class: `panel ${kind}` },
      h("h2", {}, title),
      body ? h("p", {}, body) : null,
      extra,
      actions.length ? h("div", { class: "actions" }, actions) : null,
    ),
  );
}

/** Scroll to the hit of rank `rank` and light it up for a moment. */
export function pointAt(rank) {
  const found = byId(`hit-${rank}`);
  if (!found) return;
  found.scrollIntoView({ behavior: "smooth", block: "center" });
  found.querySelector(".open").focus({ preventScroll: true });
  light(rank, true);
  setTimeout(() => light(rank, false), 2200);
}

export function light(rank, on) {
  byId(`hit-${rank}`)?.classList.toggle("cited-now", on);
}

function card(hit, place, scale, open) {
  const { item } = hit;
  const words = hit.why.matched_words;
  const element = h(
    "li",
    { class: hit.relevant ? "card" : "card below", id: `hit-${hit.rank}` },
    face(hit, open),
    h(
      "div",
      { class: "card-body" },
      h("div", { class: "card-title" }, highlighted(titleOf(item), words)),
      item.text && item.media ? h("div", { class: "card-text" }, highlighted(item.text.slice(0, 240), words)) : null,
      readInPicture(hit),
      item.tags.length ? h("div", { class: "tags" }, item.tags.slice(0, 5).map((tag) => tagOf(tag, words))) : null,
      why(hit, scale),
    ),
  );
  element.style.setProperty("--place", place);
  return element;
}

/** What stands in the picture, where the words that were asked for stand there. */
function readInPicture({ item, why: { matched_in: places, matched_words: words } }) {
  if (!places.includes("ocr")) return null;
  const read = h("span", { class: "read-mark" }, t("card.read"));
  return h("div", { class: "card-text read" }, read, " ", highlighted(excerpt(item.ocr_text, words, 160), words));
}

function face(hit, open) {
  const { item } = hit;
  const label = t("card.open", { title: titleOf(item), rank: number(hit.rank) });
  return h(
    "button",
    { type: "button", class: "open", "aria-label": label, onclick: () => open(hit) },
    item.image_url ? thumbnail(item, 512, "thumb") : passage(hit),
    h("span", { class: "number" }, number(hit.rank)),
    hit.relevant ? null : h("span", { class: "badge" }, t("card.below")),
  );
}

const passage = (hit) =>
  h("span", { class: "passage" }, highlighted((hit.item.text || hit.item.title).slice(0, 320), hit.why.matched_words));

export const tagOf = (tag, words = []) => h("span", { class: "tag" }, highlighted(tag, words));
