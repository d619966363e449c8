// The listing without its picture: what is selected, and what was read of a directory.

import assert from "node:assert/strict";
import test from "node:test";

import { Directory } from "../../../src/web/assets/directory.mjs";
import { Selection } from "../../../src/web/assets/selection.mjs";

function selectionOf(keys) {
  return new Selection({ keyAt: (place) => keys[place], count: () => keys.length });
}

test("Shift extends from where the selection began, in both directions", () => {
  const selection = selectionOf(["a", "b", "c", "d", "e"]);
  selection.only(2);
  selection.extend(4);
  assert.deepEqual(selection.keys, ["c", "d", "e"]);
  selection.extend(1);
  assert.deepEqual(selection.keys, ["b", "c"]);
  selection.toggle(4);
  assert.deepEqual(selection.keys, ["b", "c", "e"]);
  selection.toggle(1);
  assert.deepEqual(selection.keys, ["c", "e"]);
});

test("the arrows move, stop at the ends, and select with Shift", () => {
  const selection = selectionOf(["a", "b", "c"]);
  selection.move(1, false);
  assert.deepEqual([selection.cursor, selection.size], [0, 0]);
  selection.move(10, false);
  assert.equal(selection.cursor, 2);
  selection.move(-1, true);
  assert.deepEqual(selection.keys, ["b", "c"]);
  selection.reset();
  selection.move(-1, false);
  assert.equal(selection.cursor, 2);
  const none = selectionOf([]);
  none.move(1, true);
  assert.equal(none.cursor, -1);
});

test("a selection outlives a new order, and forgets what is gone", () => {
  const keys = ["a", "b", "c"];
  const selection = selectionOf(keys);
  selection.all();
  selection.cursor = 0;
  keys.splice(0, 3, "c", "a");
  selection.keepKnown((key) => keys.indexOf(key), "a");
  assert.deepEqual([selection.keys, selection.cursor], [["a", "c"], 1]);
});

/** A server with entries 0 to `count`, which answers when it is told to, or at once. */
function serverOf(count) {
  const asked = [];
  const list = async (path, { after, limit, signal }) => {
    asked.push({ path, after, limit });
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    signal.throwIfAborted();
    const from = Number(after ?? 0);
    const to = Math.min(count, from + limit);
    const entries = Array.from({ length: to - from }, (_, at) => ({ key: `${from + at}`, kind: "file", size: 1, mtime: 0 }));
    return { path, entries, next: to < count ? String(to) : null, may: { read: true, create: false }, usage: null };
  };
  return { list, asked };
}

test("a large directory is read in parts, as far as it is wanted", async () => {
  const { list, asked } = serverOf(6000);
  const directory = new Directory(list);
  await directory.open("/a");
  assert.deepEqual([directory.entries.length, directory.next], [500, "500"]);
  assert.deepEqual([...directory.may], ["read"]);
  await directory.more();
  assert.equal(directory.placeOf("700"), 700);
  await directory.rest();
  assert.deepEqual([directory.entries.length, directory.next, asked.length], [6000, null, 4]);
});

test("the last question counts", async () => {
  const directory = new Directory(serverOf(10).list);
  const answers = await Promise.all([directory.open("/a"), directory.open("/b")]);
  assert.deepEqual([answers, directory.path, directory.isLoading], [[false, true], "/b", false]);
});

test("a part that cannot be read is told, and read when somebody asks again", async () => {
  const { list } = serverOf(600);
  let isDown = false;
  const directory = new Directory((...question) => (isDown ? Promise.reject(new Error("down")) : list(...question)));
  await directory.open("/a");
  isDown = true;
  await directory.rest();
  assert.match(directory.fault.message, /down/);
  isDown = false;
  await directory.more();
  assert.deepEqual([directory.fault, directory.entries.length], [null, 600]);
});

test("a new file of a very long listing is seen without reading thousands again", async () => {
  const { list, asked } = serverOf(5000);
  const directory = new Directory(list);
  await directory.open("/a");
  await directory.rest();
  const before = asked.length;
  directory.put({ key: "new", kind: "file", size: 2, mtime: 1 });
  directory.put({ key: "7", kind: "file", size: 9, mtime: 1 });
  assert.deepEqual([directory.placeOf("new"), directory.entries[directory.placeOf("7")].size], [0, 9]);
  directory.drop(["new", "8"]);
  assert.deepEqual([directory.placeOf("8"), directory.entries.length, asked.length], [-1, 4999, before]);
});
