// Makes elements. Text is always text: nothing here parses HTML.

import { lastName, pieces } from "./names.mjs";

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element. `text`, `class` and functions of `on` have their meaning; all else is an attribute. */
export function el(tag, { text, class: classes, on = {}, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Returns an icon of the sprite that every page has. */
export function icon(name, classes = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${classes}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Changes the icon of an element that has one. */
export function setIcon(element, name) {
  element.querySelector("use")?.setAttribute("href", `#i-${name}`);
}

/** Returns a button with an icon and a text; `isBare` shows the icon alone, and says the text. */
export function button(text, iconName, run, { class: classes = "", isBare = false, ...attributes } = {}) {
  const named = isBare ? { "aria-label": text, title: text } : {};
  const element = el("button", { type: "button", class: classes, on: { click: run }, ...named, ...attributes });
  if (iconName) element.append(icon(iconName));
  if (!isBare) element.append(el("span", { text }));
  return element;
}

/** Returns what shows a name or a path: what is hidden in it stands in boxes. */
export function nameNodes(key) {
  return pieces(key).map((piece) => (piece.box ? el("span", { class: "box", text: piece.box }) : piece.text));
}

/** Returns the last name of a path as an element. */
export function nameElement(path, tag = "strong") {
  return el(tag, {}, "“", el("bdi", {}, ...nameNodes(lastName(path))), "”");
}

let toastTimer = 0;

/** Says shortly what has happened. */
export function say(text) {
  const toast = document.getElementById("toast");
  if (!toast) return;
  toast.textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.replaceChildren(), Math.min(12_000, 3000 + 60 * text.length));
}

/** Returns the sentence of an error. What is a fault of the page goes to the console, too. */
export function sentenceOf(error) {
  if (typeof error.sentence === "string") return error.sentence;
  console.error(error);
  return "This did not work. Reload the page, then try again.";
}
