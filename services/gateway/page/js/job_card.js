// One job in the list: what it is, how far, how fast, how long yet; what went wrong; and what one can do about it.

import { ApiError } from "./api.js";
import { cancelJob, failures, pauseJob, resumeJob, retryJob } from "./api_jobs.js";
import { h } from "./dom.js";
import { bytes, duration, number, percent, t } from "./i18n.js";
import { followJob } from "./job_follow.js";
import { explain } from "./trouble.js";

const LOOK_AGAIN_MS = 4000;

export class JobCard {
  /** `whenEnded` is called each time the job comes to its end. */
  constructor(name, whenEnded) {
    this.name = name;
    this.whenEnded = whenEnded;
    this.rejected = [];
    this.failed = [];
    this.failedCount = 0;
    this.incomplete = 0;
    this.lookedAt = 0;
    this.state = h("span", { class: "state" });
    this.bar = h("progress", { max: "1", "aria-label": name });
    this.pace = h("span", { class: "pace" });
    this.actions = h("span", { class: "job-actions" });
    this.reasons = h("div", { class: "failures" });
    this.element = h(
      "li",
      { class: "job" },
      h("div", { class: "job-head" }, h("strong", { title: name }, name), this.state),
      this.bar,
      h("div", { class: "job-foot" }, this.pace, this.actions),
      this.reasons,
    );
  }

  /** Files are on their way; `giveUp` ends that. */
  uploading(sent, total, startedAt, giveUp) {
    this.element.dataset.state = "uploading";
    this.bar.value = total ? sent / total : 0;
    this.say(sent < total || !total ? t("add.uploading", { percent: percent(total ? sent / total : 0) }) : t("add.received"));
    this.pace.textContent = sent ? uploadPace(sent, total, (performance.now() - startedAt) / 1000) : "";
    this.offer([["add.cancel", giveUp]]);
  }

  /** The gateway has accepted it; follow it to its end. */
  async accepted({ job_id: id, rejected }) {
    this.id = id;
    this.rejected = rejected;
    this.show();
    this.say(t("add.waiting"));
    this.bar.removeAttribute("value");
    this.pace.textContent = "";
    await this.follow();
  }

  async follow() {
    try {
      await followJob(this.id, (state) => this.update(state));
      await this.lookAtFailures();
      this.whenEnded();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.trouble(error);
    }
  }

  update(job) {
    this.element.dataset.state = job.state;
    const done = job.total - job.pending;
    if (job.listed && job.total) this.bar.value = done / job.total;
    else if (job.state === "running") this.bar.removeAttribute("value");
    this.say(sentence(job, done, this.rejected.length));
    this.pace.textContent = jobPace(job);
    this.failedCount = job.failed;
    this.incomplete = job.incomplete;
    this.offer(this.choices(job));
    if (job.failed > this.failed.length && performance.now() - this.lookedAt > LOOK_AGAIN_MS) this.lookAtFailures();
  }

  /** Nothing was accepted. */
  refused(error) {
    this.element.dataset.state = "refused";
    this.bar.hidden = true;
    this.say(t("add.none"));
    this.pace.textContent = "";
    this.offer([]);
    this.rejected = error.problem.rejected ?? [];
    if (this.rejected.length) this.show();
    else this.trouble(error);
  }

  /** Given up before all of it was sent. */
  givenUp() {
    this.element.dataset.state = "cancelled";
    this.bar.hidden = true;
    this.say(t("add.cancelled"));
    this.pace.textContent = "";
    this.offer([]);
  }

  choices(job) {
    if (job.state === "running") return [["add.pause", () => pauseJob(this.id)], ["add.cancel", () => cancelJob(this.id)]];
    if (job.state === "paused") return [["add.resume", () => resumeJob(this.id)], ["add.cancel", () => cancelJob(this.id)]];
    if (job.state !== "done") return [];
    const found = [];
    if (this.failed.some((failure) => failure.attempts > 0)) found.push(["add.retry", () => this.retry()]);
    if (this.incomplete) found.push(["add.complete", () => this.retry({ incomplete: true })]);
    return found;
  }

  async retry(asked) {
    const { job } = await retryJob(this.id, asked);
    this.failed = [];
    this.show();
    this.update({ ...job, rate_per_s: null, eta_s: null });
    this.follow();
  }

  async lookAtFailures() {
    this.lookedAt = performance.now();
    if (!this.failedCount) return;
    this.failed = (await failures(this.id)).failures;
    this.show();
    if (this.element.dataset.state === "done") this.offer(this.choices({ state: "done" }));
  }

  offer(choices) {
    const wanted = choices.map(([key]) => key).join();
    if (this.actions.dataset.offered === wanted) return;
    this.actions.dataset.offered = wanted;
    this.actions.replaceChildren(...choices.map(([key, act]) => this.button(key, act)));
  }

  button(key, act) {
    const button = h("button", { type: "button", class: "small" }, t(key));
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await act();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        button.disabled = false;
        this.trouble(error);
      }
    });
    return button;
  }

  show() {
    const shown = [...this.rejected, ...this.failed];
    const more = this.rejected.length + this.failedCount - shown.length;
    this.reasons.replaceChildren(
      ...(shown.length ? [h("ul", {}, shown.map(refusal))] : []),
      ...(more > 0 && shown.length ? [h("p", { class: "more" }, t("add.more", { n: number(more) }))] : []),
    );
  }

  trouble(error) {
    this.reasons.replaceChildren(h("ul", {}, refusal({ name: this.name, message: explain(error) })));
  }

  say(text) {
    if (this.state.textContent !== text) this.state.textContent = text;
  }
}

function sentence(job, done, rejected) {
  const failed = job.failed + rejected;
  if (job.state === "cancelled") return t("add.cancelled_at", { n: number(job.stored) });
  if (job.state === "done") {
    const n = number(job.total - job.failed - job.skipped);
    const ended = failed ? t("add.some", { n, failed: number(failed) }) : t("add.done", { n });
    const skipped = job.skipped ? t("add.skipped", { n: number(job.skipped) }) : "";
    const incomplete = job.incomplete ? t("add.incomplete", { n: number(job.incomplete) }) : "";
    return [ended, skipped, incomplete].filter(Boolean).join(" · ");
  }
  if (!job.total) return t(job.listed ? "add.waiting" : "add.reading");
  const parts = { done: number(done), total: number(job.total) };
  if (job.state === "paused") return t("add.paused", parts);
  if (!job.listed) return t("add.listing", parts);
  return done ? t("add.running", parts) : t("add.waiting");
}

function jobPace(job) {
  if (job.state !== "running") return "";
  const parts = [];
  if (job.rate_per_s) parts.push(t("add.rate", { n: number(job.rate_per_s, { maximumFractionDigits: job.rate_per_s < 10 ? 1 : 0 }) }));
  if (job.eta_s && job.listed) parts.push(t("add.left", { time: duration(job.eta_s) }));
  return parts.join(" · ");
}

function uploadPace(sent, total, elapsedS) {
  const parts = [t("add.sent", { sent: bytes(sent), total: bytes(total) })];
  if (elapsedS > 1 && sent < total) {
    const rate = sent / elapsedS;
    parts.push(t("add.speed", { speed: bytes(rate) }), t("add.left", { time: duration((total - sent) / rate) }));
  }
  return parts.join(" · ");
}

const refusal = ({ name, message }) =>
  h("li", {}, h("span", { class: "name" }, name), " ", h("span", { class: "reason" }, message));
