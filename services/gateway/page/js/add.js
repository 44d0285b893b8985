// Adding files of any kind: each drop becomes one job or several, shown until they are done.

import { ApiError, info } from "./api.js";
import { jobs } from "./api_jobs.js";
import { readOptions, renderOptions } from "./add_options.js";
import { byId, h, icon } from "./dom.js";
import { named } from "./dropped_files.js";
import { dateTime, number, t } from "./i18n.js";
import { closing } from "./item_dialog.js";
import { JobCard } from "./job_card.js";
import { groups, isSending, sendGroup } from "./sending.js";

const JOBS_LOOKED_AT = 20;

let list = null;
let told = null;
let whenStored = () => {};
const shown = new Set();

export const onStored = (listener) => (whenStored = listener);

/** Show the dialog, and the jobs that are under way. */
export function openAdd() {
  const dialog = byId("add-dialog");
  if (!list) build(dialog);
  if (dialog.open) return;
  dialog.showModal();
  showRunning();
}

/** Show the dialog and take the files in: `{name, file}` each. */
export function addFiles(files) {
  openAdd();
  for (const group of groups(files)) follow(group);
}

/** The dialog's sentences in another language; entries of finished jobs stay as they are. */
export function rebuildAdd() {
  if (list) build(byId("add-dialog"));
}

function build(dialog) {
  list ??= h("ul", { class: "jobs" });
  told ??= h("p", { class: "unseen", role: "status" });
  dialog.replaceChildren(
    h("div", { class: "dialog-head" }, h("h2", { id: "add-title" }, t("add.title")), h("button", closing(dialog), icon("close"))),
    h("div", { class: "add-body" }, area(), renderOptions(), list, told),
  );
}

function area() {
  const files = chooser({ id: "add-files" });
  const folder = chooser({ id: "add-folder", webkitdirectory: true });
  return h(
    "div",
    { class: "drop-area", id: "drop-area" },
    files,
    folder,
    h(
      "button",
      { type: "button", class: "choose-files", onclick: () => files.click() },
      icon("files"),
      h("strong", {}, t("add.drop")),
      h("span", {}, t("add.or")),
    ),
    h("button", { type: "button", class: "choose-folder", onclick: () => folder.click() }, t("add.folder")),
  );
}

function chooser(attributes) {
  const input = h("input", { type: "file", multiple: true, hidden: true, ...attributes });
  input.addEventListener("change", () => {
    addFiles(named(input.files));
    input.value = "";
  });
  return input;
}

async function follow(files) {
  const card = newCard(files.length === 1 ? files[0].name : t("add.job", { n: number(files.length) }));
  const stopping = new AbortController();
  const giveUp = () => stopping.abort();
  let startedAt = 0;
  card.uploading(0, 0, 0, giveUp);
  try {
    await info(); // asks for a key if one is needed
    const accepted = await sendGroup(files, readOptions(), (sent, total) => {
      startedAt ||= performance.now();
      card.uploading(sent, total, startedAt, giveUp);
    }, stopping.signal);
    shown.add(accepted.job_id);
    await card.accepted(accepted);
  } catch (error) {
    if (error.name === "AbortError") card.givenUp();
    else if (error instanceof ApiError) card.refused(error);
    else throw error;
  }
}

/** Jobs that were begun elsewhere, or before the page was opened anew. */
async function showRunning() {
  const found = await jobs(JOBS_LOOKED_AT).catch(() => ({ jobs: [] }));
  for (const job of found.jobs) {
    if (shown.has(job.id) || !["running", "paused"].includes(job.state)) continue;
    shown.add(job.id);
    newCard(nameOf(job)).accepted({ job_id: job.id, rejected: [] });
  }
}

function nameOf(job) {
  if (job.source.path) return job.source.path;
  return job.total ? t("add.items", { n: number(job.total) }) : dateTime(job.created_at);
}

function newCard(name) {
  const card = new JobCard(name, () => {
    told.textContent = `${name}: ${card.state.textContent}`;
    whenStored();
  });
  list.prepend(card.element);
  return card;
}

window.addEventListener("beforeunload", (event) => isSending() && event.preventDefault());
