// The REST interface as the page uses it. Every failure is an ApiError.

const KEPT_KEY = "imagerag.key";
let askForKey = null;

/** What the gateway (or the network) said instead of an answer. */
export class ApiError extends Error {
  constructor(problem, retryAfterS = 0) {
    super(problem.detail ?? "");
    this.code = problem.code;
    this.retryAfterS = retryAfterS;
    this.requestId = problem.request_id ?? "";
    this.problem = problem;
  }
}

/** `ask` shows a dialog and resolves once a key was entered; it is told why the key before was refused, if it was. */
export const onKeyNeeded = (ask) => (askForKey = ask);
export const saveKey = (key) => sessionStorage.setItem(KEPT_KEY, key);
export const hasKey = () => Boolean(sessionStorage.getItem(KEPT_KEY));

function authorization() {
  const key = sessionStorage.getItem(KEPT_KEY);
  return key ? { authorization: `Bearer ${key}` } : {};
}

/** fetch with the key; asks for one on 401, then tries again. */
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options.headers, ...authorization() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError({ code: "network" });
  }
  if (response.status === 401 && askForKey) {
    const sentKey = hasKey();
    const { detail } = await problemOf(response);
    await askForKey(sentKey ? detail : "");
    return request(path, options);
  }
  if (!response.ok) throw new ApiError(await problemOf(response), seconds(response.headers.get("retry-after")));
  return response;
}

const seconds = (text) => Number.parseInt(text ?? "", 10) || 0;

async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return { code: "unreadable", detail: `HTTP ${response.status}` };
  }
}

const getJson = async (path, options) => (await request(path, options)).json();

export const info = () => getJson("/v1/info");
export const facets = (field) => getJson(`/v1/facets?field=${encodeURIComponent(field)}`);
export const job = (id) => getJson(`/v1/jobs/${encodeURIComponent(id)}`);
export const failures = (id) => getJson(`/v1/jobs/${encodeURIComponent(id)}/failures?limit=50`);

/** Search; `picture` is a Blob or null. */
export async function search(query, picture, signal) {
  return getJson("/v1/search", { method: "POST", signal, ...body(query, picture) });
}

/** Ask; calls `on[event](data)` for every event of the stream. */
export async function ask(query, picture, signal, on) {
  const sent = body(query, picture);
  const headers = { ...sent.headers, accept: "text/event-stream" };
  const response = await request("/v1/ask", { method: "POST", signal, ...sent, headers });
  for await (const [event, data] of events(response.body)) on[event]?.(data);
}

function body(query, picture) {
  const json = JSON.stringify(query);
  if (!picture) return { headers: { "content-type": "application/json" }, body: json };
  const form = new FormData();
  form.append("image", picture, picture.name ?? "picture");
  form.append("query", new Blob([json], { type: "application/json" }));
  return { body: form };
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new ApiError({ code: "network" });
    });
    if (done) return;
    waiting += value;
    const complete = waiting.split("\n\n");
    waiting = complete.pop();
    for (const block of complete) {
      const event = /^event: (.*)$/mu.exec(block)?.[1];
      const data = /^data: (.*)$/mu.exec(block)?.[1];
      if (event && data) yield [event, JSON.parse(data)];
    }
  }
}

/** Send files as one job. fetch cannot tell how far an upload is, XMLHttpRequest can. */
export function upload(files, onProgress) {
  const form = new FormData();
  for (const file of files) form.append("files", file, file.name);
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("POST", "/v1/jobs");
    for (const [name, value] of Object.entries(authorization())) sending.setRequestHeader(name, value);
    sending.responseType = "json";
    sending.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    sending.onload = () => {
      const problem = sending.response ?? { code: "unreadable", detail: `HTTP ${sending.status}` };
      if (sending.status === 202) resolve(sending.response);
      else if (sending.status === 401 && askForKey) resolve(askForKey(problem.detail).then(() => upload(files, onProgress)));
      else reject(new ApiError(problem, seconds(sending.getResponseHeader("retry-after"))));
    };
    sending.onerror = () => reject(new ApiError({ code: "network" }));
    sending.send(form);
  });
}

/** A picture of an item as a Blob. */
export const pictureBlob = async (item, size) => (await request(`${item.image_url}?size=${size}`)).blob();
