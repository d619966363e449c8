// The directory that is shown: its entries as far as they were read, and how they are sorted and filtered. The server
// sorts and filters. Without the DOM; `list` is passed in. Events: "change" (entries), "open" (another directory),
// "state" (reading began or ended).

/** The entries of the first part, which is seen at once, and of the others, which are read ahead. */
const FIRST_PART = 500;
const PART = 2000;

/** Up to this many entries, what has changed is read again, so that it stands in its place. */
const MOST_REREAD = 2000;

/** The time in which changes are gathered before they are read, in milliseconds. */
const GATHERED = 1500;

export class Directory extends EventTarget {
  #list;
  #abort = new AbortController();
  #places = null;
  #timer = 0;
  path = "/";
  sort = "name";
  order = "asc";
  filter = "";
  entries = [];
  next = null;
  may = new Set();
  usage = null;
  isLoading = false;
  /** Why the next part could not be read; null if nothing failed. */
  fault = null;

  constructor(list) {
    super();
    this.#list = list;
  }

  /** Takes what a page came with. */
  adopt({ path, sort, order, filter, entries, next, may }) {
    Object.assign(this, { path, sort, order, filter, entries, next, may });
    this.#places = null;
    this.#tell("open");
  }

  /** Reads a directory, or the same one with another order or filter. Throws what the server says. */
  async open(path, { sort = this.sort, order = this.order, filter = "" } = {}) {
    const asked = { path, sort, order, filter };
    const part = await this.#read(path, { ...asked, limit: FIRST_PART });
    if (part === null) return false;
    Object.assign(this, asked, { path: part.path, entries: part.entries });
    this.#take(part);
    this.#tell("open");
    return true;
  }

  /** Reads the next part, if there is one and nobody does. */
  async more() {
    if (this.next === null || this.isLoading) return;
    try {
      const part = await this.#read(this.path, { ...this.#asked(), after: this.next, limit: PART });
      if (part === null) return;
      this.entries.push(...part.entries);
      this.#take(part);
      this.#tell("change");
    } catch (error) {
      this.fault = error;
      this.#tell("state");
    }
  }

  /** Reads all parts that are left. */
  async rest() {
    while (this.next !== null && this.fault === null) {
      const before = this.entries.length;
      await this.more();
      if (this.entries.length === before && this.isLoading) await this.#idle();
      else if (this.entries.length === before) return;
    }
  }

  /** Reads what was read again. Of a very long listing the first part stands for all, the others follow. */
  async reload() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const wanted = Math.min(this.entries.length, MOST_REREAD);
    try {
      let part = await this.#read(this.path, { ...this.#asked(), limit: FIRST_PART });
      if (part === null) return;
      const entries = part.entries;
      while (entries.length < wanted && part.next !== null) {
        part = await this.#read(this.path, { ...this.#asked(), after: part.next, limit: PART });
        if (part === null) return;
        entries.push(...part.entries);
      }
      this.entries = entries;
      this.#take(part);
      this.#tell("change");
    } catch (error) {
      this.fault = error;
      this.#tell("state");
    }
  }

  /** Returns the place of an entry by its key; -1 if it is not there. */
  placeOf(key) {
    this.#places ??= new Map(this.entries.map((entry, place) => [entry.key, place]));
    return this.#places.get(key) ?? -1;
  }

  /** Takes entries out that were removed. */
  drop(keys) {
    const gone = new Set(keys);
    this.entries = this.entries.filter((entry) => !gone.has(entry.key));
    this.#changed();
  }

  /** Notes that an entry is new or has changed. */
  put(entry) {
    const place = this.placeOf(entry.key);
    if (place >= 0) {
      this.entries[place] = { ...this.entries[place], ...entry };
      this.#changed();
    } else if (this.entries.length <= MOST_REREAD) {
      this.reloadSoon();
    } else {
      // Reading thousands of entries again for one would make the list jump: it stands at the top until then.
      this.entries.unshift({ ...entry, isNew: true });
      this.#changed();
    }
  }

  /** Reads the listing again in a moment, once for many changes. */
  reloadSoon() {
    if (this.#timer !== 0) return;
    this.#timer = setTimeout(() => this.reload(), GATHERED);
  }

  #asked() {
    return { sort: this.sort, order: this.order, filter: this.filter };
  }

  /** Reads a part; null if something else was asked for meanwhile. */
  async #read(path, query) {
    this.#abort.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.isLoading = true;
    this.fault = null;
    this.#tell("state");
    try {
      return await this.#list(path, { ...query, signal: abort.signal });
    } catch (error) {
      if (abort.signal.aborted) return null;
      throw error;
    } finally {
      if (this.#abort === abort) {
        this.isLoading = false;
        this.#tell("state");
      }
    }
  }

  #take(part) {
    this.next = part.next;
    this.may = new Set(Object.keys(part.may).filter((right) => part.may[right]));
    this.usage = part.usage;
    this.#places = null;
  }

  #changed() {
    this.#places = null;
    this.#tell("change");
  }

  #idle() {
    return new Promise((resolve) => {
      const listen = () => {
        if (this.isLoading) return;
        this.removeEventListener("state", listen);
        resolve();
      };
      this.addEventListener("state", listen);
    });
  }

  #tell(event) {
    this.dispatchEvent(new Event(event));
  }
}
