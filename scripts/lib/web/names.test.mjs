// Names as bytes: in URLs, in JSON, and on the screen.

import assert from "node:assert/strict";
import test from "node:test";

import {
  base64, bytesOfKey, fromBase64, isWithin, join, jsonPath, keyOfBytes, keyOfJson, keyOfText, lastName, nameFault, parent,
  pathOfJson, shown, textOf,
} from "../../../src/web/assets/names.mjs";

test("every byte comes through a key and back", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const key = keyOfBytes(bytes);
  assert.match(key, /^[A-Za-z0-9\-._~%]*$/);
  assert.deepEqual(bytesOfKey(key), bytes);
  assert.deepEqual(fromBase64(base64(bytes)), bytes);
});

test("a key is what a browser and the server write", () => {
  const check = (name, key) => assert.equal(keyOfText(name), key);
  check("a b", "a%20b");
  check("100%", "100%25");
  check("ä", "%C3%A4");
  check("𝄞", "%F0%9D%84%9E");
  check("a+b&c=d?#", "a%2Bb%26c%3Dd%3F%23");
  check("it's (1)*!", "it%27s%20%281%29%2A%21");
  assert.equal(textOf("%f0%9D%84%9E"), "𝄞");
  assert.equal(textOf("%FF"), null);
});

test("JSON has the exact bytes beside a name where they differ", () => {
  assert.equal(keyOfJson("a b"), "a%20b");
  assert.equal(keyOfJson("\\xff", base64(Uint8Array.of(0xff))), "%FF");
  assert.equal(pathOfJson("/a b/c"), "/a%20b/c");
  assert.equal(pathOfJson("/"), "/");
  assert.equal(pathOfJson("?", base64(Uint8Array.of(0x2f, 0xff, 0x2f, 0x61))), "/%FF/a");
  assert.deepEqual(jsonPath("/a%20b", "rename"), { rename: "/a b" });
  assert.deepEqual(jsonPath("/%FF", "rename"), { rename_b64: "L/8=" });
});

test("paths are put together and taken apart", () => {
  assert.equal(join("/", "a"), "/a");
  assert.equal(join("/a", "b"), "/a/b");
  assert.deepEqual([parent("/a/b"), parent("/a"), lastName("/a/b")], ["/a", "/", "b"]);
  assert.ok(isWithin("/a/b", "/a") && isWithin("/a", "/a") && isWithin("/a", "/"));
  assert.ok(!isWithin("/ab", "/a"));
});

test("what is hidden in a name is seen", () => {
  const check = (key, expected) => assert.equal(shown(key), expected);
  check(keyOfText("photo\u202egpj.exe"), "photo⟨U+202E⟩gpj.exe");
  check(keyOfText("a\nb\u0000\u200b"), "a⟨U+000A⟩b⟨U+0000⟩⟨U+200B⟩");
  check(keyOfText("\u{e0041}"), "⟨U+E0041⟩");
  check(keyOfText("\ufeffa"), "⟨U+FEFF⟩a");
  check("%FF%C3a%F0%9D%84", "⟨FF⟩⟨C3⟩a⟨F0⟩⟨9D⟩⟨84⟩");
  check("%ED%A0%80", "⟨ED⟩⟨A0⟩⟨80⟩");
  // The joiners shape the characters beside them: Persian and many emoji cannot be written without them.
  check(keyOfText("👩‍💻 می‌خواهم"), "👩‍💻 می‌خواهم");
});

test("a name that no file can have is refused before the server is asked", () => {
  for (const name of ["", ".", "..", "a/b", "a\0", "ä".repeat(128)]) assert.ok(nameFault(name), name);
  for (const name of ["a", "...", " ", "ä".repeat(127), "\u202e"]) assert.equal(nameFault(name), null);
});
