// From files to jobs: small ones together in one form, a large one by itself; one after the other.

import { createJob, sendFile, sendForm } from "./api_jobs.js";

const FILES_PER_JOB = 200;
const BYTES_PER_JOB = 256 * 1024 * 1024;

let last = Promise.resolve();
let waiting = 0;

/** Whether something is still to be sent: it is lost if the page is left. */
export const isSending = () => waiting > 0;

/** Files as groups, each of which becomes a job. */
export function groups(files) {
  const found = [[]];
  let bytes = 0;
  for (const each of files) {
    const group = found.at(-1);
    if (group.length && (group.length >= FILES_PER_JOB || bytes + each.file.size > BYTES_PER_JOB)) {
      found.push([each]);
      bytes = each.file.size;
    } else {
      group.push(each);
      bytes += each.file.size;
    }
  }
  return found.filter((group) => group.length);
}

/** Send a group once those before it are sent; resolves to what the gateway says about the job. */
export function sendGroup(files, options, onProgress, signal) {
  waiting += 1;
  const sent = last.then(() => {
    signal.throwIfAborted();
    return isLarge(files) ? sendAlone(files[0], options, onProgress, signal) : sendForm(files, options, onProgress, signal);
  });
  last = sent.catch(() => {}).finally(() => (waiting -= 1));
  return sent;
}

const isLarge = (files) => files.length === 1 && files[0].file.size > BYTES_PER_JOB;

async function sendAlone({ name, file }, options, onProgress, signal) {
  const upload = await sendFile(file, onProgress, signal);
  return createJob([{ upload, name }], options);
}
