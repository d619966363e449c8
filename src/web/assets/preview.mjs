// Shows pictures, audio, video and text in a dialog. What may be shown, the server decides: it answers `?inline` with
// "inline" for these kinds only, and never for what could run a script.

import { fileUrl, firstBytes, noteSignedOut, request } from "./api.mjs";
import { button, el, nameNodes, sentenceOf } from "./dom.mjs";
import { size } from "./format.mjs";
import { join } from "./names.mjs";

/** The most of a text that is shown. */
const MOST_TEXT = 256 * 1024;

/** Returns "image", "audio", "video" or "text" for what the server lets a browser show; else null. */
async function kindOf(path, signal) {
  const response = await request("HEAD", `${fileUrl(path)}?inline`, { signal });
  const disposition = response.headers.get("Content-Disposition") ?? "inline";
  const type = response.headers.get("Content-Type") ?? "";
  if (!disposition.startsWith("inline")) return null;
  const [kind] = type.split("/");
  if (type.startsWith("text/plain")) return "text";
  return ["image", "audio", "video"].includes(kind) ? kind : null;
}

async function textOf(path, entry, signal) {
  if (entry.size === 0) return el("p", { class: "muted", text: "The file is empty." });
  const response = await firstBytes(path, MOST_TEXT, signal);
  if (response.status === 401) noteSignedOut();
  if (!response.ok) throw new Error(`status ${response.status}`);
  const text = new TextDecoder().decode(await response.arrayBuffer());
  const pre = el("pre", { tabindex: "0", text });
  if (entry.size > MOST_TEXT) {
    pre.append(el("p", { class: "muted", text: `These are the first 256 KiB of ${size(entry.size)}.` }));
  }
  return pre;
}

async function contentOf(kind, path, entry, signal) {
  const src = `${fileUrl(path)}?inline`;
  if (kind === "text") return textOf(path, entry, signal);
  const failed = () => media.replaceWith(el("p", { class: "muted", text: "The browser cannot show this file. Download it to open it." }));
  const attributes = { image: { alt: "" }, audio: { controls: true, autoplay: true }, video: { controls: true, autoplay: true, playsinline: true } };
  const media = el(kind === "image" ? "img" : kind, { src, ...attributes[kind], on: { error: failed } });
  return media;
}

/**
 * Shows an entry, with the entries beside it at the arrows; `download(entry)` is for what cannot be shown. `beside(entry,
 * step)` returns the next file in that direction, or null.
 */
export async function preview(directory, entry, { download, beside }) {
  let shown = entry;
  let abort = new AbortController();
  if ((await kindOf(join(directory, entry.key), abort.signal)) === null) {
    download(entry);
    return;
  }
  const heading = el("h2", { id: "preview-title" });
  const body = el("div", { class: "preview-body" });
  const step = (by) => async () => {
    const next = beside(shown, by);
    if (next) await show(next);
  };
  const head = el(
    "div",
    { class: "preview-head" },
    heading,
    button("Previous", "up", step(-1), { class: "quiet", isBare: true }),
    button("Next", "down", step(1), { class: "quiet", isBare: true }),
    button("Download", "download", () => download(shown), { class: "quiet", isBare: true }),
    button("Close", "close", () => dialog.close(), { class: "quiet", isBare: true }),
  );
  const dialog = el("dialog", { class: "preview", "aria-labelledby": "preview-title" }, head, body);
  const show = async (next) => {
    abort.abort();
    abort = new AbortController();
    const { signal } = abort;
    shown = next;
    const path = join(directory, next.key);
    heading.replaceChildren(el("bdi", {}, ...nameNodes(next.key)));
    body.replaceChildren();
    try {
      const kind = await kindOf(path, signal);
      const content = kind === null ? nothing(next) : await contentOf(kind, path, next, signal);
      if (!signal.aborted) body.replaceChildren(content);
    } catch (error) {
      if (!signal.aborted) body.replaceChildren(el("p", { class: "error", text: sentenceOf(error) }));
    }
  };
  const nothing = (next) =>
    el("p", {}, el("span", { class: "muted", text: "There is no preview of this file. " }), button(`Download ${size(next.size)}`, "download", () => download(next)));
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 }[event.key];
    // In a text and in a player these keys have a meaning of their own.
    if (by === undefined || ["PRE", "AUDIO", "VIDEO"].includes(event.target.tagName)) return;
    event.preventDefault();
    step(by)();
  });
  dialog.addEventListener("close", () => {
    abort.abort();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  await show(entry);
}
