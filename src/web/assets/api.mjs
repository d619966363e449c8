// Requests to the API, with errors as sentences. Reading is tried again when the link is lost; what changes something is
// not, because nobody knows whether it was done.

import { beforeAttempt, retryAfter } from "./backoff.mjs";
import { jsonPath, keyOfJson, pathOfJson } from "./names.mjs";

const API = "/api/v1";

/** How often reading is tried. */
const ATTEMPTS = 4;

/** An answer of the server that is not the one that was asked for. */
export class ApiError extends Error {
  constructor(status, { code = "unknown", message = "", hint = null } = {}) {
    super(message || `The server answered with status ${status}.`);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.hint = hint;
  }

  /** The sentence and what to do next. */
  get sentence() {
    return sentence(this.message, this.hint);
  }
}

/** The link was lost, or the server did not answer. */
export class NetworkLoss extends Error {
  constructor() {
    super("The server cannot be reached. Check the network, then try again.");
    this.name = "NetworkLoss";
  }

  get sentence() {
    return this.message;
  }
}

/** Returns a sentence of the server, which begins with a small letter and has no full stop, as people write it. */
export function sentence(message, hint) {
  const whole = (text) => {
    const first = text.charAt(0).toUpperCase() + text.slice(1);
    return /[.!?…]$/.test(first) ? first : `${first}.`;
  };
  return [message, hint].filter(Boolean).map(whole).join(" ");
}

/** Returns the error that a response stands for. */
export function errorOf(status, text) {
  try {
    return new ApiError(status, JSON.parse(text).error);
  } catch {
    return new ApiError(status);
  }
}

let signedOut = () => {};

/** Says what happens when a request finds that nobody is signed in any more. */
export function onSignedOut(listener) {
  signedOut = listener;
}

/** Tells the page that nobody is signed in any more. */
export function noteSignedOut() {
  signedOut();
}

async function once(method, url, { json, signal }) {
  const headers = { Accept: "application/json" };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const body = json === undefined ? undefined : JSON.stringify(json);
  try {
    return await fetch(url, { method, headers, body, signal, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new NetworkLoss();
  }
}

/** Makes a request, and returns its response if that is good. */
export async function request(method, url, options = {}) {
  const isRead = method === "GET" || method === "HEAD";
  for (let attempt = 1; ; attempt += 1) {
    const mayRepeat = isRead && attempt < ATTEMPTS;
    let atLeast = 0;
    try {
      const response = await once(method, url, options);
      if (response.ok) return response;
      if (response.status === 401) noteSignedOut();
      atLeast = retryAfter(response.headers.get("Retry-After"));
      if (!mayRepeat || response.status !== 503) throw errorOf(response.status, await response.text());
    } catch (error) {
      if (!mayRepeat || !(error instanceof NetworkLoss)) throw error;
    }
    await beforeAttempt(attempt, options.signal, atLeast);
  }
}

/** Returns the address of a file; of a directory, with a slash at the end. */
export function fileUrl(path, isDirectory = false) {
  return `${API}/files${path}${isDirectory && path !== "/" ? "/" : ""}`;
}

/** Returns the address of an archive of a file or directory. */
export function archiveUrl() {
  return `${API}/archive`;
}

/** Returns an entry of a listing, as the modules have it. */
function entryOf(json) {
  return {
    key: keyOfJson(json.name, json.name_b64),
    kind: json.kind,
    size: json.size,
    mtime: json.mtime,
  };
}

/** Returns the address of a part of a directory. `after`, `limit`, `sort`, `order` and `filter` may be absent. */
export function listUrl(path, asked = {}) {
  const query = new URLSearchParams({ list: "" });
  for (const name of ["after", "limit", "sort", "order", "filter"]) {
    if (asked[name]) query.set(name, asked[name]);
  }
  return `${fileUrl(path, true)}?${query}`;
}

/** Returns a part of a directory, as the modules have it. */
export function listingOf(json) {
  return {
    path: pathOfJson(json.path, json.path_b64),
    entries: json.entries.map(entryOf),
    next: json.next ?? null,
    may: json.may,
    usage: json.usage,
  };
}

/** Reads a part of a directory. */
export async function list(path, { signal, ...asked } = {}) {
  const response = await request("GET", listUrl(path, asked), { signal });
  return listingOf(await response.json());
}

/** Returns the address that makes a directory. */
export function directoryUrl(path) {
  return `${fileUrl(path, true)}?directory`;
}

/** Makes a directory. */
export function makeDirectory(path, signal) {
  return request("PUT", directoryUrl(path), { signal });
}

/** Removes a file, or a directory with all that is in it. */
export function remove(path, isDirectory) {
  return request("DELETE", `${fileUrl(path)}${isDirectory ? "?recursive" : ""}`);
}

/** Renames or moves. Without `replace`, a taken name is an error with the code "conflict". */
export function rename(path, target, replace = false) {
  return request("PATCH", fileUrl(path), { json: { ...jsonPath(target, "rename"), replace } });
}

/** Returns the digest of a file in hexadecimal digits. */
export async function hash(path, algorithm, signal) {
  const response = await request("GET", `${fileUrl(path)}?hash=${algorithm}`, { signal });
  return (await response.json()).hex;
}

/** Returns the unfinished uploads of the user. */
export async function unfinishedUploads() {
  const response = await request("GET", `${API}/uploads`);
  const { uploads } = await response.json();
  return uploads.map((upload) => ({
    uploadId: upload.id,
    path: pathOfJson(upload.path, upload.path_b64),
    size: upload.size,
    offset: upload.offset,
  }));
}

/** Returns the first bytes of a file as a response. */
export function firstBytes(path, count, signal) {
  const headers = { Range: `bytes=0-${count - 1}` };
  return fetch(`${fileUrl(path)}?inline`, { headers, signal, credentials: "same-origin" });
}
