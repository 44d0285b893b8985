// Follows jobs to their end; a gateway that restarts or a network that drops is waited out.

import { ApiError } from "./api.js";
import { listen } from "./api_jobs.js";

const AT_ONCE = 3; // a browser opens six connections to one place, and others need them too
const PAUSE_MS = 1000;

let following = 0;
const turns = [];

/** Calls `hear(state)` with every state of the job; resolves when it is done or cancelled. */
export async function followJob(id, hear) {
  await turn();
  try {
    while (!(await heardToTheEnd(id, hear))) await rest(PAUSE_MS);
  } finally {
    following -= 1;
    turns.shift()?.();
  }
}

async function heardToTheEnd(id, hear) {
  try {
    return await listen(id, hear);
  } catch (error) {
    if (!(error instanceof ApiError) || !(error.problem.retryable || error.code === "network")) throw error;
    await rest(error.retryAfterS * 1000);
    return false;
  }
}

async function turn() {
  if (following >= AT_ONCE) await new Promise((resolve) => turns.push(resolve));
  following += 1;
}

const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
