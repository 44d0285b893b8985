// The answer: written as it streams, its [n] are buttons that lead to the hit.

import { byId, h } from "./dom.js";
import { t } from "./i18n.js";
import { thumbnail } from "./images.js";
import { light, pointAt, titleOf } from "./results.js";

const panel = () => byId("answer");

export function hideAnswer() {
  panel().hidden = true;
  panel().replaceChildren();
}

/** An empty answer that text can be added to. */
export function beginAnswer() {
  const text = h("div", { class: "answer-text", "aria-live": "polite", "aria-busy": "true" });
  const below = h("div", {}, h("p", { class: "answer-foot" }, t("answer.writing")));
  panel().replaceChildren(text, below);
  panel().classList.add("writing");
  panel().hidden = false;
  let written = "";
  return {
    add(piece, hits) {
      written += piece;
      text.replaceChildren(...withCitations(written, ranksOf(hits)));
    },
    finish(done, hits) {
      panel().classList.remove("writing");
      text.setAttribute("aria-busy", "false");
      text.replaceChildren(...withCitations(done.answer, new Set(done.citations.map((cited) => cited.number))));
      below.replaceChildren(citedItems(done.citations, hits), h("p", { class: "answer-foot" }, author(done)));
    },
    fail(message) {
      panel().classList.remove("writing");
      text.setAttribute("aria-busy", "false");
      below.replaceChildren(h("p", { class: "answer-foot trouble" }, message));
    },
  };
}

const ranksOf = (hits) => new Set(hits.map((hit) => hit.rank));

/** Text with `[n]` as buttons where `n` is known; anything else in brackets stays text. */
function withCitations(text, known) {
  return text.split(/\[(\d{1,3})\]/u).map((piece, index) => {
    if (index % 2 === 0) return document.createTextNode(piece);
    return known.has(Number(piece)) ? citation(Number(piece)) : document.createTextNode(`[${piece}]`);
  });
}

function citation(rank) {
  return h(
    "button",
    {
      type: "button",
      class: "cite",
      "aria-label": t("answer.cite", { n: rank }),
      onclick: () => pointAt(rank),
      onmouseenter: () => light(rank, true),
      onmouseleave: () => light(rank, false),
    },
    String(rank),
  );
}

function citedItems(citations, hits) {
  const cited = citations.map(({ number }) => hits.find((hit) => hit.rank === number)).filter(Boolean);
  return h("div", { class: "cited" }, cited.map(citedItem));
}

function citedItem(hit) {
  return h(
    "button",
    { type: "button", title: titleOf(hit.item), onclick: () => pointAt(hit.rank) },
    hit.item.image_url ? thumbnail(hit.item, 256, "mini") : null,
    h("span", { class: "name" }, `${hit.rank} · ${titleOf(hit.item)}`),
  );
}

function author(done) {
  return done.model === "extractive" ? t("answer.by_extractive") : t("answer.by", { model: done.model });
}
