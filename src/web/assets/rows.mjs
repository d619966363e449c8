// The rows of the listing.

import { fileUrl } from "./api.mjs";
import { el, icon, nameNodes } from "./dom.mjs";
import { size, time } from "./format.mjs";
import { iconOf } from "./kinds.mjs";
import { join, shown } from "./names.mjs";

/** Returns where an entry leads: to the page of a directory, or to the file. */
export function hrefOf(directory, entry) {
  const path = join(directory, entry.key);
  return entry.kind === "directory" ? `/files${path}/` : fileUrl(path);
}

function nameCell(directory, entry) {
  const name = shown(entry.key);
  const attributes = { class: "entry", title: name };
  const content =
    entry.kind === "other"
      ? el("span", attributes, el("bdi", {}, ...nameNodes(entry.key)))
      : el("a", { ...attributes, href: hrefOf(directory, entry), tabindex: "-1", draggable: "false" }, el("bdi", {}, ...nameNodes(entry.key)));
  return el("td", { class: "name", role: "gridcell" }, icon(iconOf(entry), entry.kind), content);
}

/** Returns the row of an entry. */
export function row(directory, entry) {
  const name = shown(entry.key);
  const check = el("input", { type: "checkbox", tabindex: "-1", "aria-label": `Select ${name}` });
  const more = el("button", { type: "button", class: "quiet", tabindex: "-1", "aria-label": `Actions for ${name}`, "aria-haspopup": "menu" }, icon("more"));
  const date = el("time", { text: time(entry.mtime) });
  const stamp = new Date(entry.mtime * 1000);
  if (!Number.isNaN(stamp.getTime())) date.dateTime = stamp.toISOString();
  return el(
    "tr",
    { role: "row", class: entry.isNew ? "new" : "" },
    el("td", { class: "pick", role: "gridcell" }, check),
    nameCell(directory, entry),
    el("td", { class: "size", role: "gridcell", text: entry.kind === "directory" ? "" : size(entry.size) }),
    el("td", { class: "mtime", role: "gridcell" }, date),
    el("td", { class: "more", role: "gridcell" }, more),
  );
}

/** Returns a row that stands for those above or below that are not drawn. */
export function space() {
  const cell = el("td", { colspan: "5" });
  return { element: el("tr", { class: "space", role: "presentation" }, cell), cell };
}

/** Reads the entries that a page came with. */
export function entriesOfPage(rows) {
  return [...rows.querySelectorAll("tr")].map((element) => ({
    key: element.dataset.key,
    kind: element.dataset.kind,
    size: Number(element.dataset.size),
    mtime: Number(element.dataset.mtime),
  }));
}
