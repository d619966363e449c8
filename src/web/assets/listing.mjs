// The listing on the screen: draws only the rows that can be seen, so that 100,000 entries scroll like ten, and has the
// keyboard and the mouse. The focus stays on the table; aria-activedescendant says which row the keyboard is at.

import { counted } from "./format.mjs";
import { row, space } from "./rows.mjs";
import { Selection } from "./selection.mjs";

/** The rows that are drawn above and below what is seen. */
const MARGIN = 20;

/** The rows before the end of what was read at which the next part is asked for. */
const AHEAD = 300;

export class Listing extends EventTarget {
  #table = document.getElementById("listing");
  #body = document.getElementById("rows");
  #all = document.getElementById("pick-all");
  #above = space();
  #below = space();
  #drawn = new Map();
  #directory;
  #range = { from: -1, to: -1 };
  #frame = 0;

  constructor(directory) {
    super();
    this.#directory = directory;
    this.selection = new Selection({
      keyAt: (place) => directory.entries[place].key,
      count: () => directory.entries.length,
    });
    this.#table.setAttribute("role", "grid");
    this.#table.setAttribute("aria-multiselectable", "true");
    this.#table.tabIndex = 0;
    this.#listen();
  }

  /** Returns the selected entries; without a selection, the one that the keyboard is at. */
  get chosen() {
    const { entries } = this.#directory;
    if (this.selection.size === 0) return [entries[this.selection.cursor]].filter(Boolean);
    return this.selection.keys.map((key) => entries[this.#directory.placeOf(key)]).filter(Boolean);
  }

  /** Draws another directory from its beginning. */
  reset() {
    this.selection.reset();
    this.#drawn.clear();
    this.draw();
  }

  /** Draws the same directory after a change. */
  refresh(cursorKey) {
    this.selection.keepKnown((key) => this.#directory.placeOf(key), cursorKey ?? null);
    this.draw();
  }

  /** Returns the key of the entry that the keyboard is at, for `refresh`. */
  get cursorKey() {
    return this.#directory.entries[this.selection.cursor]?.key ?? null;
  }

  focus() {
    this.#table.focus({ preventScroll: true });
  }

  /** Goes to an entry. */
  goTo(key) {
    const place = this.#directory.placeOf(key);
    if (place < 0) return;
    this.selection.cursor = place;
    this.draw();
    this.#reveal();
  }

  /** Forgets the selection. */
  clear() {
    this.selection.clear();
    this.draw();
  }

  /** Draws all anew. */
  draw() {
    this.#range = { from: -1, to: -1 };
    this.#paint();
    const chosen = this.selection.size;
    const count = this.#directory.entries.length;
    this.#all.checked = chosen > 0 && chosen === count;
    this.#all.indeterminate = chosen > 0 && chosen < count;
    this.dispatchEvent(new Event("select"));
  }

  #height() {
    const drawn = this.#body.querySelector("tr:not(.space)");
    return drawn?.getBoundingClientRect().height || 37;
  }

  /** Draws the rows that can be seen, if they are others than before. */
  #paint() {
    const { entries, next, isLoading, fault } = this.#directory;
    const height = this.#height();
    const top = this.#body.getBoundingClientRect().top;
    const first = Math.floor(-top / height);
    const seen = Math.ceil(window.innerHeight / height);
    const from = Math.max(0, Math.min(first - MARGIN, entries.length - seen));
    const to = Math.min(entries.length, Math.max(first, 0) + seen + MARGIN);
    if (next !== null && !isLoading && fault === null && to + AHEAD > entries.length) this.#directory.more();
    const isNear = Math.abs(from - this.#range.from) < MARGIN / 2 && Math.abs(to - this.#range.to) < MARGIN / 2;
    if (isNear && this.#range.from >= 0) return;
    this.#range = { from, to };
    this.#replace(from, to, height);
  }

  #replace(from, to, height) {
    const { entries, path, next } = this.#directory;
    const drawn = new Map();
    for (let place = from; place < to; place += 1) {
      const entry = entries[place];
      const element = this.#drawn.get(entry) ?? row(path, entry);
      this.#mark(element, entry, place);
      drawn.set(entry, element);
    }
    this.#drawn = drawn;
    this.#above.cell.style.height = `${from * height}px`;
    this.#below.cell.style.height = `${(entries.length - to) * height}px`;
    const rows = [...drawn.values()];
    if (from > 0) rows.unshift(this.#above.element);
    if (to < entries.length) rows.push(this.#below.element);
    this.#body.replaceChildren(...rows);
    this.#table.setAttribute("aria-rowcount", next === null ? entries.length + 1 : -1);
    const { cursor } = this.selection;
    if (cursor >= from && cursor < to) this.#table.setAttribute("aria-activedescendant", `row-${cursor}`);
    else this.#table.removeAttribute("aria-activedescendant");
  }

  #mark(element, entry, place) {
    const isSelected = this.selection.has(entry.key);
    element.id = `row-${place}`;
    element.dataset.place = place;
    element.setAttribute("aria-rowindex", place + 2);
    element.setAttribute("aria-selected", isSelected);
    element.querySelector("input").checked = isSelected;
    element.classList.toggle("cursor", place === this.selection.cursor);
  }

  /** Scrolls so that the row of the keyboard can be seen, below what sticks at the top. */
  #reveal() {
    const height = this.#height();
    const top = this.#body.getBoundingClientRect().top + this.selection.cursor * height;
    const head = this.#table.tHead.getBoundingClientRect();
    const sticking = Math.max(0, Math.min(head.height, head.bottom)) + document.querySelector(".toolbar").offsetHeight;
    if (top < sticking) window.scrollBy(0, top - sticking);
    else if (top + height > window.innerHeight - 8) window.scrollBy(0, top + height - window.innerHeight + 8);
    this.#paint();
  }

  #listen() {
    const soon = () => {
      this.#frame ||= requestAnimationFrame(() => {
        this.#frame = 0;
        this.#paint();
      });
    };
    window.addEventListener("scroll", soon, { passive: true });
    window.addEventListener("resize", () => this.draw());
    this.#all.addEventListener("change", () => this.#selectAll(this.#all.checked));
    this.#body.addEventListener("click", (event) => this.#click(event));
    this.#body.addEventListener("contextmenu", (event) => this.#menu(event));
    this.#table.addEventListener("keydown", (event) => this.#key(event));
    // Shift and a click would select text.
    this.#body.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault());
  }

  async #selectAll(isAll) {
    if (!isAll) return this.clear();
    this.selection.all();
    this.draw();
    if (this.#directory.next !== null) {
      await this.#directory.rest();
      this.selection.all();
      this.draw();
    }
    return undefined;
  }

  #placeOf(event) {
    const element = event.target.closest("tr[data-place]");
    return element ? Number(element.dataset.place) : -1;
  }

  #click(event) {
    const place = this.#placeOf(event);
    if (place < 0) return;
    const more = event.target.closest(".more button");
    const isBox = event.target.closest(".pick") !== null;
    const isLink = event.target.closest("a") !== null;
    // A new tab, or saving: the browser's own ways with a link stay.
    if (isLink && !event.shiftKey && (event.ctrlKey || event.metaKey || event.button !== 0)) return;
    if (more) {
      this.selection.cursor = place;
      if (!this.selection.has(this.cursorKey)) this.selection.clear();
      this.draw();
      this.#tell("menu", { at: this.#drawn.get(this.#directory.entries[place])?.querySelector(".more button") });
      return;
    }
    if (event.shiftKey) this.selection.extend(place);
    else if (isBox || event.ctrlKey || event.metaKey) this.selection.toggle(place);
    else if (isLink) this.selection.cursor = place;
    else this.selection.only(place);
    if (isLink && !event.shiftKey) {
      event.preventDefault();
      this.#tell("enter", { entry: this.#directory.entries[place] });
    }
    this.focus();
    this.draw();
  }

  #menu(event) {
    const place = this.#placeOf(event);
    if (place < 0 || event.target.closest("a") || event.shiftKey) return;
    event.preventDefault();
    if (!this.selection.has(this.#directory.entries[place].key)) this.selection.only(place);
    this.draw();
    this.#tell("menu", { at: { x: event.clientX, y: event.clientY } });
  }

  #key(event) {
    if (event.target !== this.#table || event.altKey) return;
    const page = Math.max(1, Math.floor(window.innerHeight / this.#height()) - 4);
    const count = this.#directory.entries.length;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -count, End: count }[event.key];
    const isCommand = event.ctrlKey || event.metaKey;
    if (steps !== undefined) {
      this.#step(event.key, steps, event.shiftKey);
    } else if (event.key === " ") {
      this.selection.toggle(this.selection.cursor);
      this.draw();
    } else if (isCommand && event.key === "a") {
      this.#selectAll(true);
    } else if (event.key === "Escape" && this.selection.size > 0) {
      this.clear();
    } else if (event.key === "Enter" && !isCommand) {
      const entry = this.#directory.entries[this.selection.cursor];
      if (entry) this.#tell("enter", { entry });
    } else if (event.key === "ContextMenu" || (event.shiftKey && event.key === "F10")) {
      const at = this.#body.querySelector("tr.cursor .more button");
      if (at) this.#tell("menu", { at });
    } else if (event.key === "Delete" || event.key === "F2" || event.key === "Backspace") {
      this.#tell("command", { key: event.key });
    } else {
      return;
    }
    event.preventDefault();
  }

  async #step(key, steps, isExtending) {
    this.selection.move(steps, isExtending);
    this.draw();
    this.#reveal();
    if (key !== "End" || this.#directory.next === null) return;
    await this.#directory.rest();
    this.selection.move(this.#directory.entries.length, isExtending);
    this.draw();
    this.#reveal();
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Returns what stands below the listing. */
export function countText({ entries, next, isLoading, filter }) {
  const what = filter === "" ? counted(entries.length, "entry", "entries") : counted(entries.length, "match", "matches");
  if (next === null) return entries.length === 0 ? "" : what;
  return isLoading ? `${what} so far, reading more…` : `${what} so far, more below`;
}
