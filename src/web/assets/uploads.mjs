// Uploads in the browser: what is dropped or chosen goes into the queue, and the queue is sent. upload_queue.mjs has the
// states, tus.mjs sends one file, upload_panel.mjs shows it.

import { ApiError, makeDirectory, noteSignedOut, unfinishedUploads } from "./api.mjs";
import { beforeAttempt } from "./backoff.mjs";
import { askConflict, askStop, quoted } from "./dialogs.mjs";
import { el, say, sentenceOf } from "./dom.mjs";
import { chosen } from "./drops.mjs";
import { counted } from "./format.mjs";
import { isWithin, keyOfText, lastName, parent, shown } from "./names.mjs";
import { Rate } from "./rate.mjs";
import { send } from "./transport.mjs";
import { discard, upload } from "./tus.mjs";
import { UploadPanel } from "./upload_panel.mjs";
import { UploadQueue, isEnded } from "./upload_queue.mjs";
import { KnownTimes } from "./upload_times.mjs";

/** The most problems of a drop that are told one by one. */
const MOST_FAULTS = 3;

const ENV = {
  send,
  wait: beforeAttempt,
  async find(path, size) {
    const found = (await unfinishedUploads()).filter((known) => known.path === path && known.size === size);
    return found.at(-1)?.uploadId ?? null;
  },
};

export class Uploads {
  #queue = new UploadQueue();
  #rate = new Rate();
  #times = new KnownTimes();
  #running = new Map();
  #folders = new Map();
  #directory;
  #panel;
  #isAsking = false;
  #isGathering = 0;

  constructor({ panel, directory }) {
    this.#directory = directory;
    this.#panel = new UploadPanel(panel, this.#queue, this.#rate, {
      pause: (id) => this.#stop(id, "pause"),
      resume: (id) => this.#again(id, "resume"),
      retry: (id) => this.#again(id, "retry"),
      cancel: (id) => this.#askCancel(id),
      decide: () => this.#ask(),
      attach: (id) => this.#attach(id),
      pauseAll: () => this.#all("pause"),
      resumeAll: () => this.#all("resume"),
      cancelAll: () => this.#stopAll(),
      close: () => {
        this.#queue.removeEnded();
        this.#panel.show();
      },
    });
    window.addEventListener("beforeunload", (event) => {
      if (this.#queue.isBusy || this.#isGathering > 0) event.preventDefault();
    });
  }

  /** Shows what was left unfinished before. */
  showUnfinished(left) {
    for (const known of left) {
      const isKnown = this.#queue.ofPath(known.path) !== undefined;
      if (!isKnown) this.#queue.add({ ...known, lastModified: this.#times.of(known.uploadId) });
    }
    this.#panel.show();
  }

  /** Lets somebody choose files, or a folder. */
  choose({ isFolder }) {
    const input = el("input", { type: "file", multiple: true, webkitdirectory: isFolder });
    const target = this.#directory.path;
    input.addEventListener("change", () => this.add(target, chosen(input.files)));
    input.click();
  }

  /** Adds what was dropped or chosen to a directory. */
  async add(target, found) {
    const faults = [];
    this.#isGathering += 1;
    this.#queue.removeEnded();
    try {
      for await (const { path, file, isFolder, fault } of found) {
        const whole = target === "/" ? path : `${target}${path}`;
        if (fault) faults.push(`${shown(path.slice(1))}: ${fault}`);
        else if (isFolder) this.#folder(whole).catch((error) => say(`${quoted(whole)}: ${sentenceOf(error)}`));
        else this.#offer(whole, file);
        this.#run();
      }
    } finally {
      this.#isGathering -= 1;
    }
    if (faults.length > MOST_FAULTS) faults.splice(MOST_FAULTS, Infinity, `and ${counted(faults.length - MOST_FAULTS, "more", "more")}`);
    if (faults.length > 0) say(faults.join(" "));
    this.#run();
  }

  #offer(path, file) {
    const { item, outdated } = this.#queue.offer({ path, file });
    if (item.state === "asking") this.#ask();
    if (outdated === null) return item;
    // The file has changed since: the part of the old one is of no use.
    this.#discard(outdated);
    for (const [id, abort] of this.#running) if (!this.#queue.item(id)) abort.abort();
    return item;
  }

  /** Makes a directory, once, and those above it that belong to what was dropped. */
  #folder(path) {
    if (path === "/" || this.#directoryIs(path)) return Promise.resolve();
    let made = this.#folders.get(path);
    if (!made) {
      made = this.#makeFolder(path);
      this.#folders.set(path, made);
      // One that failed is tried again, and one that was made may be removed by somebody later.
      made.catch(() => {}).finally(() => setTimeout(() => this.#folders.delete(path), 10_000));
    }
    return made;
  }

  async #makeFolder(path) {
    const above = this.#folders.get(parent(path));
    if (above) await above;
    try {
      await makeDirectory(path);
    } catch (error) {
      const isThere = error instanceof ApiError && error.status === 409;
      if (!isThere) throw error;
    }
    if (parent(path) === this.#directory.path) this.#directory.reloadSoon();
  }

  #directoryIs(path) {
    return isWithin(this.#directory.path, path);
  }

  /** Sends what has its turn. */
  #run() {
    for (const item of this.#queue.start()) this.#sendItem(item);
    this.#panel.show();
  }

  async #sendItem(item) {
    const abort = new AbortController();
    this.#running.set(item.id, abort);
    try {
      const folder = this.#folders.get(parent(item.path));
      if (folder) await folder;
      const result = await upload(this.#job(item, abort.signal), ENV);
      this.#ended(item, result);
    } catch (error) {
      if (!abort.signal.aborted) this.#queue.apply(item.id, "fail", sentenceOf(error));
    } finally {
      if (this.#running.get(item.id) === abort) this.#running.delete(item.id);
    }
    this.#run();
  }

  #job(item, signal) {
    const { path, file, size, uploadId } = item;
    return {
      path,
      file,
      size,
      uploadId,
      signal,
      decision: item.decision ?? this.#queue.decisionForAll,
      onUpload: (id) => {
        this.#times.forget(item.uploadId);
        item.uploadId = id;
        if (id !== null && file) this.#times.note(id, file.lastModified);
      },
      onProgress: (sent) => {
        const change = this.#queue.progress(item.id, sent);
        if (!signal.aborted) this.#rate.add(change, performance.now());
        this.#panel.showSoon();
      },
      onWait: (sentence) => {
        item.isOffline = sentence !== null;
        item.message = sentence ?? "";
        this.#panel.showSoon();
      },
    };
  }

  #ended(item, { kind, message }) {
    switch (kind) {
      case "done":
        this.#times.forget(item.uploadId);
        this.#queue.apply(item.id, "done");
        this.#arrived(item);
        break;
      case "skipped":
        this.#queue.apply(item.id, "skip");
        break;
      case "conflict":
        this.#queue.apply(item.id, "conflict", "The name is taken.");
        if (this.#queue.decisionForAll) this.#decided(this.#queue.decide(item.id, this.#queue.decisionForAll));
        else this.#ask();
        break;
      case "full":
        this.#queue.apply(item.id, "full", message);
        break;
      case "signed_out":
        this.#queue.apply(item.id, "pause", "Sign in again to go on.");
        noteSignedOut();
        break;
      default:
        this.#queue.apply(item.id, "fail", message);
    }
  }

  /** Shows a new file in the listing. */
  #arrived(item) {
    const { path } = this.#directory;
    // Under which name both were kept, the listing knows.
    if (item.decision === "rename" || this.#queue.decisionForAll === "rename") this.#directory.reloadSoon();
    else if (parent(item.path) === path && item.file) {
      const mtime = Math.floor(item.file.lastModified / 1000);
      this.#directory.put({ key: lastName(item.path), kind: "file", size: item.size, mtime });
    } else if (parent(item.path) === path) {
      this.#directory.reloadSoon();
    }
  }

  /** Asks about the taken names, one after another, until all are decided or the question is put away. */
  async #ask() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      for (;;) {
        const asking = [...this.#queue.items].filter((item) => item.state === "asking");
        if (asking.length === 0) return;
        const mayReplace = this.#directory.may.has("overwrite");
        const answer = await askConflict(asking[0].path, { others: asking.length - 1, mayReplace });
        if (answer === null) return;
        this.#decided(this.#queue.decide(asking[0].id, answer.decision, answer.isForAll));
        this.#run();
      }
    } finally {
      this.#isAsking = false;
    }
  }

  /** Removes the parts of files that are left out. */
  #decided(items) {
    for (const item of items) {
      if (item?.state === "skipped" && item.uploadId !== null) this.#discard(item.uploadId);
    }
  }

  #stop(id, event) {
    if (this.#queue.apply(id, event)) this.#running.get(id)?.abort();
    this.#run();
  }

  #again(id, event) {
    this.#queue.apply(id, event);
    this.#run();
  }

  #all(event) {
    this.#rate.reset();
    for (const item of this.#queue.items) {
      if (this.#queue.apply(item.id, event) && event === "pause") this.#running.get(item.id)?.abort();
    }
    this.#run();
  }

  #stopAll() {
    const items = [...this.#queue.items].filter((item) => !isEnded(item.state));
    askStop(items.length, () => items.forEach((item) => this.#cancel(item.id)));
  }

  /** Gives an upload up; one from before is not in anybody's hands any more, so that is asked first. */
  #askCancel(id) {
    if (this.#queue.item(id)?.state === "missing") askStop(1, () => this.#cancel(id));
    else this.#cancel(id);
  }

  #cancel(id) {
    const item = this.#queue.item(id);
    if (!item) return;
    const isPart = item.uploadId !== null && item.state !== "done" && item.state !== "skipped";
    this.#running.get(id)?.abort();
    this.#queue.remove(id);
    if (isPart) this.#discard(item.uploadId);
    this.#run();
  }

  async #discard(uploadId) {
    this.#times.forget(uploadId);
    try {
      await discard(uploadId, ENV);
    } catch {
      // The server removes it by itself after some days.
    }
  }

  /** Lets somebody choose the file of an upload that broke off, to go on with it. */
  #attach(id) {
    const item = this.#queue.item(id);
    const input = el("input", { type: "file" });
    input.addEventListener("change", () => {
      const [file] = input.files;
      if (!file || !item) return;
      if (keyOfText(file.name) !== lastName(item.path)) {
        say(`This is “${file.name}”. Choose ${quoted(item.path)} to go on.`);
        return;
      }
      const isOther = file.size !== item.size;
      this.#offer(item.path, file);
      if (isOther) say("The file has changed since, so it is sent from the beginning.");
      this.#run();
    });
    input.click();
  }
}
