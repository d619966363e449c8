// The panel of uploads: the sums above, and a row for each file that somebody wants to see now.

import { button, el, icon, nameNodes, setIcon } from "./dom.mjs";
import { counted, duration, size, thousandths } from "./format.mjs";
import { lastName, parent, shown } from "./names.mjs";

/** The time between two pictures of the panel, in milliseconds. */
const BETWEEN = 250;

/** The most rows. What needs somebody stands at the top, what has ended at the bottom. */
const MOST = 150;

const ORDER = ["asking", "full", "failed", "sending", "paused", "missing", "waiting", "done", "skipped"];
const ICONS = { asking: "alert", full: "alert", failed: "alert", sending: "upload", paused: "pause", missing: "retry", waiting: "file", done: "check", skipped: "close" };

/** Returns what stands below a name. */
function noteOf(item) {
  const part = `${size(item.sent)} of ${size(item.size)}`;
  switch (item.state) {
    case "waiting":
      return item.sent > 0 ? `${part} · waiting` : `${size(item.size)} · waiting`;
    case "sending":
      return item.isOffline ? `${part} · ${item.message}` : part;
    case "paused":
      return `${part} · paused${item.message ? ` · ${item.message}` : ""}`;
    case "missing":
      return `${part} are in ${parent(item.path) === "/" ? "Home" : shown(parent(item.path))}. Choose the file again to go on.`;
    case "done":
      return item.wasThere ? `${size(item.size)} · was there already` : size(item.size);
    case "skipped":
      return "left out";
    case "asking":
      return "The name is taken.";
    default:
      return item.message;
  }
}

export class UploadPanel {
  #panel;
  #queue;
  #rate;
  #run;
  #rows = new Map();
  #timer = 0;
  #isFolded = false;

  /** `run` has what the buttons do. */
  constructor(panel, queue, rate, run) {
    this.#panel = panel;
    this.#queue = queue;
    this.#rate = rate;
    this.#run = run;
    this.#build();
  }

  #build() {
    const bare = (text, iconName, run) => button(text, iconName, run, { class: "quiet", isBare: true });
    this.title = el("strong", { role: "status" });
    this.note = el("p", { class: "uploads-note" });
    this.bar = el("progress", { max: 1000, value: 0, "aria-label": "All uploads" });
    this.list = el("ul");
    this.pause = bare("Pause all", "pause", () => this.#run.pauseAll());
    this.resume = bare("Go on with all", "play", () => this.#run.resumeAll());
    this.cancel = bare("Cancel all", "close", () => this.#run.cancelAll());
    this.close = bare("Close", "close", () => this.#run.close());
    this.fold = bare("Fold", "down", () => {
      this.#isFolded = !this.#isFolded;
      this.show();
    });
    const buttons = el("div", { class: "uploads-buttons" }, this.pause, this.resume, this.fold, this.cancel, this.close);
    this.#panel.append(el("div", { class: "uploads-head" }, this.title, buttons, this.bar, this.note), this.list);
  }

  /** Draws soon, once for many changes. */
  showSoon() {
    this.#timer ||= setTimeout(() => this.show(), BETWEEN);
  }

  /** Draws now. */
  show() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const totals = this.#queue.totals();
    this.#panel.hidden = this.#queue.count === 0;
    if (this.#panel.hidden) return;
    this.#showHead(totals);
    this.#panel.classList.toggle("folded", this.#isFolded);
    this.fold.setAttribute("aria-expanded", !this.#isFolded);
    this.fold.setAttribute("aria-label", this.#isFolded ? "Unfold" : "Fold");
    setIcon(this.fold, this.#isFolded ? "up" : "down");
    if (!this.#isFolded) this.#showRows();
    // A rate sinks to nothing by itself when the link is lost.
    if (totals.states.sending) this.#timer = setTimeout(() => this.show(), 1000);
  }

  #showHead({ files, ended, there, bytes, sent, states }) {
    const { sending = 0, waiting = 0, paused = 0, missing = 0, asking = 0, full = 0, failed = 0 } = states;
    const isActive = sending + waiting > 0;
    const isOver = !isActive && paused + missing + asking + full + failed === 0;
    this.title.textContent = this.#titleOf({ files, ended, there, isActive, isOver, missing });
    this.bar.value = thousandths(sent, bytes);
    this.bar.hidden = files === 0;
    const now = performance.now();
    const rate = this.#rate.perSecond(now);
    const left = this.#rate.secondsFor(bytes - sent, now);
    const notes = [
      files > 0 ? `${size(sent)} of ${size(bytes)}` : null,
      sending > 0 && rate !== null ? `${size(Math.round(rate))}/s` : null,
      sending > 0 && left !== null ? `${duration(left)} left` : null,
      asking + full + failed > 0 ? `${counted(asking + full + failed, "file needs", "files need")} you` : null,
      isOver && there > 0 && there < ended ? `${counted(there, "was", "were")} there already` : null,
      missing > 0 && files > 0 && !isActive ? `${counted(missing, "file", "files")} from before` : null,
    ];
    this.note.textContent = notes.filter(Boolean).join(" · ");
    this.pause.hidden = !isActive;
    this.resume.hidden = isActive || paused === 0;
    this.cancel.hidden = isOver;
    this.close.hidden = !isOver;
  }

  #titleOf({ files, ended, there, isActive, isOver, missing }) {
    if (files === 0 && missing > 0) return `${counted(missing, "unfinished upload")}`;
    if (isOver && ended === 0) return "Nothing was uploaded";
    if (isOver && ended === there) return `${counted(there, "file was", "files were")} there already`;
    if (isOver) return `${counted(ended - there, "file")} uploaded`;
    const of = `${ended.toLocaleString("en")} of ${counted(files, "file")}`;
    return isActive ? `Uploading: ${of}` : `Uploads: ${of}`;
  }

  #showRows() {
    const byState = new Map(ORDER.map((state) => [state, []]));
    for (const item of this.#queue.items) {
      const group = byState.get(item.state);
      if (group.length < MOST) group.push(item);
    }
    const items = [...byState.values()].flat().slice(0, MOST);
    const rows = new Map();
    for (const item of items) {
      const known = this.#rows.get(item.id) ?? this.#row(item);
      this.#fill(known, item);
      rows.set(item.id, known);
    }
    this.#rows = rows;
    const elements = [...rows.values()].map((known) => known.element);
    const hidden = this.#queue.count - items.length;
    if (hidden > 0) elements.push(el("li", {}, el("span"), el("span", { class: "upload-note", text: `and ${counted(hidden, "more file")}` })));
    this.#place(elements);
  }

  /** Puts the rows into the list; those that stand right stay, so that buttons keep the focus. */
  #place(elements) {
    elements.forEach((element, at) => {
      if (this.list.children[at] !== element) this.list.insertBefore(element, this.list.children[at] ?? null);
    });
    while (this.list.children.length > elements.length) this.list.lastElementChild.remove();
  }

  #row(item) {
    const name = el("div", { class: "upload-name", title: shown(item.path) }, el("bdi", {}, ...nameNodes(lastName(item.path))));
    const bar = el("progress", { max: 1000, value: 0, "aria-label": `Upload of ${shown(lastName(item.path))}` });
    const note = el("div", { class: "upload-note" });
    const buttons = el("div", { class: "upload-buttons" });
    const element = el("li", {}, icon("file"), el("div", {}, name, bar, note), buttons);
    return { element, bar, note, buttons, state: null };
  }

  #fill(known, item) {
    known.bar.value = thousandths(item.sent, item.size);
    const note = noteOf(item);
    if (known.note.textContent !== note) known.note.textContent = note;
    if (known.state === item.state) return;
    known.state = item.state;
    known.element.className = item.state;
    setIcon(known.element, ICONS[item.state]);
    known.buttons.replaceChildren(...this.#buttons(item));
  }

  #buttons(item) {
    const name = shown(lastName(item.path));
    const bare = (text, iconName, run) => {
      const element = button(text, iconName, run, { class: "quiet", isBare: true });
      element.setAttribute("aria-label", `${text}: ${name}`);
      return element;
    };
    const { id } = item;
    const first = {
      waiting: () => bare("Pause", "pause", () => this.#run.pause(id)),
      sending: () => bare("Pause", "pause", () => this.#run.pause(id)),
      paused: () => bare("Go on", "play", () => this.#run.resume(id)),
      asking: () => button("Decide", null, () => this.#run.decide()),
      full: () => button("Try again", null, () => this.#run.retry(id)),
      failed: () => button("Try again", null, () => this.#run.retry(id)),
      missing: () => button("Choose", null, () => this.#run.attach(id)),
    }[item.state];
    const isOver = item.state === "done" || item.state === "skipped";
    return [first?.(), isOver ? null : bare("Cancel", "close", () => this.#run.cancel(id))].filter(Boolean);
  }
}
