// Adding pictures: each drop becomes a job, shown until it is done.

import { ApiError, failures, info, job, upload } from "./api.js";
import { byId, h, icon } from "./dom.js";
import { number, percent, t } from "./i18n.js";
import { closing } from "./item_dialog.js";
import { explain } from "./trouble.js";

const FILES_PER_JOB = 200;
const BYTES_PER_JOB = 256 * 1024 * 1024;
const LOOK_EVERY_MS = 600;

let list = null;
let whenStored = () => {};

export const onStored = (listener) => (whenStored = listener);

/** Show the dialog. */
export function openAdd() {
  const dialog = byId("add-dialog");
  if (!list) build(dialog);
  if (!dialog.open) dialog.showModal();
}

/** Show the dialog and take the files in. */
export function addFiles(files) {
  openAdd();
  for (const group of groups([...files])) follow(group);
}

/** The dialog's sentences in another language; entries of finished jobs stay as they are. */
export function rebuildAdd() {
  if (list) build(byId("add-dialog"));
}

function build(dialog) {
  const chooser = h("input", { type: "file", accept: "image/*", multiple: true, hidden: true, id: "add-files" });
  chooser.addEventListener("change", () => {
    addFiles(chooser.files);
    chooser.value = "";
  });
  list ??= h("ul", { class: "jobs", "aria-live": "polite" });
  const area = h(
    "button",
    { type: "button", class: "drop-area", id: "drop-area", onclick: () => chooser.click() },
    icon("picture"),
    h("strong", {}, t("add.drop")),
    h("span", {}, t("add.or")),
  );
  dialog.replaceChildren(
    h("div", { class: "dialog-head" }, h("h2", { id: "add-title" }, t("add.title")), h("button", closing(dialog), icon("close"))),
    h("div", { class: "add-body" }, area, chooser, list),
  );
}

function groups(files) {
  const found = [[]];
  let bytes = 0;
  for (const file of files) {
    const last = found.at(-1);
    if (last.length && (last.length >= FILES_PER_JOB || bytes + file.size > BYTES_PER_JOB)) {
      found.push([file]);
      bytes = file.size;
    } else {
      last.push(file);
      bytes += file.size;
    }
  }
  return found.filter((group) => group.length);
}

async function follow(files) {
  const entry = newEntry(files);
  try {
    await info(); // asks for a key if one is needed
    const accepted = await upload(files, (share) => entry.uploading(share));
    entry.refuse(accepted.rejected);
    await watch(accepted, entry);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    entry.fail(error);
  }
}

async function watch(accepted, entry) {
  for (;;) {
    const state = await job(accepted.job_id).catch(notNow);
    if (state.state) entry.update(state, accepted.rejected.length);
    if (state.state && (state.state !== "running" || state.pending === 0)) break;
    await new Promise((resolve) => setTimeout(resolve, Math.max(LOOK_EVERY_MS, (state.retryAfterS ?? 0) * 1000)));
  }
  const failed = (await failures(accepted.job_id)).failures;
  entry.refuse([...accepted.rejected, ...failed]);
  whenStored();
}

/** The job goes on whether or not one look at it succeeds. */
function notNow(error) {
  if (error instanceof ApiError && error.problem.retryable) return { retryAfterS: error.retryAfterS };
  throw error;
}

function newEntry(files) {
  const name = files.length === 1 ? files[0].name : t("add.job", { n: number(files.length) });
  const state = h("span", { class: "state" }, t("add.uploading", { percent: percent(0) }));
  const bar = h("progress", { max: "1", value: "0", "aria-label": name });
  const reasons = h("ul", { class: "failures" });
  list.prepend(h("li", { class: "job" }, h("div", { class: "job-head" }, h("strong", {}, name), state), bar, reasons));
  return {
    uploading(share) {
      bar.value = share / 2;
      state.textContent = share < 1 ? t("add.uploading", { percent: percent(share) }) : t("add.waiting");
    },
    update(progress, rejected) {
      const done = progress.total - progress.pending;
      bar.value = 0.5 + done / progress.total / 2;
      state.textContent = sentence(progress, done, rejected);
    },
    refuse(refused) {
      reasons.replaceChildren(...refused.map(refusal));
    },
    fail(error) {
      bar.hidden = true;
      state.textContent = t("add.none");
      const rejected = error.problem.rejected ?? [];
      reasons.replaceChildren(...(rejected.length ? rejected : [{ name, message: explain(error) }]).map(refusal));
    },
  };
}

function sentence(progress, done, rejected) {
  if (progress.state === "cancelled") return t("add.cancelled");
  if (progress.pending > 0) {
    return done ? t("add.running", { done: number(done), total: number(progress.total) }) : t("add.waiting");
  }
  const failed = progress.failed + rejected;
  const n = number(progress.total - progress.failed);
  return failed ? t("add.some", { n, failed: number(failed) }) : t("add.done", { n });
}

const refusal = ({ name, message }) =>
  h("li", {}, h("span", { class: "name" }, name), " ", h("span", { class: "reason" }, message));
