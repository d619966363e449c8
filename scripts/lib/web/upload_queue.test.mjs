// The queue of uploads: states, turns, sums, and files that are dropped again.

import assert from "node:assert/strict";
import test from "node:test";

import { PARALLEL, UploadQueue, next } from "../../../src/web/assets/upload_queue.mjs";
import { KnownTimes } from "../../../src/web/assets/upload_times.mjs";

const file = (size, lastModified = 1000) => ({ size, lastModified });

function queueOf(count) {
  const queue = new UploadQueue();
  for (let number = 0; number < count; number += 1) queue.add({ path: `/${number}`, file: file(100) });
  return queue;
}

test("an event changes only the states that it is for", () => {
  const rows = [
    ["waiting", "start", "sending"], ["sending", "pause", "paused"], ["paused", "resume", "waiting"], ["sending", "conflict", "asking"],
    ["asking", "decide", "waiting"], ["asking", "skip", "skipped"], ["sending", "full", "full"], ["full", "retry", "waiting"],
    ["sending", "fail", "failed"], ["failed", "retry", "waiting"], ["missing", "attach", "waiting"], ["sending", "done", "done"],
    ["done", "pause", "done"], ["done", "retry", "done"], ["asking", "pause", "asking"], ["missing", "start", "missing"],
    ["paused", "done", "paused"], ["sending", "nonsense", "sending"],
  ];
  for (const [state, event, expected] of rows) assert.equal(next(state, event), expected, `${state} ${event}`);
});

test("three are sent at once, and each end makes room", () => {
  const queue = queueOf(5);
  const begun = queue.start();
  assert.deepEqual([begun.length, queue.start().length], [PARALLEL, 0]);
  queue.apply(begun[0].id, "done");
  queue.apply(begun[1].id, "full", "no room");
  assert.deepEqual(queue.start().map((item) => item.path), ["/3", "/4"]);
  assert.equal(queue.item(begun[1].id).message, "no room");
});

test("the sums follow every change", () => {
  const queue = queueOf(3);
  const [first, second, third] = queue.start();
  assert.equal(queue.progress(first.id, 60), 60);
  assert.equal(queue.progress(first.id, 50), -10);
  queue.progress(second.id, 100);
  queue.apply(second.id, "conflict");
  queue.decide(second.id, "skip");
  queue.apply(third.id, "done");
  const { files, ended, bytes, sent, states } = queue.totals();
  assert.deepEqual({ files, ended, bytes, sent }, { files: 2, ended: 1, bytes: 200, sent: 150 });
  assert.deepEqual(states, { sending: 1, skipped: 1, done: 1 });
  queue.remove(first.id);
  queue.removeEnded();
  assert.deepEqual(queue.totals(), { files: 0, ended: 0, there: 0, bytes: 0, sent: 0, states: {} });
});

test("files that the server had already are done, and counted", () => {
  const queue = queueOf(2);
  const [first, second] = queue.start();
  queue.apply(first.id, "found");
  queue.apply(second.id, "done");
  const { ended, there, sent } = queue.totals();
  assert.deepEqual([first.state, first.wasThere, second.wasThere], ["done", true, false]);
  assert.deepEqual([ended, there, sent], [2, 1, 200]);
  queue.removeEnded();
  assert.equal(queue.totals().there, 0);
});

test("a decision for all holds for those that ask already, and goes first", () => {
  const queue = queueOf(5);
  const [first, second] = queue.start();
  queue.apply(first.id, "conflict");
  queue.apply(second.id, "conflict");
  queue.decide(first.id, "rename", true);
  assert.deepEqual([first.decision, second.decision, queue.decisionForAll], ["rename", "rename", "rename"]);
  assert.deepEqual(new Set(queue.start().map((item) => item.path)), new Set(["/0", "/1"]));
  // A crowd that comes later is asked about anew.
  for (const item of [...queue.items]) queue.remove(item.id);
  queue.removeEnded();
  assert.equal(queue.decisionForAll, null);
});

test("what is left from before waits for its file, and goes on where it was", () => {
  const queue = new UploadQueue();
  const left = queue.add({ path: "/film", size: 100, lastModified: 1000, uploadId: "ab", offset: 40 });
  assert.deepEqual([left.state, queue.totals().files, queue.isBusy], ["missing", 0, false]);
  const { item, outdated } = queue.offer({ path: "/film", file: file(100) });
  assert.deepEqual([item.uploadId, item.sent, item.state, outdated], ["ab", 40, "waiting", null]);
  assert.deepEqual([queue.count, queue.isBusy], [1, true]);
});

test("a part with all bytes wants only a decision about its name", () => {
  const queue = new UploadQueue();
  const left = queue.add({ path: "/film", size: 100, uploadId: "ab", offset: 100 });
  assert.equal(left.state, "asking");
  queue.decide(left.id, "rename");
  assert.deepEqual(queue.start(), [left]);
});

test("a file that has changed begins anew, and its old part is named", () => {
  for (const changed of [file(101), file(100, 2000)]) {
    const queue = new UploadQueue();
    queue.add({ path: "/film", size: 100, lastModified: 1000, uploadId: "ab", offset: 40 });
    const { item, outdated } = queue.offer({ path: "/film", file: changed });
    assert.deepEqual([item.uploadId, item.sent, outdated], [null, 0, "ab"]);
  }
});

test("a file that is dropped twice is sent once", () => {
  const queue = queueOf(1);
  const [first] = queue.start();
  assert.equal(queue.offer({ path: "/0", file: file(100) }).item, first);
  queue.apply(first.id, "done");
  const again = queue.offer({ path: "/0", file: file(100) }).item;
  assert.notEqual(again, first);
  assert.equal(again.state, "waiting");
});

test("a file that is dropped again while it asks is asked about first", () => {
  const queue = queueOf(3);
  for (const item of queue.start()) queue.apply(item.id, "conflict");
  const { item, outdated } = queue.offer({ path: "/1", file: file(100) });
  assert.deepEqual([item.state, outdated, queue.count], ["asking", null, 3]);
  assert.deepEqual(queue.asking(item).map(({ path }) => path), ["/1", "/0", "/2"]);
  assert.deepEqual(queue.asking().map(({ path }) => path), ["/0", "/1", "/2"]);
});

test("the times of files are kept for uploads that are unfinished, and no more than that", () => {
  const kept = new Map();
  const storage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  const times = new KnownTimes(storage);
  for (let number = 0; number <= 1000; number += 1) times.note(`${number}`, number);
  times.forget("7");
  const later = new KnownTimes(storage);
  assert.deepEqual([later.of("0"), later.of("7"), later.of("1000")], [null, null, 1000]);
  kept.set("upload-times", "not JSON");
  assert.equal(new KnownTimes(storage).of("1000"), null);
});
