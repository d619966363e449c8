// When the files of unfinished uploads were last changed, kept in the browser, so that a file that has changed since is not
// put together from two versions. The server knows the sizes alone.

const KEPT = "upload-times";

/** The most uploads that are remembered: as many as a user may have unfinished. The oldest are forgotten first. */
const MOST = 1000;

/** Returns the time of a file as servers know it: to the second. */
export function secondsOf(lastModified) {
  return Math.floor(lastModified / 1000);
}

/** Whether a server has this file already: the same size, and the same time to the second. */
export function isUnchanged(file, { size, mtime }) {
  return file.size === size && secondsOf(file.lastModified) === mtime;
}

export class KnownTimes {
  #times;

  constructor(storage = globalThis.localStorage) {
    this.storage = storage;
    try {
      this.#times = new Map(JSON.parse(storage.getItem(KEPT) ?? "[]"));
    } catch {
      this.#times = new Map();
    }
  }

  /** Returns the time of an upload's file; null if it is not known. */
  of(uploadId) {
    return this.#times.get(uploadId) ?? null;
  }

  note(uploadId, lastModified) {
    this.#times.set(uploadId, lastModified);
    if (this.#times.size > MOST) this.#times.delete(this.#times.keys().next().value);
    this.#keep();
  }

  forget(uploadId) {
    if (uploadId !== null && this.#times.delete(uploadId)) this.#keep();
  }

  #keep() {
    try {
      this.storage.setItem(KEPT, JSON.stringify([...this.#times]));
    } catch {
      // Without storage the size alone must do.
    }
  }
}
