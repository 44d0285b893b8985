// One item, large, with everything known about it.

import { pictureBlob } from "./api.js";
import { byId, h, highlighted, icon } from "./dom.js";
import { dateTime, number, t } from "./i18n.js";
import { thumbnail } from "./images.js";
import { tagOf, titleOf } from "./results.js";
import { reasons } from "./why.js";

const ENLARGED_AT_MOST = 2;

/** Show `hit`; `findSimilar(file)` searches with its picture. */
export function openItem(hit, findSimilar) {
  const dialog = byId("item-dialog");
  const { item } = hit;
  dialog.replaceChildren(
    head(titleOf(item), dialog),
    h(
      "div",
      { class: "item-columns" },
      h("div", { class: "item-picture" }, picture(hit)),
      h("div", { class: "item-facts" }, actions(item, dialog, findSimilar), facts(hit), because(hit)),
    ),
  );
  dialog.showModal();
}

function head(title, dialog) {
  return h(
    "div",
    { class: "dialog-head" },
    h("h2", { id: "item-title" }, title),
    h("button", closing(dialog), icon("close")),
  );
}

/** Attributes of a dialog's close button. */
export function closing(dialog) {
  return { type: "button", class: "quiet square", "aria-label": t("item.close"), onclick: () => dialog.close() };
}

function picture(hit) {
  const { item } = hit;
  if (item.image_url) {
    const image = thumbnail(item, 1024, "full");
    image.style.maxWidth = `${item.media.width * ENLARGED_AT_MOST}px`;
    image.alt = titleOf(item);
    return image;
  }
  return h("div", { class: "passage" }, highlighted(item.text || item.title, hit.why.matched_words));
}

function actions(item, dialog, findSimilar) {
  if (!item.image_url) return null;
  const search = async () => {
    const blob = await pictureBlob(item, 1024);
    dialog.close();
    findSimilar(new File([blob], titleOf(item), { type: blob.type }));
  };
  return h(
    "div",
    { class: "item-actions" },
    h("button", { type: "button", class: "button primary", id: "find-similar", onclick: search }, icon("similar"), t("item.similar")),
  );
}

function facts(hit) {
  const { item } = hit;
  const words = hit.why.matched_words;
  const rows = [
    ["item.text", item.media && item.text && highlighted(item.text, words)],
    ["item.ocr_text", item.ocr_text && highlighted(item.ocr_text, words)],
    ["item.tags", item.tags.length && h("span", { class: "tags" }, item.tags.map((tag) => tagOf(tag, words)))],
    ["item.kind", t(`kind.${item.kind}`)],
    ["item.size", item.media && `${number(item.media.width)} × ${number(item.media.height)} · ${item.media.mime}`],
    ["item.page", item.position?.page && number(item.position.page)],
    ["item.time", item.position?.timestamp_s != null && `${number(item.position.timestamp_s)} s`],
    ["item.document_id", item.document_id],
    ["item.duplicate_of", item.duplicate_of && duplicateOf(item.duplicate_of)],
    ["item.source_uri", item.source_uri],
    ["item.key", ownKey(item) && h("code", {}, item.key)],
    ["item.ingested_at", dateTime(item.ingested_at)],
    ["item.id", h("code", {}, item.id)],
  ];
  const own = Object.entries(item.metadata).map(([name, value]) => [name, plain(value), true]);
  return h("dl", {}, [...own, ...rows].filter(([, value]) => value).flatMap(row));
}

const duplicateOf = (first) => h("span", {}, t(`duplicate.${first.kind}`), " ", h("code", {}, first.id));
// Without a key of the client's own the content is the key: of no use to a person.
const ownKey = (item) => !item.key.startsWith("sha256:");
const row = ([name, value, literal]) => [h("dt", {}, literal ? name : t(name)), h("dd", {}, value)];
const plain = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

function because(hit) {
  return hit.why.legs.length ? [h("h3", {}, t("item.why")), reasons(hit)] : null;
}
