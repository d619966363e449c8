// Making and removing links to files. `openShareDialog` is for every page; the list is that of `/shares`.

import { request } from "./api.mjs";
import { form, open } from "./dialogs.mjs";
import { button, el, nameElement, say, sentenceOf } from "./dom.mjs";
import { jsonPath } from "./names.mjs";

const PLACE = "/api/v1/shares";

/** How long links last, in days; 0 is for ever. */
const LIFETIMES = [
  [1, "1 day"],
  [7, "7 days"],
  [30, "30 days"],
  [365, "1 year"],
  [0, "never ends"],
];

/** Returns a field with its label. */
function field(text, name, attributes = {}) {
  const id = `share-${name}`;
  return [el("label", { for: id, text }), el("input", { id, name, autocomplete: "off", ...attributes })];
}

function check(text, name, isChecked) {
  return el("label", { class: "check" }, el("input", { type: "checkbox", name, checked: isChecked }), text);
}

function lifetime() {
  const options = LIFETIMES.map(([days, text]) => el("option", { value: String(days), text, selected: days === 7 }));
  return [el("label", { for: "share-days", text: "Ends after" }), el("select", { id: "share-days", name: "days" }, ...options)];
}

/** Returns the whole number that a field has; null if it is empty. */
function numberOf(data, name) {
  const text = data.get(name).trim();
  return text === "" ? null : Number(text);
}

/** Returns what the API is asked for. */
function wish(path, isDirectory, data) {
  const days = Number(data.get("days"));
  const end = days === 0 ? "never" : new Date(Date.now() + days * 86_400_000).toISOString();
  const mebibytes = numberOf(data, "mebibytes");
  const all = {
    ...jsonPath(path),
    title: data.get("title"),
    download: isDirectory ? data.has("download") : true,
    upload: isDirectory && data.has("upload"),
    password: data.get("password") || null,
    expires_at: end,
    uses: numberOf(data, "uses"),
    bytes: mebibytes === null ? null : Math.round(mebibytes * 1024 * 1024),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}

/** Shows the address of a link, which the server tells once. */
function show(address) {
  const input = el("input", { value: address, readonly: true, "aria-label": "Address of the link", autofocus: true });
  const copy = button("Copy", "copy", async () => {
    try {
      await navigator.clipboard.writeText(address);
    } catch {
      input.select();
      return;
    }
    copy.querySelector("span").textContent = "Copied";
  });
  const close = button("Close", null, () => dialog.close(), { class: "primary" });
  const text = el("p", { text: "Copy the address now: it is shown only once. Whoever has it can use the link." });
  const dialog = open("The link", [text, input, el("div", { class: "dialog-buttons" }, copy, close)]);
  input.select();
  return new Promise((resolve) => {
    dialog.addEventListener("close", resolve);
  });
}

/**
 * Asks what a link to a file or folder is to be, makes it, and shows its address. `path` is its key, as in names.mjs.
 * Returns whether one was made.
 */
export async function openShareDialog(path, { isDirectory = true } = {}) {
  const purposes = isDirectory ? [check("Visitors may download", "download", true), check("Visitors may send files", "upload", false)] : [];
  const fields = [
    ...purposes,
    ...lifetime(),
    ...field("Password, if you want one", "password", { type: "password", autocomplete: "new-password" }),
    el(
      "details",
      {},
      el("summary", { text: "More" }),
      ...field("Title", "title", { maxlength: "200" }),
      ...field("Most visits", "uses", { type: "number", min: "1", step: "1", inputmode: "numeric" }),
      ...field("Most MiB to send and fetch", "mebibytes", { type: "number", min: "1", step: "1", inputmode: "numeric" }),
    ),
  ];
  const run = async (data) => {
    const response = await request("POST", PLACE, { json: wish(path, isDirectory, data) });
    return response.json();
  };
  const made = await form(["Share ", nameElement(path, "span")], fields, { yes: "Make a link", run });
  if (!made) return false;
  await show(new URL(made.url, window.location.href).href);
  return true;
}

async function remove(row) {
  const title = row.querySelector("th").textContent;
  const text = el("p", { text: `The link “${title}” stops working at once, also for those who are using it.` });
  const run = () => request("DELETE", `${PLACE}/${row.dataset.id}`);
  const done = await form("Remove this link?", [text], { yes: "Remove", isDangerous: true, run });
  if (!done) return;
  row.remove();
  say("The link was removed.");
}

const table = document.getElementById("shares");
table?.addEventListener("click", (event) => {
  const row = event.target.closest("button.remove")?.closest("tr");
  if (row) remove(row).catch((error) => say(sentenceOf(error)));
});
