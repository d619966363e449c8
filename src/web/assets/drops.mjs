// Files and folders that were dropped or chosen, one after another, with their paths. Folders may have any number of
// entries, and may be empty.

import { nameNodes } from "./dom.mjs";
import { keyOfText, lastName } from "./names.mjs";

/** The deepest folder that is looked into. */
const DEEPEST = 100;

function fileOf(entry) {
  return new Promise((resolve, reject) => {
    entry.file(resolve, reject);
  });
}

/** Returns the entries of a folder. A browser gives them in parts, and an empty part at the end. */
async function* entriesOf(folder) {
  const reader = folder.createReader();
  for (;;) {
    const part = await new Promise((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (part.length === 0) return;
    yield* part;
  }
}

async function* walk(entry, above, depth) {
  const path = `${above}/${keyOfText(entry.name)}`;
  if (entry.isFile) {
    try {
      yield { path, file: await fileOf(entry) };
    } catch {
      yield { path, fault: "The browser cannot read this file." };
    }
    return;
  }
  yield { path, isFolder: true };
  if (depth === DEEPEST) {
    yield { path, fault: `Folders are looked into up to ${DEEPEST} levels deep.` };
    return;
  }
  try {
    for await (const child of entriesOf(entry)) yield* walk(child, path, depth + 1);
  } catch {
    yield { path, fault: "The browser cannot read this folder." };
  }
}

/**
 * Returns what was dropped: `{ path, file }`, `{ path, isFolder }` or `{ path, fault }`, with paths that begin with a
 * slash. It must be called while the event is handled: afterwards the browser has forgotten what was dropped.
 */
export function dropped(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  const files = [...transfer.files];
  return (async function* all() {
    if (entries.length === 0 || entries.some((entry) => entry === null)) {
      yield* chosen(files);
      return;
    }
    for (const entry of entries) yield* walk(entry, "", 0);
  })();
}

/** Returns what was chosen with a picker of files or folders, which leaves out empty folders. */
export function* chosen(files) {
  const folders = new Set();
  for (const file of files) {
    const names = (file.webkitRelativePath || file.name).split("/").map(keyOfText);
    for (let depth = 1; depth < names.length; depth += 1) {
      const folder = `/${names.slice(0, depth).join("/")}`;
      if (!folders.has(folder)) yield { path: folder, isFolder: true };
      folders.add(folder);
    }
    yield { path: `/${names.join("/")}`, file };
  }
}

/** Shows where files would go while they are dragged over the page, and calls `add(path, found)` when they are dropped. */
export function listenForDrops(directory, add) {
  const sign = document.getElementById("drop");
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
  const isAccepted = () => directory.may.has("create") && document.querySelector("dialog[open]") === null;
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = isAccepted() ? "copy" : "none";
    if (!isAccepted() || !sign.hidden) return;
    const { path } = directory;
    document.getElementById("drop-target").replaceChildren(...(path === "/" ? ["Home"] : nameNodes(lastName(path))));
    sign.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    // Between two elements of the page there is another element to go to.
    if (event.relatedTarget === null) sign.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    // Without this, the browser would leave the page to show the file.
    event.preventDefault();
    sign.hidden = true;
    if (isAccepted()) add(directory.path, dropped(event.dataTransfer));
  });
}
