// Sends one file by tus 1.0, in pieces, and goes on where it was after whatever broke it off. Without the DOM: the
// requests and the waiting are passed in.
//
// How it ends:
//   { kind: "done" }                       the file is there
//   { kind: "conflict" }                   the name is taken, and somebody must decide
//   { kind: "full", message }              there is no room; the part stays
//   { kind: "skipped" }                    it was decided to leave the file out
//   { kind: "signed_out" }                 somebody must sign in first
//   { kind: "failed", message }            it makes no sense to try that again without a change

import { NetworkLoss, errorOf, fileUrl } from "./api.mjs";
import { FAILURES, LOST, retryAfter, retryOf } from "./backoff.mjs";
import { base64, bytesOf, bytesOfKey } from "./names.mjs";
import { isUnchanged, secondsOf } from "./upload_times.mjs";

/** The size of a piece: proxies that limit bodies pass it, and a cut costs at most one. */
export const PIECE = 16 * 1024 * 1024;

/** Files up to this size go with the request that creates the upload. */
const SMALL = 256 * 1024;

/** How often an upload begins anew because the server has lost its part. */
const RESTARTS = 3;

const PLACE = "/api/v1/uploads";
const VERSION = { "Tus-Resumable": "1.0.0" };
const BODY = { "Content-Type": "application/offset+octet-stream" };
const CHANGED = "This file has changed on your device, or cannot be read any more. Choose it again.";

/** Returns `Upload-Metadata` for a file. */
export function metadata(path, lastModified) {
  const pairs = [`path ${base64(bytesOfKey(path))}`];
  if (Number.isFinite(lastModified)) {
    pairs.push(`mtime ${base64(bytesOf(String(secondsOf(lastModified))))}`);
  }
  return pairs.join(",");
}

class Upload {
  #restarts = 0;
  #failures = 0;
  #attempt = 0;
  /** The most that the server has ever had: only what goes beyond it counts as progress. */
  #furthest = 0;
  /** Whether the reply to a creation was lost, so that nobody knows what it has done. */
  #isUnsure = false;

  /**
   * `job` has `path`, `file`, `size`, `uploadId`, `decision` and `signal`, and is told by `onUpload(id)`, `onProgress(bytes)` and
   * `onWait(sentence or null)`. `env` has `send(request)`, `wait(attempt, signal, atLeast)` and `find(path, size)`, which
   * returns the number of an unfinished upload. There may be no file if the server has all of it, and only the name is to be
   * decided.
   */
  constructor(job, env) {
    this.job = job;
    this.env = env;
    this.id = job.uploadId;
    /** How much the server has; null if it must be asked. */
    this.offset = this.id === null ? 0 : null;
  }

  async run() {
    const taken = await this.#isTaken();
    if (taken) return taken;
    for (;;) {
      this.job.signal.throwIfAborted();
      try {
        const end = await this.#step();
        if (end) return end;
      } catch (error) {
        if (!(error instanceof NetworkLoss)) throw error;
        if (!(await this.#isReadable())) return { kind: "failed", message: CHANGED };
        await this.#waitFor(LOST);
      }
    }
  }

  /** Asks before a large file is sent for nothing. Small ones are sent: that costs less than to ask. */
  async #isTaken() {
    const { size, decision } = this.job;
    if (this.id !== null || size <= PIECE || (decision && decision !== "skip")) return null;
    try {
      const there = await this.#there();
      if (there === null) return null;
      if (this.#isSame(there)) return { kind: "done" };
      return decision === "skip" ? { kind: "skipped" } : { kind: "conflict" };
    } catch (error) {
      if (error instanceof NetworkLoss) return null;
      throw error;
    }
  }

  /** Returns the size and the time of what has this name on the server; null if nothing has. */
  async #there() {
    const reply = await this.#send({ method: "HEAD", url: fileUrl(this.job.path) });
    if (reply.status < 200 || reply.status > 299) return null;
    const size = Number(reply.header("Content-Length") ?? NaN);
    return { size, mtime: secondsOf(Date.parse(reply.header("Last-Modified") ?? "")) };
  }

  #isSame(there) {
    return there !== null && this.job.file !== null && isUnchanged(this.job.file, there);
  }

  /** Makes one request. Returns the end, or nothing if the upload goes on. */
  async #step() {
    if (this.id === null) return this.#isUnsure ? this.#search() : this.#create();
    if (this.offset === null) return this.#ask();
    return this.#sendPiece();
  }

  async #create() {
    const { path, file } = this.job;
    const isSmall = file.size > 0 && file.size <= SMALL;
    if (isSmall && !(await this.#isReadable())) return { kind: "failed", message: CHANGED };
    const headers = {
      ...VERSION,
      ...(isSmall ? BODY : {}),
      "Upload-Length": String(file.size),
      "Upload-Metadata": metadata(path, file.lastModified),
    };
    let reply;
    try {
      reply = await this.#send({ method: "POST", url: PLACE, headers, body: isSmall ? file : null });
    } catch (error) {
      // The request may have arrived, and its reply may have been lost.
      this.#isUnsure = error instanceof NetworkLoss;
      throw error;
    }
    const place = reply.header("Location");
    if (place) this.#use(place.slice(place.lastIndexOf("/") + 1), this.#offsetOf(reply) ?? 0);
    if (reply.status === 201) return this.#arrived(this.offset);
    return this.#refused(reply);
  }

  /** Looks for what a creation has done whose reply was lost: it may have made a part, or the whole file. */
  async #search() {
    const { path, file } = this.job;
    const id = await this.env.find(path, file.size);
    if (id === null && this.#isSame(await this.#there())) return { kind: "done" };
    this.#isUnsure = false;
    if (id !== null) this.#use(id, null);
    return null;
  }

  async #ask() {
    const reply = await this.#send({ method: "HEAD", url: this.#place(), headers: VERSION });
    const offset = this.#offsetOf(reply);
    if (reply.status === 200 && offset !== null) {
      // The server publishes before it says that it has everything.
      return this.#arrived(offset);
    }
    if (reply.status === 423 && offset === this.job.size) return this.#decide();
    return this.#refused(reply);
  }

  async #sendPiece() {
    const { file } = this.job;
    if (!(await this.#isReadable())) return { kind: "failed", message: CHANGED };
    const headers = { ...VERSION, ...BODY, "Upload-Offset": String(this.offset) };
    const body = file.slice(this.offset, this.offset + PIECE);
    const { offset } = this;
    this.offset = null;
    const reply = await this.#send({
      method: "PATCH",
      url: this.#place(),
      headers,
      body,
      onProgress: (loaded) => this.#told(offset + Math.min(loaded, body.size)),
    });
    const now = this.#offsetOf(reply);
    if (reply.status === 204 && now !== null && now > offset) return this.#arrived(now);
    if (reply.status === 409 && now !== null && now < file.size) {
      // The server has another part of the file than was thought.
      this.#attempt += 1;
      if (this.#attempt > FAILURES) return this.#failure(reply);
      this.offset = now;
      this.#told(now);
      return null;
    }
    return this.#refused(reply);
  }

  /** Notes what the server has now. */
  #arrived(offset) {
    if (offset > this.#furthest) {
      this.#furthest = offset;
      this.#attempt = 0;
      this.#failures = 0;
    }
    this.offset = offset;
    this.#told(offset);
    return offset >= this.job.size ? { kind: "done" } : null;
  }

  async #refused(reply) {
    const error = errorOf(reply.status, reply.text);
    switch (reply.status) {
      case 401:
        return { kind: "signed_out" };
      case 404:
      case 410:
      case 460:
        // The part is gone; without one, the directory is.
        if (this.id === null || this.job.file === null || this.#restarts === RESTARTS) {
          return { kind: "failed", message: error.sentence };
        }
        this.#restarts += 1;
        this.#use(null, 0);
        this.#told(0);
        return null;
      case 409:
        return error.code === "conflict" ? this.#decide() : { kind: "failed", message: error.sentence };
      case 507:
        return { kind: "full", message: error.sentence };
      default:
        return this.#perhapsLater(reply, error);
    }
  }

  async #perhapsLater(reply, error) {
    const retry = retryOf(reply.status);
    this.#failures += retry === "some" ? 1 : 0;
    if (retry === "no" || this.#failures >= FAILURES) return { kind: "failed", message: error.sentence };
    await this.#waitFor(error.sentence, retryAfter(reply.header("Retry-After")));
    return null;
  }

  /** The part has all bytes, and its name is taken. */
  async #decide() {
    const { decision, size } = this.job;
    this.#told(size);
    if (this.id === null) return { kind: "conflict" };
    const isSame = !decision && this.#isSame(await this.#there());
    if (isSame || decision === "skip") {
      await this.#send({ method: "DELETE", url: this.#place(), headers: VERSION });
      return { kind: isSame ? "done" : "skipped" };
    }
    if (!decision) return { kind: "conflict" };
    const query = decision === "replace" ? "overwrite=true" : "rename=true";
    const reply = await this.#send({ method: "POST", url: `${this.#place()}/finish?${query}`, headers: VERSION });
    if (reply.status === 200) return { kind: "done" };
    // A reply that was lost: it was published the first time.
    if (reply.status === 410) return this.#ask();
    return reply.status === 409 ? this.#failure(reply) : this.#refused(reply);
  }

  #failure(reply) {
    return { kind: "failed", message: errorOf(reply.status, reply.text).sentence };
  }

  /** Waits before the next request, and asks the server then how far the upload is. */
  async #waitFor(sentence, atLeast = 0) {
    this.#attempt += 1;
    this.offset = this.id === null ? 0 : null;
    this.job.onWait?.(sentence);
    await this.env.wait(this.#attempt, this.job.signal, atLeast);
  }

  /** Whether the file still is what was chosen: a browser refuses to read one that has changed. */
  async #isReadable() {
    const { file } = this.job;
    if (file === null) return this.offset === null;
    const at = Math.min(this.offset ?? 0, Math.max(0, file.size - 1));
    try {
      await file.slice(at, at + 1).arrayBuffer();
      return true;
    } catch {
      return false;
    }
  }

  async #send(request) {
    const reply = await this.env.send({ ...request, signal: this.job.signal });
    this.job.onWait?.(null);
    return reply;
  }

  #use(id, offset) {
    this.id = id;
    this.offset = id === null ? 0 : offset;
    this.job.onUpload?.(id);
  }

  #told(offset) {
    this.job.onProgress?.(offset);
  }

  #offsetOf(reply) {
    const value = reply.header("Upload-Offset");
    return /^\d+$/.test(value ?? "") ? Number(value) : null;
  }

  #place() {
    return `${PLACE}/${this.id}`;
  }
}

/** Sends a file: see the constructor of `Upload`. */
export function upload(job, env) {
  return new Upload(job, env).run();
}

/** Removes the part of an upload that nobody wants any more. Without a link, that is tried again for some minutes. */
export async function discard(id, env) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const reply = await env.send({ method: "DELETE", url: `${PLACE}/${id}`, headers: VERSION });
      if ([204, 404, 410].includes(reply.status)) return;
      if (attempt === FAILURES || retryOf(reply.status) === "no") throw errorOf(reply.status, reply.text);
    } catch (error) {
      if (attempt === FAILURES || !(error instanceof NetworkLoss)) throw error;
    }
    await env.wait(attempt);
  }
}
