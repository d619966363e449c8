// Which entries of a listing are selected, and which one the keyboard is at. Without the DOM: entries are known by their
// places in the list and by their keys, and the list can grow and be sorted anew.

export class Selection {
  #keys = new Set();
  /** Returns the key of the entry at a place. */
  #keyAt;
  #count;
  /** The place of the keyboard; -1 if it is nowhere. */
  cursor = -1;
  /** The place from which Shift extends. */
  #anchor = -1;

  constructor({ keyAt, count }) {
    this.#keyAt = keyAt;
    this.#count = count;
  }

  get size() {
    return this.#keys.size;
  }

  get keys() {
    return [...this.#keys];
  }

  has(key) {
    return this.#keys.has(key);
  }

  clear() {
    this.#keys.clear();
    this.#anchor = this.cursor;
  }

  /** Selects everything in the list. */
  all() {
    for (let place = 0; place < this.#count(); place += 1) this.#keys.add(this.#keyAt(place));
  }

  /** Selects an entry alone, and goes there. */
  only(place) {
    if (!this.#go(place)) return;
    this.#keys.clear();
    this.#keys.add(this.#keyAt(place));
    this.#anchor = place;
  }

  /** Selects an entry or no longer, and goes there. */
  toggle(place) {
    if (!this.#go(place)) return;
    const key = this.#keyAt(place);
    if (!this.#keys.delete(key)) this.#keys.add(key);
    this.#anchor = place;
  }

  /** Selects from where the selection began to here. */
  extend(place) {
    const from = this.#anchor < 0 ? Math.max(0, this.cursor) : this.#anchor;
    if (!this.#go(place)) return;
    this.#keys.clear();
    for (let at = Math.min(from, place); at <= Math.max(from, place); at += 1) this.#keys.add(this.#keyAt(at));
    this.#anchor = from;
  }

  /** Goes up or down; with Shift the selection grows, without it only the place changes. */
  move(steps, isExtending) {
    const last = this.#count() - 1;
    if (last < 0) return;
    const from = this.cursor < 0 ? (steps > 0 ? -1 : last + 1) : this.cursor;
    const place = Math.min(last, Math.max(0, from + steps));
    if (isExtending) this.extend(place);
    else this.#go(place);
    if (!isExtending) this.#anchor = place;
  }

  /** Forgets what is not in the list any more; `at` finds the place of a key, or -1. */
  keepKnown(at, cursorKey) {
    for (const key of this.#keys) if (at(key) < 0) this.#keys.delete(key);
    const place = cursorKey === null ? -1 : at(cursorKey);
    this.cursor = place >= 0 ? place : Math.min(this.cursor, this.#count() - 1);
    this.#anchor = this.cursor;
  }

  /** Begins with another list. */
  reset() {
    this.#keys.clear();
    this.cursor = -1;
    this.#anchor = -1;
  }

  #go(place) {
    if (place < 0 || place >= this.#count()) return false;
    this.cursor = place;
    return true;
  }
}
