// One question after the other: asks the gateway, shows what comes, and keeps the address in step.

import { ApiError, ask, facets, search } from "./api.js";
import { openAdd } from "./add.js";
import { beginAnswer, hideAnswer } from "./answer.js";
import { searchWith } from "./composer.js";
import { byId, h } from "./dom.js";
import { number, t } from "./i18n.js";
import { openItem } from "./item_dialog.js";
import { askForKey } from "./key_dialog.js";
import { clearResults, showHits, showPanel, showWaiting } from "./results.js";
import { explain } from "./trouble.js";

const LIMIT = 24;
let running = null;
let redraw = () => {};

/** Answer `{text, picture, mode, includeIrrelevant}`; the address follows unless `keepAddress`. */
export async function run(asked, { keepAddress = false } = {}) {
  if (!asked.text && !asked.picture) return showHome({ keepAddress });
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  document.body.dataset.view = "results";
  if (!keepAddress) remember(asked);
  hideAnswer();
  showWaiting();
  setStatus(t("status.searching"));
  try {
    await (asked.mode === "ask" ? runAsk(asked, signal) : runSearch(asked, signal));
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    showTrouble(error, asked);
  }
}

/** The start page: nothing asked yet. */
export async function showHome({ keepAddress = false } = {}) {
  running?.abort();
  document.body.dataset.view = "home";
  hideAnswer();
  clearResults();
  setStatus("");
  redraw = () => {};
  if (!keepAddress && location.search) history.pushState({}, "", "/");
  document.title = "imagerag";
  const kinds = await facets("kind").catch(() => null);
  if (kinds && document.body.dataset.view === "home") showStored(kinds.values);
}

/** What is in the collection, or how to begin one. */
function showStored(kinds) {
  if (!kinds.length) {
    showEmpty();
    return;
  }
  redraw = () => showStored(kinds);
  const parts = kinds.map(({ value, count }) => t(`stored.${value}`, { n: number(count) }));
  setStatus(t("status.stored", { parts: parts.join(" · ") }));
}

/** Draw again what is shown, in the language of now. */
export const redrawSession = () => redraw();

async function runSearch(asked, signal) {
  const found = await search(queryOf(asked, "text"), asked.picture, signal);
  if (!signal.aborted) await showFound(found, asked);
}

async function runAsk(asked, signal) {
  const answer = beginAnswer();
  let found = { hits: [] };
  await ask(queryOf(asked, "question"), asked.picture, signal, {
    hits: (result) => {
      found = result;
      showFound(result, asked);
    },
    text: ({ text }) => answer.add(text, found.hits),
    done: (done) => answer.finish(done, found.hits),
    error: (problem) => answer.fail(explain(new ApiError(problem))),
  }).catch((error) => {
    if (!found.hits.length) hideAnswer();
    throw error;
  });
}

function queryOf(asked, field) {
  const query = { limit: LIMIT, include_irrelevant: Boolean(asked.includeIrrelevant) };
  if (asked.text) query[field] = asked.text;
  return query;
}

async function showFound(found, asked) {
  redraw = () => showFound(found, asked);
  if (found.hits.length) {
    showHits(found.hits, (hit) => openItem(hit, searchWith));
    setStatus(statusOf(found));
  } else if (found.nothing_relevant) {
    setStatus("");
    showNothing(asked);
  } else {
    setStatus("");
    showEmpty();
  }
}

function statusOf(found) {
  const n = number(found.hits.length);
  if (found.nothing_relevant) return t("status.below", { n });
  return t("status.hits", { n, ms: number(Math.round(found.timings_ms.total ?? 0)) });
}

function showNothing(asked) {
  const show = { type: "button", class: "button", id: "show-nearest", onclick: () => run({ ...asked, mode: "search", includeIrrelevant: true }) };
  showPanel({
    title: t("nothing.title", { query: asked.text }),
    body: t("nothing.body"),
    actions: [h("button", show, t("nothing.show"))],
  });
}

function showEmpty() {
  redraw = showEmpty;
  const add = { type: "button", class: "button primary", id: "empty-add", onclick: openAdd };
  showPanel({
    title: t("empty.title"),
    body: t("empty.body"),
    extra: [h("p", { class: "small" }, t("empty.command"), h("br"), h("code", {}, "imagerag ingest ~/Pictures"))],
    actions: [h("button", add, t("empty.add"))],
  });
}

function showTrouble(error, asked) {
  redraw = () => showTrouble(error, asked);
  setStatus("");
  const retry = () => run(asked, { keepAddress: true });
  const again = { type: "button", class: "button", onclick: retry };
  const otherKey = { type: "button", class: "button", id: "other-key", onclick: () => askForKey().then(retry) };
  showPanel({
    kind: "error",
    title: t("error.title"),
    body: explain(error),
    extra: error.requestId ? [h("p", { class: "small" }, t("error.reference", { id: error.requestId }))] : [],
    actions: [error.code === "missing_scope" ? h("button", otherKey, t("error.other_key")) : h("button", again, t("error.retry"))],
  });
}

function remember({ text, mode }) {
  const address = new URLSearchParams();
  if (text) address.set("q", text);
  if (mode === "ask") address.set("mode", "ask");
  const query = address.toString();
  const wanted = query ? `/?${query}` : "/";
  if (wanted !== location.pathname + location.search) history.pushState({}, "", wanted);
  document.title = text ? `${text} · imagerag` : "imagerag";
}

const setStatus = (text) => (byId("status").textContent = text);
