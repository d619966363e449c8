// The page of a link that takes files: they are sent in pieces, and each one goes on where it was when the network is
// back. The page lists what was sent from it, and nothing else.

import { NetworkLoss, errorOf } from "./api.mjs";
import { beforeAttempt, retryAfter } from "./backoff.mjs";
import { el, sentenceOf } from "./dom.mjs";
import { size } from "./format.mjs";
import { keyOfText } from "./names.mjs";
import { send } from "./transport.mjs";
import { PIECE, metadata } from "./tus.mjs";

const VERSION = { "Tus-Resumable": "1.0.0" };
const BODY = { "Content-Type": "application/offset+octet-stream" };

/** How often a file is tried again while nothing of it arrives. */
const ATTEMPTS = 20;

const section = document.getElementById("send");
const choose = document.getElementById("choose");
const list = document.getElementById("sent");
const uploads = `${section.dataset.link}/api/uploads`;

/** The files that wait. One is sent after the other. */
const waiting = [];
let isSending = false;

/** Makes the row of a file. */
function rowOf(file) {
  const state = el("span", { class: "muted", text: "waits" });
  const bar = el("progress", { max: String(Math.max(file.size, 1)), value: "0", "aria-label": file.name });
  const row = el("li", {}, el("bdi", { text: file.name }), ` (${size(file.size)}) `, state, bar);
  list.append(row);
  list.hidden = false;
  return {
    progress: (bytes) => {
      bar.value = bytes;
    },
    say: (text, classes = "muted") => {
      state.textContent = text;
      state.className = classes;
    },
    end: () => bar.remove(),
  };
}

/** Returns how much of an upload the server has. */
async function offsetOf(url) {
  const reply = await send({ method: "HEAD", url, headers: VERSION });
  if (reply.status !== 200) throw errorOf(reply.status, reply.text);
  return Number(reply.header("Upload-Offset"));
}

async function begin(file) {
  const headers = {
    ...VERSION,
    "Upload-Length": String(file.size),
    "Upload-Metadata": metadata(`/${keyOfText(file.name)}`, file.lastModified),
  };
  const reply = await send({ method: "POST", url: uploads, headers });
  const place = reply.header("Location");
  if (reply.status !== 201 || !place) throw errorOf(reply.status, reply.text);
  return place;
}

async function piece(file, url, offset, row) {
  const body = file.slice(offset, offset + PIECE);
  const headers = { ...VERSION, ...BODY, "Upload-Offset": String(offset) };
  const onProgress = (loaded) => row.progress(offset + Math.min(loaded, body.size));
  const reply = await send({ method: "PATCH", url, headers, body, onProgress });
  if (reply.status === 204) return Number(reply.header("Upload-Offset"));
  throw Object.assign(errorOf(reply.status, reply.text), { after: retryAfter(reply.header("Retry-After")) });
}

/** Whether it may help to try again later. */
function isPassing(error) {
  return error instanceof NetworkLoss || [409, 423, 429, 503].includes(error.status);
}

async function sendFile({ file, row }) {
  let url = null;
  let offset = 0;
  let attempt = 0;
  row.say("is sent");
  for (;;) {
    try {
      if (url === null) {
        url = await begin(file);
        if (file.size === 0) return;
      } else if (attempt > 0) {
        offset = await offsetOf(url);
      }
      while (offset < file.size) {
        offset = await piece(file, url, offset, row);
        row.progress(offset);
        attempt = 0;
      }
      return;
    } catch (error) {
      attempt += 1;
      if (!isPassing(error) || attempt > ATTEMPTS) throw error;
      row.say("waits for the server");
      await beforeAttempt(attempt, undefined, error.after ?? 0);
      row.say("is sent");
    }
  }
}

async function sendAll() {
  if (isSending) return;
  isSending = true;
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    try {
      await sendFile(next);
      next.row.say("was sent", "good");
    } catch (error) {
      next.row.say(sentenceOf(error), "error");
    }
    next.row.end();
  }
  isSending = false;
}

function add(files) {
  for (const file of files) waiting.push({ file, row: rowOf(file) });
  sendAll();
}

choose.addEventListener("change", () => {
  add(choose.files);
  choose.value = "";
});

document.addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
});

document.addEventListener("drop", (event) => {
  if (event.dataTransfer.files.length === 0) return;
  event.preventDefault();
  add(event.dataTransfer.files);
});

window.addEventListener("beforeunload", (event) => {
  if (isSending) event.preventDefault();
});
