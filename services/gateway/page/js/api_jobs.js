// Jobs and uploads as the page uses them.

import { ApiError, authorization, events, getJson, keyAskedFor, request, seconds } from "./api.js";

const at = (id, rest = "") => `/v1/jobs/${encodeURIComponent(id)}${rest}`;
const post = (path, body) =>
  getJson(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

/** What is shown of a job's failures at once. */
export const SHOWN_FAILURES = 50;

export const jobs = (limit) => getJson(`/v1/jobs?limit=${limit}`);
export const failures = (id) => getJson(at(id, `/failures?limit=${SHOWN_FAILURES}`));
export const pauseJob = (id) => post(at(id, "/pause"), {});
export const resumeJob = (id) => post(at(id, "/resume"), {});
export const cancelJob = (id) => post(at(id, "/cancel"), {});
export const retryJob = (id, asked = {}) => post(at(id, "/retry"), asked);
export const createJob = (items, options) => post("/v1/jobs", { items, options });

/** Hear how a job goes on; resolves to whether it came to its end. */
export async function listen(id, hear) {
  const response = await request(at(id, "/events"), { headers: { accept: "text/event-stream" } });
  for await (const [event, data] of events(response.body)) {
    if (event === "error") throw new ApiError(data);
    hear(data);
    if (event === "done") return true;
  }
  return false;
}

/** Send files as one job; `files` are `{name, file}`. */
export function sendForm(files, options, onProgress, signal) {
  const form = new FormData();
  for (const { name, file } of files) form.append("files", file, name);
  form.append("options", new Blob([JSON.stringify(options)], { type: "application/json" }));
  return send("POST", "/v1/jobs", form, onProgress, signal);
}

/** Send one large file; resolves to its digest, for a job to name. */
export async function sendFile(file, onProgress, signal) {
  return (await send("PUT", "/v1/uploads", file, onProgress, signal)).sha256;
}

/** fetch cannot tell how far an upload is, XMLHttpRequest can. */
function send(method, path, body, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open(method, path);
    for (const [name, value] of Object.entries(authorization())) sending.setRequestHeader(name, value);
    if (body instanceof Blob) sending.setRequestHeader("content-type", "application/octet-stream");
    sending.responseType = "json";
    sending.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded, event.total);
    sending.onload = () => {
      const problem = sending.response ?? { code: "unreadable", detail: `HTTP ${sending.status}` };
      if (sending.status < 300) resolve(sending.response);
      else if (sending.status === 401) resolve(keyAskedFor(problem).then(() => send(method, path, body, onProgress, signal)));
      else reject(new ApiError(problem, seconds(sending.getResponseHeader("retry-after"))));
    };
    sending.onerror = () => reject(new ApiError({ code: "network" }));
    sending.onabort = () => reject(new DOMException("given up", "AbortError"));
    signal.addEventListener("abort", () => sending.abort());
    sending.send(body);
  });
}
