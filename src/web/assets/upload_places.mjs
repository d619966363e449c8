// The directories that uploads go to: makes those that were dropped, and knows which files are there already. Without
// the DOM: the requests and the waiting are passed in. Each request is made again until the server has answered it.

import { NetworkLoss, directoryUrl, errorOf, listUrl, listingOf } from "./api.mjs";
import { FAILURES, LOST, retryAfter, retryOf } from "./backoff.mjs";
import { lastName, parent } from "./names.mjs";
import { isUnchanged } from "./upload_times.mjs";

/** The entries that are read with one request, and the most of one directory: what stands behind them is sent. */
const PART = 2000;
const MOST = 10_000;

/** The most directories whose entries are kept. */
const MOST_LISTED = 100;

/** Names that are not known. */
const NOTHING = new Map();

export class UploadPlaces {
  #env;
  #on;
  #dropped = new Set();
  /** The making of each dropped directory, as a promise, and those whose making has failed. */
  #made = new Map();
  #failed = new Set();
  /** What each directory has, as a promise of a map of names. */
  #listed = new Map();
  /** Directories are made one after another, so that a lost link is tried once at a time. */
  #last = Promise.resolve();
  #abort = new AbortController();

  /**
   * `env` has `send(request)` and `wait(attempt, signal, atLeast)`. `wait(path, sentence or null)` of `on` is called
   * while the server cannot be asked about a directory, and `made(path)` when one is there.
   */
  constructor(env, on) {
    this.#env = env;
    this.#on = on;
  }

  /** Notes that something was dropped into a directory: what it has is looked up anew. */
  look(path) {
    this.#listed.delete(path);
  }

  /** Makes a directory that was dropped, after those above it. Ends when it is there. */
  make(path) {
    this.look(path);
    this.#dropped.add(path);
    this.#made.delete(path);
    return this.ready(path);
  }

  /** Waits until a directory is there; one that nobody has dropped is. */
  ready(path) {
    if (!this.#dropped.has(path)) return Promise.resolve();
    const known = this.#made.get(path);
    if (known) return known;
    this.#failed.delete(path);
    const above = this.ready(parent(path));
    // It is waited for when it is its turn.
    above.catch(() => {});
    const { signal } = this.#abort;
    const made = this.#last.then(async () => {
      await above;
      await this.#make(path, signal);
    });
    this.#made.set(path, made);
    this.#last = made.catch(() => {
      if (this.#made.get(path) === made) this.#failed.add(path);
    });
    return made;
  }

  /** Lets a directory be made again whose making has failed, and those above it. */
  retry(path) {
    for (let at = path; this.#dropped.has(at); at = parent(at)) {
      if (this.#failed.delete(at)) this.#made.delete(at);
    }
  }

  /** Whether this file is there already: the same size, and the same time to the second. */
  async has(path, file) {
    const names = await this.#names(parent(path));
    const known = names.get(lastName(path));
    return known?.kind === "file" && isUnchanged(file, known);
  }

  /** Forgets all directories; what is under way goes on. */
  forget() {
    for (const known of [this.#dropped, this.#made, this.#failed, this.#listed]) known.clear();
  }

  /** Ends what is under way, and forgets all directories. */
  stop() {
    this.#abort.abort();
    this.#abort = new AbortController();
    this.forget();
  }

  async #make(path, signal) {
    const reply = await this.#answer(path, { method: "PUT", url: directoryUrl(path), signal });
    // It is there already, perhaps since a request whose reply was lost.
    const isThere = reply.status === 409;
    const isNew = reply.status >= 200 && reply.status <= 299;
    if (!isThere && !isNew) throw errorOf(reply.status, reply.text);
    if (isNew) this.#keep(path, Promise.resolve(NOTHING));
    this.#on.made(path);
  }

  /** Returns what a directory has, and asks for it once. */
  #names(path) {
    const known = this.#listed.get(path);
    if (known) return known;
    const names = this.#read(path, this.#abort.signal);
    this.#keep(path, names);
    return names;
  }

  async #read(path, signal) {
    const names = new Map();
    let after = null;
    do {
      const url = listUrl(path, { after, limit: PART });
      const headers = { Accept: "application/json", "Cache-Control": "no-cache" };
      const reply = await this.#answer(path, { method: "GET", url, headers, signal });
      // Whoever may not look may send all the same.
      if (reply.status !== 200) return NOTHING;
      const { entries, next } = listingOf(JSON.parse(reply.text));
      for (const { key, kind, size, mtime } of entries) names.set(key, { kind, size, mtime });
      after = entries.length > 0 ? next : null;
    } while (after !== null && names.size < MOST);
    return names;
  }

  #keep(path, names) {
    this.#listed.delete(path);
    this.#listed.set(path, names);
    if (this.#listed.size > MOST_LISTED) this.#listed.delete(this.#listed.keys().next().value);
  }

  /** Makes a request until the server has answered it. */
  async #answer(path, request) {
    let failures = 0;
    for (let attempt = 1; ; attempt += 1) {
      let sentence = LOST;
      let atLeast = 0;
      try {
        const reply = await this.#env.send(request);
        const retry = retryOf(reply.status);
        failures += retry === "some" ? 1 : 0;
        if (retry === "no" || failures >= FAILURES) {
          if (attempt > 1) this.#on.wait(path, null);
          return reply;
        }
        sentence = errorOf(reply.status, reply.text).sentence;
        atLeast = retryAfter(reply.header("Retry-After"));
      } catch (error) {
        if (!(error instanceof NetworkLoss)) throw error;
      }
      this.#on.wait(path, sentence);
      await this.#env.wait(attempt, request.signal, atLeast);
    }
  }
}
