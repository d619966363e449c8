// Choosing a directory to move entries to.

import { list } from "./api.mjs";
import { el, icon, nameNodes, sentenceOf } from "./dom.mjs";
import { form } from "./dialogs.mjs";
import { counted } from "./format.mjs";
import { isWithin, join, parent, shown } from "./names.mjs";

/** The most directories that are offered; who has more filters by opening the one above. */
const MOST = 1000;

/** Asks for a directory, and runs `move(target)` with its path. */
export function askTarget(directory, entries, move) {
  const title = entries.length === 1 ? ["Move “", el("bdi", {}, ...nameNodes(entries[0].key)), "”"] : `Move ${counted(entries.length, "entry", "entries")}`;
  const place = el("p", { role: "status" });
  const choices = el("ul", { class: "directories", "aria-label": "Folders" });
  const moved = entries.map((entry) => join(directory, entry.key));
  let here = directory;

  const choice = (iconName, nodes, path) =>
    el("li", {}, el("button", { type: "button", class: "quiet", on: { click: () => show(path) } }, icon(iconName), el("span", {}, ...nodes)));

  async function show(path) {
    here = path;
    place.replaceChildren("To ", el("strong", { text: path === "/" ? "Home" : shown(path) }));
    const found = [];
    try {
      let after = null;
      do {
        const part = await list(path, { limit: MOST, after });
        if (here !== path) return;
        found.push(...part.entries.filter((entry) => entry.kind === "directory"));
        after = part.next;
      } while (after !== null && found.length < MOST);
    } catch (error) {
      choices.replaceChildren(el("li", { class: "error", text: sentenceOf(error) }));
      return;
    }
    // A directory cannot be moved into itself.
    const open = found.filter((entry) => !moved.some((from) => isWithin(join(path, entry.key), from)));
    const items = open.map((entry) => choice("folder", [el("bdi", {}, ...nameNodes(entry.key))], join(path, entry.key)));
    if (path !== "/") items.unshift(choice("up", ["The folder above"], parent(path)));
    if (items.length === 0) items.push(el("li", { class: "muted", text: "There are no folders here." }));
    choices.replaceChildren(...items);
  }

  show(here);
  return form(title, [place, choices], {
    yes: "Move here",
    run: () => {
      if (here === directory) throw Object.assign(new Error(), { sentence: "They are in this folder already. Choose another one." });
      return move(here);
    },
  });
}
