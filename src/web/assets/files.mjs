// The page of files: puts the parts together, and has the address bar, the path, the filter and the quota.

import { Actions } from "./actions.mjs";
import { list, onSignedOut, unfinishedUploads } from "./api.mjs";
import { showSignedOut } from "./dialogs.mjs";
import { Directory } from "./directory.mjs";
import { button, el, nameNodes, say, sentenceOf } from "./dom.mjs";
import { listenForDrops } from "./drops.mjs";
import { size, thousandths } from "./format.mjs";
import { Listing, countText } from "./listing.mjs";
import { openMenu } from "./menu.mjs";
import { bytesOfKey, keyOfBytes, lastName, shown } from "./names.mjs";
import { entriesOfPage } from "./rows.mjs";

const $ = (id) => document.getElementById(id);
const table = $("listing");
const site = document.title.slice(document.title.lastIndexOf(" · "));
const filter = $("filter").elements.filter;

/** The time after the last key at which the filter is applied, in milliseconds. */
const TYPING = 250;

const directory = new Directory(list);
const listing = new Listing(directory);
const actions = new Actions(directory, listing, go);

let loading = null;

/** Returns what uploads, which is loaded when somebody wants it. */
function uploads() {
  loading ??= import("./uploads.mjs").then(({ Uploads }) => new Uploads({ panel: $("uploads"), directory }));
  return loading;
}

/** Returns the address of what is shown. */
function address({ path, sort, order, filter: text }) {
  const query = new URLSearchParams();
  if (sort !== "name" || order !== "asc") {
    query.set("sort", sort);
    query.set("order", order);
  }
  if (text !== "") query.set("filter", text);
  const search = query.size > 0 ? `?${query}` : "";
  return `/files${path === "/" ? "" : path}/${search}`;
}

/** Opens a directory, and goes to the entry with this key in it. */
async function go(path, key = null, options = {}) {
  history.replaceState({ ...history.state, scroll: window.scrollY }, "");
  try {
    if (!(await directory.open(path, options))) return;
    history.pushState({}, "", address(directory));
    window.scrollTo(0, 0);
    listing.focus();
    if (key !== null) listing.goTo(key);
  } catch (error) {
    say(sentenceOf(error));
  }
}

/** Reads the same directory with another order or filter. The address changes, and no step back is added. */
async function again(options) {
  try {
    const kept = { sort: directory.sort, order: directory.order, filter: directory.filter };
    if (await directory.open(directory.path, { ...kept, ...options })) history.replaceState(history.state, "", address(directory));
  } catch (error) {
    say(sentenceOf(error));
  }
}

/** Returns what an address shows. */
function ofAddress() {
  const names = location.pathname.replace(/^\/files\/?/, "").split("/").filter((name) => name !== "");
  const query = new URLSearchParams(location.search);
  return {
    path: `/${names.map((name) => keyOfBytes(bytesOfKey(name))).join("/")}`,
    sort: query.get("sort") ?? "name",
    order: query.get("order") ?? "asc",
    filter: query.get("filter") ?? "",
  };
}

function showPath() {
  const names = directory.path.split("/").filter((name) => name !== "");
  const crumbs = ["", ...names].map((name, depth) => {
    const path = names.slice(0, depth).map((key) => `${key}/`).join("");
    const isLast = depth === names.length;
    const link = el("a", { href: `/files/${path}`, "aria-current": isLast ? "page" : null }, ...(depth === 0 ? ["Home"] : nameNodes(name)));
    return el("li", {}, link);
  });
  $("crumbs").firstElementChild.replaceChildren(...crumbs);
  $("crumbs").scrollLeft = $("crumbs").scrollWidth;
  const title = directory.path === "/" ? "Home" : shown(lastName(directory.path));
  document.title = `${title}${site}`;
  $("title").textContent = title;
  table.setAttribute("aria-label", `Entries of ${title}`);
}

function showHeads() {
  for (const link of table.tHead.querySelectorAll("a[data-sort]")) {
    const isSorted = link.dataset.sort === directory.sort;
    const head = link.closest("th");
    if (isSorted) head.setAttribute("aria-sort", directory.order === "asc" ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  }
}

function showUsage() {
  const { usage } = directory;
  if (!usage) return;
  const isLimited = usage.quota_bytes !== null && usage.quota_bytes !== undefined;
  const used = size(usage.used_bytes ?? 0);
  $("usage-text").textContent = isLimited ? `${used} of ${size(usage.quota_bytes)}` : `${used} used`;
  if ($("usage-bar") && isLimited) {
    const part = thousandths(usage.used_bytes ?? 0, usage.quota_bytes);
    $("usage-bar").value = part;
    $("usage-bar").classList.toggle("full", part >= 950);
  }
}

function showState() {
  table.classList.toggle("loading", directory.isLoading && directory.entries.length === 0);
  table.setAttribute("aria-busy", directory.isLoading);
  $("count").textContent = countText(directory);
  if (directory.fault !== null) {
    const retry = button("Try again", null, () => (directory.next === null ? directory.reload() : directory.more()));
    $("count").replaceChildren(`${sentenceOf(directory.fault)} `, retry);
  }
}

function showAll() {
  const isEmpty = directory.entries.length === 0;
  $("empty").hidden = !isEmpty || directory.isLoading;
  const mayCreate = directory.may.has("create");
  $("empty").textContent =
    directory.filter !== ""
      ? `No name contains “${directory.filter}”.`
      : `Nothing is here yet.${mayCreate ? " Drop files and folders here, or choose them with “Upload”." : ""}`;
  $("upload").hidden = !mayCreate;
  $("new-folder").hidden = !directory.may.has("mkdir");
  showUsage();
  showState();
}

function showSelection() {
  const { selection, chosen } = listing;
  const isShown = selection.size > 0 && chosen.length > 0;
  $("selection").hidden = !isShown;
  document.querySelector(".toolbar").classList.toggle("has-selection", isShown);
  if (isShown) actions.fill($("selection"), chosen);
}

function connectListing() {
  directory.addEventListener("open", () => {
    if (filter !== document.activeElement) filter.value = directory.filter;
    showPath();
    showHeads();
    showAll();
    listing.reset();
  });
  directory.addEventListener("change", () => {
    listing.refresh(listing.cursorKey);
    showAll();
  });
  directory.addEventListener("state", showState);
  listing.addEventListener("select", showSelection);
  listing.addEventListener("enter", (event) => actions.open(event.detail.entry));
  listing.addEventListener("menu", (event) => actions.menu(event.detail.at));
  listing.addEventListener("command", (event) => actions.command(event.detail.key));
  table.tHead.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-sort]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const { sort } = link.dataset;
    const isTurned = sort === directory.sort && directory.order === "asc";
    // Sizes and times are looked through from the largest and the newest.
    const first = sort === "name" ? "asc" : "desc";
    const turned = isTurned ? "desc" : "asc";
    again({ sort, order: sort === directory.sort ? turned : first });
  });
}

function connectAddress() {
  history.scrollRestoration = "manual";
  window.addEventListener("popstate", async (event) => {
    const { path, ...options } = ofAddress();
    try {
      if (await directory.open(path, options)) window.scrollTo(0, event.state?.scroll ?? 0);
    } catch (error) {
      say(sentenceOf(error));
    }
  });
  $("crumbs").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const path = link.getAttribute("href").replace(/^\/files/, "").replace(/\/$/, "") || "/";
    // The entry that leads to where one comes from.
    const below = directory.path.slice(path === "/" ? 1 : path.length + 1).split("/")[0];
    go(path, path === directory.path ? null : below);
  });
}

function connectFilter() {
  let timer = 0;
  const apply = () => {
    clearTimeout(timer);
    if (filter.value !== directory.filter) again({ filter: filter.value });
  };
  filter.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(apply, TYPING);
  });
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      filter.value = "";
      apply();
      listing.focus();
    } else if (event.key === "ArrowDown") {
      apply();
      listing.focus();
    } else {
      return;
    }
    event.preventDefault();
  });
  $("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
    listing.focus();
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select, dialog, [role=menu]") !== null;
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    filter.focus();
    filter.select();
  });
}

function connectUploads() {
  $("new-folder").addEventListener("click", () => actions.newFolder());
  const choose = (isFolder) => async () => (await uploads()).choose({ isFolder });
  $("upload").addEventListener("click", () => {
    // It is loaded while somebody chooses: a browser opens its picker only at once.
    uploads();
    const choices = [
      { text: "Files", icon: "file", run: choose(false) },
      { text: "A folder", icon: "folder", run: choose(true) },
    ];
    openMenu("Upload", choices, $("upload"));
  });
  listenForDrops(directory, async (target, found) => (await uploads()).add(target, found));
}

/** Shows what was left unfinished before. */
async function showUnfinished() {
  try {
    const left = await unfinishedUploads();
    if (left.length > 0) (await uploads()).showUnfinished(left);
  } catch {
    // They are shown another time.
  }
}

onSignedOut(showSignedOut);
connectListing();
connectAddress();
connectFilter();
connectUploads();
const { path, sort, order, filter: text, may, next } = table.dataset;
const given = { path, sort, order, filter: text, may: new Set(may.split(" ")), next: next || null };
directory.adopt({ ...given, entries: entriesOfPage($("rows")) });
// A later part of the listing, by a link without scripts: the listing begins at its beginning here.
if ("part" in table.dataset) directory.reload();
showUnfinished();
