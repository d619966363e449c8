// The pages of administrators: sends their forms and buttons to the API, and keeps the list of sessions up to date.
//
// A form says by its attributes what becomes of it:
//   data-api="METHOD /address"  where it goes, as JSON; a field "settings.quota" is the member "quota" of "settings"
//   data-changed                only the fields that differ from what the page was made with are sent
//   data-then                   "reload", "stay", or an address; one that ends with "/" gets the name behind it
// A field:
//   data-lines                  its value is a list, with a line for each
//   data-empty="WORD"           what an emptied field stands for
// A button with data-api is a form without fields; data-ask asks first, data-body-NAME="VALUE" is its body.

import { doing, rates } from "./admin_sessions.mjs";
import { onSignedOut, request } from "./api.mjs";
import { size } from "./format.mjs";

const EVERY = 2000;
const KEPT = "admin-status";
const status = document.getElementById("admin-status");

function say(text, isError = false) {
  if (!status) return;
  status.textContent = text;
  status.classList.toggle("admin-error", isError);
}

/** Asks for the administrator's own password; null if it is not given. */
function ownPassword(why) {
  const dialog = document.getElementById("admin-password");
  const form = dialog.querySelector("form");
  document.getElementById("admin-password-why").textContent = why;
  form.reset();
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      "close",
      () => {
        const password = form.elements.current_password.value;
        form.reset();
        resolve(dialog.returnValue === "go" && password !== "" ? password : null);
      },
      { once: true },
    );
  });
}

async function call(method, address, body) {
  const response = await request(method, address, { json: body });
  return response.json();
}

/** Calls the API; where it wants the password again, asks for it and repeats the call. null if it is not given. */
async function confirmed(method, address, body) {
  for (;;) {
    try {
      return await call(method, address, body);
    } catch (error) {
      if (error.code !== "password_required") throw error;
      const password = await ownPassword(error.message);
      if (password === null) return null;
      body = { ...body, current_password: password };
    }
  }
}

function sentence(error) {
  return error.sentence ?? String(error);
}

/** Returns the lines of a text that are not empty. */
function lines(text) {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** Returns a list as the API takes it: it replaces what was there, also where entries have gone. */
function list(field, now) {
  if (now.length === 0) return [field.dataset.empty];
  if (field.name === "settings.permissions" && now.every((line) => line.startsWith("/"))) {
    return ["inherit", ...now];
  }
  return now;
}

/** Puts what a field says into the body. */
function put(body, field, isChangedOnly) {
  const [first, second] = field.name.split(".");
  const target = second ? (body[first] ??= {}) : body;
  const name = second ?? first;
  if (field.type === "checkbox") {
    if (!isChangedOnly && !field.checked) return;
    target[name] = field.checked;
    return;
  }
  const value = field.value.trim();
  if (field.name === "settings.folders") {
    const folderOf = (line) => line.split(/[/=]/)[0];
    const now = lines(value);
    const kept = new Set(now.map(folderOf));
    const gone = new Set(lines(field.defaultValue).map(folderOf).filter((name) => !kept.has(name)));
    target.folders = now;
    if (gone.size > 0) target.no_folders = [...gone];
  } else if ("lines" in field.dataset) {
    target[name] = list(field, lines(value));
  } else if (field.type === "password") {
    if (field.value !== "") target[name] = field.value;
  } else if (value !== "") {
    target[name] = value;
  } else if (isChangedOnly) {
    target[name] = field.dataset.empty ?? "";
  }
}

function isChanged(field) {
  return field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
}

function bodyOf(form) {
  const isChangedOnly = "changed" in form.dataset;
  const body = {};
  for (const field of form.elements) {
    if (field.name && (!isChangedOnly || isChanged(field))) put(body, field, isChangedOnly);
  }
  return body;
}

/** Says what has come of a change. */
function outcome(answer) {
  if (answer.password) return `The new password, which is shown only once: ${answer.password}`;
  if (answer.after) return `Measured: ${size(answer.after.used_bytes ?? 0)} in ${answer.after.used_files} files.`;
  const ended = answer.sessions_ended ? `, sessions ended: ${answer.sessions_ended}` : "";
  return `${answer.changed === false ? "Nothing has changed" : "Done"}${ended}.`;
}

function goOn(then, answer) {
  // A generated password must stay until it was read.
  if (!then || then === "stay" || answer.password) return;
  // What has come of it is said on the next page.
  sessionStorage.setItem(KEPT, status?.textContent ?? "");
  const name = answer.user ?? answer.group ?? answer.folder ?? "";
  if (then === "reload") location.reload();
  else location.assign(then.endsWith("/") ? then + encodeURIComponent(name) : then);
}

async function send(element, body) {
  const [method, address] = element.dataset.api.split(/ (.*)/);
  const button = element.matches("button") ? element : element.querySelector("button");
  button.disabled = true;
  say("…");
  try {
    const answer = await confirmed(method, address, body);
    if (answer === null) {
      say("Nothing was changed.");
      return;
    }
    say(outcome(answer));
    if (element.matches("form") && answer.password === undefined && !("changed" in element.dataset)) element.reset();
    goOn(element.dataset.then ?? (element.matches("button") && method !== "POST" ? "reload" : undefined), answer);
  } catch (error) {
    say(sentence(error), true);
    status?.scrollIntoView({ block: "nearest" });
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.api) return;
  event.preventDefault();
  const body = bodyOf(form);
  if ("changed" in form.dataset && Object.keys(body).length === 0) {
    say("Nothing has changed.");
    return;
  }
  send(form, body);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-api]");
  if (!button) return;
  if (button.dataset.ask && !confirm(button.dataset.ask)) return;
  const body = {};
  if (button.dataset.bodyUser) body.user = button.dataset.bodyUser;
  if (button.dataset.bodyFolder) body.folder = button.dataset.bodyFolder;
  const isPost = button.dataset.api.startsWith("POST ");
  send(button, isPost ? body : undefined);
});

function cell(row, text, className) {
  const cell = row.insertCell();
  cell.textContent = text;
  if (className) cell.className = className;
  return cell;
}

function draw(table, sessions, speeds) {
  const body = document.createElement("tbody");
  for (const session of sessions) {
    const row = body.insertRow();
    const link = document.createElement("a");
    link.href = `/admin/users/${encodeURIComponent(session.user)}`;
    link.textContent = session.user;
    cell(row, "").append(link);
    cell(row, session.peer);
    cell(row, session.client);
    cell(row, session.protocol);
    cell(row, session.since.replace(/\.\d+/, ""));
    const speed = speeds.get(session.id);
    cell(row, speed ? `${size(speed.up)}/s` : "…", "number");
    cell(row, speed ? `${size(speed.down)}/s` : "…", "number");
    const { text, part } = doing(session);
    const file = cell(row, text);
    if (part !== null) {
      const bar = document.createElement("progress");
      bar.max = 1;
      bar.value = part;
      file.append(" ", bar);
    }
    const end = document.createElement("button");
    end.type = "button";
    end.textContent = "End";
    end.dataset.api = `DELETE /api/v1/admin/sessions/${session.id}`;
    end.dataset.ask = `End the session of ${session.user} from ${session.peer}?`;
    end.dataset.then = "stay";
    end.setAttribute("aria-label", `End the session of ${session.user} from ${session.peer}`);
    cell(row, "").append(end);
  }
  if (sessions.length === 0) cell(body.insertRow(), "Nobody is signed in.").colSpan = 9;
  // A row that has the focus is not taken away below the reader's hands.
  const focused = table.contains(document.activeElement) ? document.activeElement.dataset.api : undefined;
  table.tBodies[0].replaceWith(body);
  if (focused) body.querySelector(`button[data-api="${CSS.escape(focused)}"]`)?.focus();
}

async function watch(table) {
  let before = null;
  const after = table.dataset.after;
  const look = async () => {
    if (document.visibilityState === "visible") {
      try {
        const { sessions } = await call("GET", `/api/v1/admin/sessions?after=${after}`);
        const sample = { at: performance.now(), sessions };
        draw(table, sessions, rates(before, sample));
        before = sample;
      } catch (error) {
        say(`The list is not up to date: ${sentence(error)}`, true);
      }
    } else {
      before = null;
    }
    setTimeout(look, EVERY);
  };
  await look();
}

onSignedOut(() => location.assign("/login"));

const kept = sessionStorage.getItem(KEPT);
sessionStorage.removeItem(KEPT);
if (kept) say(kept);

const sessionTable = document.getElementById("admin-sessions");
if (sessionTable) watch(sessionTable);
