// The page of an account: sends its forms and buttons to the API. What is shown once is shown in a dialog; after a change
// the page is made anew by the server.

import { onSignedOut, request } from "./api.mjs";
import { form, open } from "./dialogs.mjs";
import { button, el, say, sentenceOf } from "./dom.mjs";

const API = "/api/v1/account";
const SVG = "http://www.w3.org/2000/svg";
const KEPT = "account-said";
/** No file of public keys is longer: the API refuses larger bodies. */
const LONGEST_KEY_FILE = 512 * 1024;

const account = document.getElementById("account");
const hasTotp = "totp" in account.dataset;

onSignedOut(() => location.assign("/login?next=/account"));

async function call(method, url, json) {
  const response = await request(method, url, { json });
  return response.json();
}

/** Shows the page anew, and says there what was done. */
function renew(text) {
  sessionStorage.setItem(KEPT, text);
  location.reload();
}

function fault(sentence) {
  return Object.assign(new Error(sentence), { sentence });
}

/** Has a form of the page do its work. Passwords are forgotten when it failed, since one of them was wrong. */
function onSubmit(id, run) {
  const element = document.getElementById(id);
  if (!element) return;
  const error = element.querySelector(".error");
  const submit = element.querySelector("button");
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.textContent = "";
    submit.disabled = true;
    try {
      await run(new FormData(element), element);
    } catch (caught) {
      error.textContent = sentenceOf(caught);
      element.elements.current_password.value = "";
      element.elements.current_password.focus();
    } finally {
      submit.disabled = false;
    }
  });
}

function field(label, name, attributes) {
  const id = `dialog-${name}`;
  return [el("label", { for: id, text: label }), el("input", { id, name, required: true, ...attributes })];
}

function passwordField() {
  return field("Your password", "current_password", { type: "password", autocomplete: "current-password", autofocus: true });
}

function codeField(label) {
  return field(label, "code", { autocomplete: "one-time-code", autocapitalize: "none", spellcheck: "false" });
}

/** Returns a button that copies the text of an element, or selects it where the browser does not allow that. */
function copyButton(element, text, what) {
  return button("Copy", "copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
      say(`${what} copied`);
    } catch {
      getSelection().selectAllChildren(element);
      say("The browser does not allow that; it is selected now, so Ctrl+C copies it.");
    }
  });
}

/** Shows what nobody sees again, and shows the page anew when the dialog is closed. */
function showOnce(title, text, shown, copied, said) {
  const done = el("button", { type: "button", class: "primary", text: "I have kept it", on: { click: () => dialog.close() } });
  const buttons = el("div", { class: "dialog-buttons" }, copyButton(shown, copied, title), done);
  const dialog = open(title, [el("p", { text }), shown, buttons]);
  // Escape must not lose it.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", () => renew(said));
}

function qrCode({ size, path }) {
  const svg = document.createElementNS(SVG, "svg");
  const draw = (tag, attributes) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    svg.append(element);
  };
  svg.setAttribute("class", "account-qr");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "QR code with the secret below");
  svg.setAttribute("shape-rendering", "crispEdges");
  // Black on white in dark colours, too: many readers do not recognise a code whose colours are exchanged.
  draw("rect", { width: size, height: size, fill: "#fff" });
  draw("path", { d: path, fill: "#000" });
  return svg;
}

// Password

onSubmit("password-form", async (data, element) => {
  if (data.get("password") !== data.get("again")) {
    element.elements.again.value = "";
    throw fault("The two new passwords differ.");
  }
  const json = { current_password: data.get("current_password"), password: data.get("password") };
  await call("PUT", `${API}/password`, json);
  renew("Your password is changed, and all other browsers are signed out.");
});

// Second factor

async function enroll() {
  const fields = [...passwordField(), ...(hasTotp ? codeField("A code of the present device, or a recovery code") : [])];
  const begun = await form("Set up a second factor", fields, {
    yes: "Go on",
    run: (data) => call("POST", `${API}/totp`, Object.fromEntries(data)),
  });
  if (!begun) return;
  const secret = el("code", { class: "account-secret", text: begun.secret.match(/.{1,4}/g).join(" ") });
  const content = [
    el("p", { text: "Scan this with an authenticator application, or type the secret into it. Then give the code that it shows: only after that the second factor is on." }),
    ...(begun.qr ? [qrCode(begun.qr)] : []),
    secret,
    ...codeField("Code"),
  ];
  const enrolled = await form("Second factor", content, {
    yes: "Switch it on",
    run: (data) => call("POST", `${API}/totp/confirm`, { code: data.get("code") }),
  });
  if (!enrolled) return;
  const codes = enrolled.recovery_codes;
  const list = el("ul", { class: "account-codes" }, ...codes.map((code) => el("li", {}, el("code", { text: code }))));
  const text = "Each of these codes signs you in once if your device is lost. Keep them where you would look for them then: nobody can show them again.";
  showOnce("Recovery codes", text, list, codes.join("\n"), "Your second factor is on, and all other browsers are signed out.");
}

async function removeTotp() {
  const text = el("p", { text: "A password alone is enough to sign in then." });
  const fields = [text, ...passwordField(), ...codeField("Code, or a recovery code")];
  const removed = await form("Take the second factor away?", fields, {
    yes: "Take it away",
    isDangerous: true,
    run: (data) => call("POST", `${API}/totp/remove`, Object.fromEntries(data)),
  });
  if (removed) renew("Your second factor is off, and all other browsers are signed out.");
}

document.getElementById("totp-begin")?.addEventListener("click", enroll);
document.getElementById("totp-remove")?.addEventListener("click", removeTotp);

// Keys

const keysForm = document.getElementById("keys-form");

async function takeKeyFile(file) {
  if (!file) return;
  const error = keysForm.querySelector(".error");
  error.textContent = "";
  if (file.size > LONGEST_KEY_FILE) {
    error.textContent = "This file is too large for public keys. Its name usually ends in .pub.";
    return;
  }
  const text = await file.text();
  if (text.includes("PRIVATE KEY")) {
    error.textContent = "This is a private key, which must stay with you. Its public key is in the file whose name ends in .pub.";
    return;
  }
  keysForm.elements.keys.value = text;
}

if (keysForm) {
  document.getElementById("key-file").addEventListener("change", (event) => {
    takeKeyFile(event.target.files[0]);
    event.target.value = "";
  });
  keysForm.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    keysForm.classList.add("dropping");
  });
  keysForm.addEventListener("dragleave", () => keysForm.classList.remove("dropping"));
  keysForm.addEventListener("drop", (event) => {
    keysForm.classList.remove("dropping");
    if (event.dataTransfer.files.length === 0) return;
    event.preventDefault();
    takeKeyFile(event.dataTransfer.files[0]);
  });
}

onSubmit("keys-form", async (data) => {
  await call("POST", `${API}/keys`, { keys: data.get("keys"), current_password: data.get("current_password") });
  renew("The key is added.");
});

for (const element of document.querySelectorAll("[data-remove-key]")) {
  element.addEventListener("click", async () => {
    const fingerprint = element.dataset.removeKey;
    const text = [el("p", { text: "Sessions that were begun with this key end." }), el("code", { class: "account-secret", text: fingerprint })];
    const run = () => call("DELETE", `${API}/keys/${encodeURIComponent(fingerprint)}`);
    if (await form("Remove the key?", text, { yes: "Remove", isDangerous: true, run })) renew("The key is removed.");
  });
}

// Tokens

onSubmit("tokens-form", async (data, element) => {
  const { token } = await call("POST", `${API}/tokens`, Object.fromEntries(data));
  element.reset();
  const shown = el("code", { class: "account-secret", text: token });
  const text = "A program shows this token instead of your password. Copy it now: nobody can show it again.";
  showOnce("The new token", text, shown, token, "The token is made.");
});

// Buttons that need nothing but a click, or an answer to a question

async function press(element) {
  const [method, url] = element.dataset.api.split(" ");
  const { ask, title, yes } = element.dataset;
  const run = () => call(method, url);
  try {
    if (ask && !(await form(title, [el("p", { text: ask })], { yes, isDangerous: true, run }))) return;
    if (!ask) await run();
    renew("Done.");
  } catch (error) {
    say(sentenceOf(error));
  }
}

for (const element of document.querySelectorAll("[data-api]")) {
  element.addEventListener("click", () => press(element));
}

const kept = sessionStorage.getItem(KEPT);
sessionStorage.removeItem(KEPT);
if (kept) say(kept);
