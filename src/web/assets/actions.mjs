// What can be done with entries: opening, downloading, renaming, moving, deleting, digests. The menu of a row and the bar
// of a selection offer the same.

import * as api from "./api.mjs";
import { askDelete, askName, showDigests } from "./dialogs.mjs";
import { button, el, say } from "./dom.mjs";
import { counted } from "./format.mjs";
import { openMenu } from "./menu.mjs";
import { base64, bytesOfKey, join, keyOfText, lastName, shown, textOf } from "./names.mjs";

/** The longest address by which several files are downloaded; longer lists go by a form. */
const LONGEST_ADDRESS = 4000;

/** Has the browser save what an address answers with, without leaving the page. */
function save(href) {
  const link = el("a", { href, download: true });
  document.body.append(link);
  link.click();
  link.remove();
}

export class Actions {
  #directory;
  #listing;
  #isHere;
  #go;

  /** `go(path)` opens a directory. */
  constructor(directory, listing, go) {
    this.#directory = directory;
    this.#listing = listing;
    this.#go = go;
    /** Whether the directory is still the one that something was begun in. */
    this.#isHere = (path) => directory.path === path;
  }

  /** Opens a directory; shows a file, or downloads what cannot be shown. */
  async open(entry) {
    const { path } = this.#directory;
    if (entry.kind === "directory") return this.#go(join(path, entry.key));
    if (entry.kind === "other") return say("This is neither a file nor a folder, so it cannot be opened.");
    const download = (shownEntry) => this.download([shownEntry]);
    return this.#tried(async () => {
      const { preview } = await import("./preview.mjs");
      await preview(path, entry, { download, beside: (from, step) => this.#beside(from, step) });
    });
  }

  #beside(entry, step) {
    const { entries } = this.#directory;
    let place = this.#directory.placeOf(entry.key) + step;
    while (entries[place] && entries[place].kind !== "file") place += step;
    if (entries[place]) this.#listing.goTo(entries[place].key);
    return entries[place] ?? null;
  }

  /** Downloads a file as it is, anything else as one archive. */
  download(entries) {
    const paths = entries.map((entry) => join(this.#directory.path, entry.key));
    if (entries.length === 1 && entries[0].kind !== "directory") {
      save(api.fileUrl(paths[0]));
      return;
    }
    const address = `${api.archiveUrl()}?${paths.map((path) => `path=${path}`).join("&")}`;
    if (address.length <= LONGEST_ADDRESS) {
      save(address);
      return;
    }
    // In a tab of its own, so that the page and its uploads stay; the browser closes it when the download begins.
    const form = el("form", { method: "post", action: api.archiveUrl(), target: "_blank", hidden: true });
    for (const path of paths) form.append(el("input", { name: "paths_b64", value: base64(bytesOfKey(path)) }));
    document.body.append(form);
    form.submit();
    form.remove();
  }

  async newFolder() {
    const { path } = this.#directory;
    const done = await askName("New folder", {
      yes: "Create",
      run: async (name) => {
        const key = keyOfText(name);
        await api.makeDirectory(join(path, key));
        await this.#changed(path, key);
      },
    });
    // The keyboard goes on with the new folder.
    if (done) this.#listing.focus();
  }

  rename(entry) {
    const { path } = this.#directory;
    return askName("Rename", {
      value: textOf(entry.key) ?? "",
      yes: "Rename",
      isFile: entry.kind !== "directory",
      run: async (name) => {
        const key = keyOfText(name);
        if (key === entry.key) return;
        await api.rename(join(path, entry.key), join(path, key));
        await this.#changed(path, key);
      },
    });
  }

  async move(entries) {
    const { path } = this.#directory;
    const { askTarget } = await import("./move.mjs");
    return askTarget(path, entries, (target) =>
      this.#each(entries, path, "moved", (entry) => api.rename(join(path, entry.key), join(target, entry.key))),
    );
  }

  /** Makes a link to an entry. The module is fetched when it is needed. */
  share(entry) {
    const path = join(this.#directory.path, entry.key);
    return this.#tried(async () => {
      const { openShareDialog } = await import("./shares.mjs");
      await openShareDialog(path, { isDirectory: entry.kind === "directory" });
    });
  }

  remove(entries) {
    const { path } = this.#directory;
    return askDelete(entries, () =>
      this.#each(entries, path, "deleted", (entry) => api.remove(join(path, entry.key), entry.kind === "directory")),
    );
  }

  /** Does the same to each entry. What was done stays done if one of them fails, and the sentence says how far it came. */
  async #each(entries, path, done, run) {
    const gone = [];
    try {
      for (const entry of entries) {
        await run(entry);
        gone.push(entry.key);
      }
      say(entries.length === 1 ? `“${shown(gone[0])}” was ${done}` : `${counted(gone.length, "entry was", "entries were")} ${done}`);
    } catch (error) {
      const at = entries[gone.length];
      const before = gone.length > 0 ? `${counted(gone.length, "entry was", "entries were")} ${done}. ` : "";
      error.message = `${before}“${shown(at.key)}”: ${error.message}`;
      throw error;
    } finally {
      if (this.#isHere(path) && gone.length > 0) {
        this.#directory.drop(gone);
        this.#directory.reloadSoon();
      }
    }
  }

  async #changed(path, key) {
    if (!this.#isHere(path)) return;
    await this.#directory.reload();
    this.#listing.selection.clear();
    this.#listing.goTo(key);
  }

  async #tried(run) {
    try {
      return await run();
    } catch (error) {
      say(error.sentence ?? String(error));
      return undefined;
    }
  }

  /** Returns what the user may do with these entries. */
  #items(entries) {
    const { may, path } = this.#directory;
    const [first] = entries;
    const isOne = entries.length === 1;
    const isFile = isOne && first.kind === "file";
    return [
      isOne && first.kind === "directory" && { text: "Open", icon: "folder", key: "Enter", run: () => this.open(first) },
      isFile && may.has("read") && { text: "Open", icon: "eye", key: "Enter", run: () => this.open(first) },
      may.has("read") && { text: isFile ? "Download" : "Download as zip", icon: "download", run: () => this.download(entries) },
      isFile && may.has("read") && { text: "SHA-256 and MD5", icon: "hash", run: () => showDigests(join(path, first.key)) },
      isOne && may.has("rename") && { text: "Rename", icon: "pencil", key: "F2", run: () => this.rename(first) },
      may.has("rename") && { text: "Move", icon: "move", run: () => this.move(entries) },
      isOne && ["file", "directory"].includes(first.kind) && { text: "Share", icon: "link", run: () => this.share(first) },
      may.has("delete") && { text: "Delete", icon: "trash", key: "Del", isDangerous: true, run: () => this.remove(entries) },
    ].filter(Boolean);
  }

  /** Opens the menu of the chosen entries. */
  menu(at) {
    const entries = this.#listing.chosen;
    const items = entries.length > 0 ? this.#items(entries) : [];
    if (items.length > 0) openMenu("Actions", items, at, document.getElementById("listing"));
  }

  /** Does what a key of the listing means. */
  command(key) {
    const entries = this.#listing.chosen;
    const { may, path } = this.#directory;
    if (key === "Backspace") {
      if (path !== "/") this.#go(path.slice(0, path.lastIndexOf("/")) || "/", lastName(path));
    } else if (key === "Delete" && entries.length > 0 && may.has("delete")) {
      this.remove(entries);
    } else if (key === "F2" && entries.length === 1 && may.has("rename")) {
      this.rename(entries[0]);
    }
  }

  /** Fills the bar of the selection. */
  fill(bar, entries) {
    const items = this.#items(entries).filter((item) => item.text !== "Open" && item.icon !== "hash");
    const buttons = items.map((item) => button(item.text, item.icon, item.run, { class: "quiet", title: item.text }));
    const close = button("Clear the selection", "close", () => this.#listing.clear(), { class: "quiet", isBare: true });
    bar.replaceChildren(el("strong", { role: "status", text: `${entries.length.toLocaleString("en")} selected` }), ...buttons, close);
  }
}
