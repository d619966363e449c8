// Files and names that have hurt others: names with markup, invisible characters, bytes that are not UTF-8; files whose
// scripts tell when they run.

import { mkdirSync, writeFileSync } from "node:fs";

import { ALARM } from "./watch.mjs";

/** A picture of 2 x 2 pixels. */
export const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGP8z8DAwMDAxAADIAQABhgBB2bMu0UAAAAASUVORK5CYII=",
  "base64",
);

const script = (file) => `fetch("${ALARM}?${file}"); new Image().src = "${ALARM}?picture-${file}"; alert("${file}");`;

const HTML = (file) => `<!doctype html><meta charset="utf-8"><body onload='${script(file)}'><script>${script(file)}</script>
<img src="x" onerror='${script(file)}'><iframe src="javascript:alert(1)"></iframe><link rel="stylesheet" href="${ALARM}?style">`;

const SVG = (file) => `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9" onload='${script(file)}'>
<script>${script(file)}</script><image href="${ALARM}?image"/><foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><script>${script(file)}</script></body></foreignObject>
<a xlink:href="javascript:alert(1)"><rect width="9" height="9"/></a></svg>`;

/** Files whose content is hostile, with names that say what they pretend to be. */
const CONTENTS = {
  "page.html": HTML,
  "page.htm": HTML,
  "page.xhtml": (file) => `<html xmlns="http://www.w3.org/1999/xhtml"><head><script>${script(file)}</script></head><body/></html>`,
  "drawing.svg": SVG,
  "drawing.SVG": SVG,
  "data.xml": SVG,
  "really-html.png": HTML,
  "really-svg.jpg": SVG,
  "really-html.txt": HTML,
  "really-html.mp4": HTML,
  "really-html": HTML,
  "notes.md": (file) => `# x\n<script>${script(file)}</script>\n[a](javascript:alert(1)) <img src=x onerror='${script(file)}'>`,
  "paper.pdf": () => "%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n",
  "program.js": script,
  "module.mjs": script,
  "style.css": () => `@import "${ALARM}?import"; body { background: url("${ALARM}?css") }`,
  "page.mht": (file) => `MIME-Version: 1.0\nContent-Type: text/html\n\n${HTML(file)}`,
};

/** Names with markup, escapes and invisible characters. */
const NAMES = [
  "<img src=x onerror=alert(1)>",
  "<svg onload=alert(1)>.txt",
  '"><script src=x>',
  "' onmouseover='alert(1)",
  "{{7*7}}${7*7}<%= 7 %>",
  "&lt;b&gt; &amp; &#x3c;",
  "javascript:alert(1)",
  "%2e%2e%2f%3Cb%3E%00",
  "#hash?query=1&a;b",
  "..\\..\\windows",
  "-rf --help",
  " leading and trailing ",
  "line\nbreak\ttab\r.txt",
  "\u001b[31mred\u0007",
  "invoice\u202Egnp.exe",
  "\u2066isolated\u2069 \u200Bzero\u200Dwidth\uFEFF",
  "e\u0301 and \u00e9",
  "\u0645\u0644\u0641 \u05e7\u05d5\u05d1\u05e5 1.txt",
  "👩‍👩‍👧‍👦 🏴‍☠️",
  "CON",
  "...",
  "constructor",
  "__proto__",
  "a".repeat(255),
  `${"ü".repeat(127)}x`,
  "Z\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307".repeat(14),
];

/** Names whose bytes are not UTF-8. */
const BYTES = [[0xff, 0xfe, 0x2e, 0x74, 0x78, 0x74], [0x63, 0x61, 0x66, 0xe9], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0x80]];

/** Makes all of them in a directory. Returns their names as bytes, with whether each is a directory. */
export function makeCorpus(directory) {
  const made = [];
  const path = (bytes) => Buffer.concat([Buffer.from(`${directory}/`), bytes]);
  const add = (bytes, content) => {
    writeFileSync(path(bytes), content);
    made.push({ bytes, content: Buffer.from(content), isDirectory: false });
  };
  mkdirSync(directory, { recursive: true });
  for (const [file, content] of Object.entries(CONTENTS)) add(Buffer.from(file), content(file));
  NAMES.forEach((file, number) => add(Buffer.from(file), `content ${number}\n`));
  BYTES.forEach((bytes, number) => add(Buffer.from(bytes), `bytes ${number}\n`));
  for (const bytes of [Buffer.from("<i>folder<!--"), Buffer.from([0x64, 0xff, 0x72]), Buffer.from("d\u202Er")]) {
    mkdirSync(path(bytes));
    writeFileSync(Buffer.concat([path(bytes), Buffer.from("/inside.txt")]), "inside\n");
    made.push({ bytes, content: null, isDirectory: true });
  }
  return made;
}

/** Returns a name as it stands in URLs. */
export function encoded(bytes) {
  return [...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0").toUpperCase()}`).join("");
}
