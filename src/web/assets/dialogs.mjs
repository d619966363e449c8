// Questions and answers in <dialog>.

import { hash } from "./api.mjs";
import { button, el, nameElement, nameNodes, say, sentenceOf } from "./dom.mjs";
import { counted } from "./format.mjs";
import { lastName, nameFault, shown } from "./names.mjs";

let numbers = 0;

/** Opens a dialog with a heading. It is removed when it is closed. */
export function open(title, content, { class: classes = "" } = {}) {
  numbers += 1;
  const heading = el("h2", { id: `dialog-${numbers}` }, ...[title].flat());
  const dialog = el("dialog", { class: classes, "aria-labelledby": heading.id }, heading, ...content);
  const before = document.activeElement;
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Asks with a form, and does what was asked. `run` gets the form's data; if it throws, its sentence is shown and the
 * dialog stays. Returns what `run` returned, or null if the dialog was closed.
 */
export function form(title, fields, { yes, run, isDangerous = false, class: classes = "" }) {
  return new Promise((resolve) => {
    const error = el("p", { class: "error", role: "alert" });
    const submit = el("button", { class: isDangerous ? "danger" : "primary", text: yes });
    const cancel = button("Cancel", null, () => dialog.close());
    const element = el("form", { method: "dialog" }, ...fields, error);
    element.append(el("div", { class: "dialog-buttons" }, cancel, submit));
    let result = null;
    element.addEventListener("submit", async (event) => {
      event.preventDefault();
      error.textContent = "";
      submit.disabled = true;
      try {
        result = (await run(new FormData(element))) ?? true;
        dialog.close();
      } catch (fault) {
        error.textContent = sentenceOf(fault);
        element.querySelector("input:not([type=checkbox])")?.focus();
      } finally {
        submit.disabled = false;
      }
    });
    const dialog = open(title, [element], { class: classes });
    dialog.addEventListener("close", () => resolve(result));
    (element.querySelector("[autofocus]") ?? (isDangerous ? cancel : submit)).focus();
  });
}

/** Asks for a name. `isFile` leaves the ending out of what is selected at first. */
export function askName(title, { value = "", yes, run, isFile = false }) {
  numbers += 1;
  const id = `field-${numbers}`;
  const input = el("input", { id, name: "name", value, autocomplete: "off", autocapitalize: "none", spellcheck: "false", autofocus: true });
  queueMicrotask(() => {
    const end = isFile ? value.lastIndexOf(".") : -1;
    input.setSelectionRange(0, end > 0 ? end : value.length);
  });
  const checked = (data) => {
    const name = data.get("name");
    const fault = nameFault(name);
    if (fault) throw Object.assign(new Error(fault), { sentence: fault });
    return run(name);
  };
  return form(title, [el("label", { for: id, text: "Name" }), input], { yes, run: checked });
}

/** The most names that a question lists. */
const MOST_NAMES = 200;

/** Asks whether entries are to be deleted, says what and how many, and does it. */
export function askDelete(entries, run) {
  const directories = entries.filter((entry) => entry.kind === "directory").length;
  const files = entries.length - directories;
  const parts = [
    files > 0 ? counted(files, "file") : null,
    directories > 0 ? `${counted(directories, "folder")} with everything in ${directories === 1 ? "it" : "them"}` : null,
  ];
  const what = parts.filter(Boolean).join(" and ");
  const list = el("ul", { class: "dialog-list", tabindex: "0", "aria-label": "What is deleted" });
  for (const entry of entries.slice(0, MOST_NAMES)) {
    list.append(el("li", {}, ...nameNodes(entry.key), entry.kind === "directory" ? "/" : ""));
  }
  if (entries.length > MOST_NAMES) {
    list.append(el("li", { class: "muted", text: `and ${counted(entries.length - MOST_NAMES, "more", "more")}` }));
  }
  const title = entries.length === 1 ? ["Delete ", nameElement(entries[0].key, "span"), "?"] : [`Delete ${counted(entries.length, "entry", "entries")}?`];
  const text = el("p", { text: `This deletes ${what}. It cannot be undone.` });
  return form(title, [list, text], { yes: "Delete", isDangerous: true, run });
}

/**
 * Asks what to do about a name that is taken. `others` is the number of files that wait for the same decision. Returns
 * `{ decision, isForAll }`, or null if nothing was decided.
 */
export function askConflict(path, { others, mayReplace }) {
  return new Promise((resolve) => {
    let answer = null;
    const all = el("input", { type: "checkbox" });
    const decide = (decision) => () => {
      answer = { decision, isForAll: all.checked };
      dialog.close();
    };
    const text = el("p", { text: "There is something of this name already. “Keep both” gives the new file a number behind its name." });
    const label = others > 0 ? `The same for all (${counted(others, "other one", "other ones")} so far)` : "The same for all that follow";
    const buttons = el(
      "div",
      { class: "dialog-buttons" },
      button("Skip", null, decide("skip")),
      button("Keep both", null, decide("rename")),
      mayReplace ? button("Replace", null, decide("replace"), { class: "danger" }) : null,
    );
    const content = [text, el("label", { class: "check" }, all, label), buttons];
    const dialog = open([nameElement(path, "span"), " exists"], content);
    dialog.addEventListener("close", () => resolve(answer));
    buttons.children[1].focus();
  });
}

/** Asks whether uploads are to be given up, and does it. */
export function askStop(count, run) {
  const text = el("p", { text: "What has arrived of unfinished files is removed from the server. Files that are done stay." });
  return form(`Stop ${counted(count, "upload")}?`, [text], { yes: "Stop and remove", isDangerous: true, run });
}

/** Shows the digests of a file, which the server computes when they are asked for. */
export function showDigests(path) {
  const abort = new AbortController();
  const rows = [];
  for (const [algorithm, name] of [["sha256", "SHA-256"], ["md5", "MD5"]]) {
    const output = el("code", { class: "digest", role: "status", tabindex: "0", "aria-label": name });
    const copy = button("Copy", "copy", async () => {
      try {
        await navigator.clipboard.writeText(output.textContent);
        say(`${name} copied`);
      } catch {
        getSelection().selectAllChildren(output);
        say("The browser does not allow that; it is selected now, so Ctrl+C copies it.");
      }
    });
    copy.disabled = true;
    const compute = button(name, "hash", async () => {
      compute.disabled = true;
      output.textContent = "The server reads the file…";
      try {
        output.textContent = await hash(path, algorithm, abort.signal);
        copy.disabled = false;
      } catch (error) {
        if (abort.signal.aborted) return;
        output.textContent = sentenceOf(error);
        compute.disabled = false;
      }
    });
    rows.push(output, el("p", { class: "dialog-row" }, compute, " ", copy));
  }
  const dialog = open(["Digests of ", nameElement(path, "span")], rows);
  dialog.append(el("div", { class: "dialog-buttons" }, button("Close", null, () => dialog.close())));
  dialog.addEventListener("close", () => abort.abort());
  // SHA-256 is what is mostly wanted.
  dialog.querySelector("button").click();
}

let isSignedOutShown = false;

/** Says that somebody must sign in again. What is being uploaded waits meanwhile. */
export function showSignedOut() {
  if (isSignedOutShown) return;
  isSignedOutShown = true;
  const text = el("p", { text: "You are not signed in any more. Sign in in another tab, then go on here: nothing that was uploaded is lost." });
  const link = el("a", { class: "button primary", href: "/login", target: "_blank", rel: "noopener", text: "Sign in" });
  const dialog = open("Sign in again", [text]);
  dialog.append(el("div", { class: "dialog-buttons" }, button("Go on", null, () => dialog.close()), link));
  dialog.addEventListener("close", () => {
    isSignedOutShown = false;
  });
}

/** Returns a name for a sentence. */
export function quoted(path) {
  return `“${shown(lastName(path))}”`;
}
