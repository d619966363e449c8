// Uploads in the browser: what is dropped or chosen goes into the queue, and the queue is sent. upload_queue.mjs has the
// states, tus.mjs sends one file, upload_panel.mjs shows it.

import { noteSignedOut, unfinishedUploads } from "./api.mjs";
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
import { UploadPlaces } from "./upload_places.mjs";
import { UploadQueue, isEnded } from "./upload_queue.mjs";
import { KnownTimes, secondsOf } from "./upload_times.mjs";

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
  #directory;
  #panel;
  #places;
  #isAsking = false;
  #isGathering = 0;

  constructor({ panel, directory }) {
    this.#directory = directory;
    this.#places = new UploadPlaces(ENV, {
      wait: (path, sentence) => this.#placeWaits(path, sentence),
      made: (path) => {
        if (parent(path) === directory.path) directory.reloadSoon();
      },
    });
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
        this.#forgetEnded();
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
    this.#forgetEnded();
    this.#isGathering += 1;
    this.#places.look(target);
    try {
      for await (const { path, file, isFolder, fault } of found) {
        const whole = target === "/" ? path : `${target}${path}`;
        if (fault) faults.push(`${shown(path.slice(1))}: ${fault}`);
        else if (isFolder) this.#folder(whole);
        else this.#offer(whole, file);
        this.#runSoon();
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
    if (item.state === "asking") this.#ask(item);
    // The file has changed since: the part of the old one is of no use.
    if (outdated !== null) this.#discard(outdated);
    for (const [id, abort] of this.#running) if (!this.#queue.item(id)) abort.abort();
    return item;
  }

  /** Makes a directory that was dropped. The one that is shown is there, and those above it are. */
  async #folder(path) {
    if (isWithin(this.#directory.path, path)) return;
    try {
      await this.#places.make(path);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status === 401) noteSignedOut();
      else say(`${quoted(path)}: ${sentenceOf(error)}`);
    }
  }

  /** Tells the files that wait for a directory why it takes so long. */
  #placeWaits(path, sentence) {
    for (const id of this.#running.keys()) {
      const item = this.#queue.item(id);
      if (item && isWithin(parent(item.path), path)) this.#waits(item, sentence);
    }
  }

  #waits(item, sentence) {
    item.isOffline = sentence !== null;
    item.message = sentence ?? "";
    this.#panel.showSoon();
  }

  /** Forgets what has ended; with the last file of a crowd, its directories, too. */
  #forgetEnded() {
    this.#queue.removeEnded();
    if (this.#queue.count > 0 || this.#isGathering > 0) return;
    this.#places.forget();
    this.#rate.reset();
  }

  /** Sends what has its turn, and shows it now. */
  #run() {
    this.#runSoon();
    this.#panel.show();
  }

  /** Sends what has its turn, and shows it with what else happens. */
  #runSoon() {
    for (const item of this.#queue.start()) this.#sendItem(item);
    this.#panel.showSoon();
  }

  async #sendItem(item) {
    const abort = new AbortController();
    this.#running.set(item.id, abort);
    try {
      await this.#places.ready(parent(item.path));
      const isThere = await this.#isThere(item);
      abort.signal.throwIfAborted();
      if (isThere) this.#queue.apply(item.id, "found");
      else this.#ended(item, await upload(this.#job(item, abort.signal), ENV));
    } catch (error) {
      if (!abort.signal.aborted) this.#broke(item, error);
    } finally {
      if (this.#running.get(item.id) === abort) this.#running.delete(item.id);
    }
    this.#runSoon();
  }

  /** Whether the server has this file already. A part goes on, and whoever has decided about the name knows that. */
  async #isThere({ path, file, uploadId, decision }) {
    return file !== null && uploadId === null && decision === null && this.#places.has(path, file);
  }

  #broke(item, error) {
    if (error.status === 401) this.#ended(item, { kind: "signed_out" });
    else this.#queue.apply(item.id, "fail", sentenceOf(error));
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
      onWait: (sentence) => this.#waits(item, sentence),
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
      const mtime = secondsOf(item.file.lastModified);
      this.#directory.put({ key: lastName(item.path), kind: "file", size: item.size, mtime });
    } else if (parent(item.path) === path) {
      this.#directory.reloadSoon();
    }
  }

  /** Asks about the taken names, one after another, until all are decided or the question is put away. */
  async #ask(last = null) {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      for (;;) {
        const asking = this.#queue.asking(last);
        if (asking.length === 0) return;
        this.#panel.show();
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
    const item = this.#queue.item(id);
    if (item) this.#places.retry(parent(item.path));
    this.#queue.apply(id, event);
    this.#run();
  }

  #all(event) {
    this.#rate.reset();
    for (const item of this.#queue.items) {
      if (!this.#queue.apply(item.id, event)) continue;
      if (event === "pause") this.#running.get(item.id)?.abort();
      else this.#places.retry(parent(item.path));
    }
    this.#run();
  }

  #stopAll() {
    const items = [...this.#queue.items].filter((item) => !isEnded(item.state));
    askStop(items.length, () => {
      items.forEach((item) => this.#cancel(item.id));
      if (![...this.#queue.items].some((item) => !isEnded(item.state))) this.#places.stop();
    });
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
