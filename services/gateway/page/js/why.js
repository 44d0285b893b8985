// Why a hit is there: a bar for each leg, and the figures behind it.

import { h } from "./dom.js";
import { number, percent, t } from "./i18n.js";

const score = (value) => number(value, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const part = (value) => number(value, { minimumFractionDigits: 4, maximumFractionDigits: 4 });

/** The highest score (or floor) of each leg among all hits: what a full bar stands for. */
export function scales(hits) {
  const highest = {};
  for (const hit of hits) {
    for (const leg of hit.why.legs) {
      highest[leg.leg] = Math.max(highest[leg.leg] ?? 0, leg.score, leg.noise_floor * 1.25, 0.001);
    }
  }
  return highest;
}

/** Bars, and the details one can open. */
export function why(hit, scale) {
  if (!hit.why.legs.length) return null;
  return h(
    "details",
    { class: "why" },
    h("summary", {}, bars(hit, scale), h("span", { class: "more" }, t("why.more"))),
    reasons(hit),
  );
}

function bars(hit, scale) {
  return h("div", { class: "bars", "aria-hidden": "true" }, hit.why.legs.map((leg) => bar(leg, scale[leg.leg])));
}

function bar(leg, highest) {
  const fill = h("span", { class: "fill" });
  fill.style.width = `${clamp(leg.score / highest) * 100}%`;
  const track = h("span", { class: "bar" }, fill);
  if (leg.noise_floor > 0) {
    const floor = h("span", { class: "floor" });
    floor.style.left = `${clamp(leg.noise_floor / highest) * 100}%`;
    track.append(floor);
  }
  return h(
    "div",
    { class: leg.votes ? "bar-row" : "bar-row silent", dataset: { leg: leg.leg } },
    h("span", { class: "leg-name" }, t(`leg.${leg.leg}`)),
    track,
    h("span", { class: "leg-rank" }, t("why.rank_short", { rank: number(leg.rank) })),
  );
}

/** Every figure, as a list. */
export function reasons(hit) {
  const legs = hit.why.legs.map((leg) => legReasons(leg, hit.score));
  const words = hit.why.matched_words;
  const places = hit.why.matched_in.map((field) => t(`field.${field}`)).join(t("why.and"));
  const common = words.length
    ? h(
        "p",
        { class: "words" },
        t("why.words"),
        " ",
        ...words.flatMap((word) => [h("mark", {}, word), " "]),
        places ? h("span", { class: "places" }, t("why.in", { places })) : null,
      )
    : null;
  return h("div", { class: "reasons" }, legs, common);
}

function legReasons(leg, total) {
  const share = total > 0 ? percent(leg.contribution / total) : percent(0);
  const adds = leg.votes ? t("why.share", { value: part(leg.contribution), share }) : t("why.silent");
  return h(
    "div",
    { dataset: { leg: leg.leg } },
    h("h4", {}, t(`leg.${leg.leg}`)),
    h("div", { class: "direction" }, t(`direction.${leg.direction}`)),
    h(
      "dl",
      {},
      ...pair("why.rank", number(leg.rank)),
      ...pair("why.score", score(leg.score)),
      ...(leg.noise_floor > 0 ? pair("why.floor", score(leg.noise_floor)) : []),
      ...pair("why.contribution", adds),
    ),
  );
}

const pair = (key, value) => [h("dt", {}, t(key)), h("dd", {}, value)];
const clamp = (value) => Math.max(0, Math.min(1, value));
