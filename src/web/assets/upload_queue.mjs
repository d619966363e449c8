// The queue of uploads: which file is sent next, what state each one is in, and the sums for the panel. Without the DOM,
// the network and a clock; uploads.mjs does what the states demand.
//
// States of an item:
//   waiting   will be sent when its turn comes
//   sending   is being sent; `isOffline` says that the link is lost and the upload waits for it
//   paused    the user has stopped it
//   asking    the name is taken: somebody must decide
//   full      there is no room: the part stays on the server until somebody tries again
//   failed    the server has refused it, or the file cannot be read
//   missing   the server has a part from before, and the browser does not have the file: it must be chosen again
//   done, skipped   the end; `wasThere` says that the server had the file already, so nothing was sent

/** The number of files that are sent at once. */
export const PARALLEL = 3;

/** What each event makes of each state. What is not named here leaves the state as it is. */
const TRANSITIONS = {
  start: { waiting: "sending" },
  pause: { waiting: "paused", sending: "paused" },
  resume: { paused: "waiting" },
  retry: { full: "waiting", failed: "waiting", paused: "waiting" },
  conflict: { sending: "asking" },
  decide: { asking: "waiting" },
  skip: { asking: "skipped", waiting: "skipped", sending: "skipped" },
  full: { sending: "full" },
  fail: { sending: "failed" },
  attach: { missing: "waiting", failed: "waiting", full: "waiting", paused: "waiting" },
  done: { sending: "done" },
  found: { sending: "done" },
};

const ENDED = new Set(["done", "skipped"]);

/** Whether nothing more happens to an item in this state. */
export function isEnded(state) {
  return ENDED.has(state);
}

/** Returns the state that an event leads to. */
export function next(state, event) {
  return TRANSITIONS[event]?.[state] ?? state;
}

/** Whether two versions of a file are the same, as far as a browser can tell. */
export function isSameFile(known, file) {
  return (
    known.size === file.size &&
    (known.lastModified === null || file.lastModified === null || known.lastModified === file.lastModified)
  );
}

export class UploadQueue {
  #items = new Map();
  #byPath = new Map();
  #waiting = [];
  #sending = new Set();
  #next = 1;
  #sums = { files: 0, ended: 0, there: 0, bytes: 0, sent: 0 };
  /** What was decided about taken names for all that follow: "replace", "rename", "skip", or null. */
  decisionForAll = null;

  get items() {
    return this.#items.values();
  }

  get count() {
    return this.#items.size;
  }

  item(id) {
    return this.#items.get(id);
  }

  /** Returns the item that goes to this path and has not ended. */
  ofPath(path) {
    return this.#byPath.get(path);
  }

  /**
   * Adds a file. `path` is its key on the server, `file` has `size` and `lastModified`; `uploadId` and `offset` are those of
   * a part that the server has. Without a file the item is missing, unless the part has all bytes: it only wants a name.
   */
  add({ path, file, size, lastModified = null, uploadId = null, offset = 0 }) {
    const item = {
      id: this.#next,
      path,
      file: file ?? null,
      size: file ? file.size : size,
      lastModified: file ? file.lastModified : lastModified,
      uploadId,
      sent: offset,
      state: file ? "waiting" : offset >= size ? "asking" : "missing",
      isOffline: false,
      decision: null,
      wasThere: false,
      message: "",
    };
    this.#next += 1;
    this.#items.set(item.id, item);
    this.#byPath.set(path, item);
    if (item.state === "waiting") this.#waiting.push(item.id);
    this.#count(item, 1);
    return item;
  }

  /**
   * Adds a file, or goes on with an upload to the same path: with its part if the file is the same, from the beginning if
   * the file has changed. Returns the item, and the number of a part that is of no use any more.
   */
  offer({ path, file }) {
    const known = this.#byPath.get(path);
    if (!known) return { item: this.add({ path, file }), outdated: null };
    if (known.state === "waiting" || known.state === "sending" || known.state === "asking") {
      if (isSameFile(known, file)) return { item: known, outdated: null };
    }
    const isSame = isSameFile(known, file);
    const outdated = isSame ? null : known.uploadId;
    this.remove(known.id);
    const part = isSame ? { uploadId: known.uploadId, offset: known.sent } : {};
    return { item: this.add({ path, file, ...part }), outdated };
  }

  /** Returns the items whose turn it is now, as many as may be sent at once. They are sending from now on. */
  start() {
    const begun = [];
    while (this.#sending.size < PARALLEL && this.#waiting.length > 0) {
      const item = this.#items.get(this.#waiting.shift());
      if (item?.state === "waiting") {
        this.apply(item.id, "start");
        begun.push(item);
      }
    }
    return begun;
  }

  /** Applies an event; `message` is what people read about the state. Returns whether the state has changed. */
  apply(id, event, message = "") {
    const item = this.#items.get(id);
    const state = item && next(item.state, event);
    if (!item || state === item.state) return false;
    this.#count(item, -1);
    item.state = state;
    item.isOffline = false;
    item.message = message;
    item.wasThere = event === "found";
    if (state === "done") item.sent = item.size;
    this.#count(item, 1);
    if (state === "sending") this.#sending.add(id);
    else this.#sending.delete(id);
    // A part with all of its bytes wants only its name, so it does not wait behind the others.
    if (state === "waiting" && event === "decide") this.#waiting.unshift(id);
    else if (state === "waiting") this.#waiting.push(id);
    if (isEnded(state) && this.#byPath.get(item.path) === item) this.#byPath.delete(item.path);
    return true;
  }

  /** Returns the items that somebody must decide about: first the one that was dropped last, if there is one. */
  asking(last = null) {
    const asking = [...this.items].filter((item) => item.state === "asking");
    return asking.sort((one, other) => Number(other === last) - Number(one === last));
  }

  /** Notes a decision about a taken name: "replace", "rename" or "skip", for this item or for all. */
  decide(id, decision, isForAll = false) {
    if (isForAll) this.decisionForAll = decision;
    const asked = isForAll ? this.asking() : [this.item(id)];
    for (const item of asked) {
      if (item?.state !== "asking") continue;
      item.decision = decision;
      this.apply(item.id, decision === "skip" ? "skip" : "decide");
    }
    return asked;
  }

  /** Notes how far an item is. It may go back: the server's word counts. */
  progress(id, sent) {
    const item = this.#items.get(id);
    if (!item || isEnded(item.state)) return 0;
    const change = sent - item.sent;
    item.sent = sent;
    this.#sums.sent += change;
    return change;
  }

  /** Forgets an item. */
  remove(id) {
    const item = this.#items.get(id);
    if (!item) return;
    this.#count(item, -1);
    this.#items.delete(id);
    this.#sending.delete(id);
    if (this.#byPath.get(item.path) === item) this.#byPath.delete(item.path);
  }

  /** Forgets what has ended. A new crowd of files begins with new sums, and with questions of its own. */
  removeEnded() {
    for (const item of [...this.items]) {
      if (isEnded(item.state)) this.remove(item.id);
    }
    if (this.count === 0) this.decisionForAll = null;
  }

  /**
   * Returns the sums: `sent` of `bytes`, `ended` of `files`, of which `there` were there already, and the number of
   * items in each state.
   */
  totals() {
    const states = {};
    for (const item of this.items) states[item.state] = (states[item.state] ?? 0) + 1;
    return { ...this.#sums, states };
  }

  /** Whether leaving the page would break something off. */
  get isBusy() {
    return this.#sending.size > 0 || this.#waiting.some((id) => this.item(id)?.state === "waiting");
  }

  /** Adds an item to the sums, or takes it out. Files that were skipped, and those that are missing, count for nothing. */
  #count(item, sign) {
    if (item.state === "skipped" || item.state === "missing") return;
    this.#sums.files += sign;
    this.#sums.bytes += sign * item.size;
    this.#sums.sent += sign * item.sent;
    if (item.state === "done") this.#sums.ended += sign;
    if (item.wasThere) this.#sums.there += sign;
  }
}
