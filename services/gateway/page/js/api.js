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

/** The header that presents the key. */
export function authorization() {
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
  if (response.status === 401) {
    await keyAskedFor(await problemOf(response));
    return request(path, options);
  }
  if (!response.ok) throw new ApiError(await problemOf(response), seconds(response.headers.get("retry-after")));
  return response;
}

/** Resolves once a key was entered, in place of the one that was refused with `problem`, if there was one. */
export async function keyAskedFor(problem) {
  if (!askForKey) throw new ApiError(problem);
  await askForKey(hasKey() ? problem.detail : "");
}

export const seconds = (text) => Number.parseInt(text ?? "", 10) || 0;

async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return { code: "unreadable", detail: `HTTP ${response.status}` };
  }
}

export const getJson = async (path, options) => (await request(path, options)).json();

export const info = () => getJson("/v1/info");
export const facets = (field) => getJson(`/v1/facets?field=${encodeURIComponent(field)}`);

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

/** The events of a stream, as pairs of name and data. */
export async function* events(stream) {
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

/** A picture of an item as a Blob. */
export const pictureBlob = async (item, size) => (await request(`${item.image_url}?size=${size}`)).blob();
