// Sizes, durations, rates and waits.

import assert from "node:assert/strict";
import test from "node:test";

import { ApiError, errorOf, sentence } from "../../../src/web/assets/api.mjs";
import { beforeAttempt, delayOf, retryAfter, sleep } from "../../../src/web/assets/backoff.mjs";
import { counted, duration, size, thousandths } from "../../../src/web/assets/format.mjs";
import { iconOf } from "../../../src/web/assets/kinds.mjs";
import { Rate } from "../../../src/web/assets/rate.mjs";

test("sizes look as the server writes them", () => {
  const rows = [[0, "0 B"], [1023, "1023 B"], [1024, "1.0 KiB"], [10 * 2 ** 20, "10.0 MiB"], [1.5 * 2 ** 40, "1.5 TiB"]];
  for (const [bytes, expected] of rows) assert.equal(size(bytes), expected);
});

test("durations are rough and never too short", () => {
  const rows = [[1, "less than 5 s"], [12, "15 s"], [89, "90 s"], [90, "2 min"], [3600, "1 h"], [3700, "1 h 2 min"], [259_200, "3 days"], [Infinity, ""]];
  for (const [seconds, expected] of rows) assert.equal(duration(seconds), expected);
  assert.equal(counted(1, "file"), "1 file");
  assert.equal(counted(12_000, "entry", "entries"), "12,000 entries");
});

test("a bar is never fuller than full", () => {
  assert.deepEqual([thousandths(0, 0), thousandths(1, 2), thousandths(3, 2), thousandths(0, 5)], [1000, 500, 1000, 0]);
});

test("a rate is that of the last ten seconds", () => {
  const rate = new Rate();
  rate.add(0, 0);
  assert.equal(rate.perSecond(500), null, "too early to tell");
  for (let at = 1000; at <= 30_000; at += 1000) rate.add(at > 20_000 ? 3000 : 100, at);
  assert.equal(rate.perSecond(30_000), 3000);
  assert.equal(rate.secondsFor(6000, 30_000), 2);
});

test("a rate sinks to nothing at a standstill, and comes back fast", () => {
  const rate = new Rate();
  for (let at = 0; at <= 10_000; at += 1000) rate.add(1000, at);
  assert.equal(rate.perSecond(60_000), 0);
  assert.equal(rate.secondsFor(1, 60_000), null);
  // An hour later, as after a laptop's sleep.
  rate.add(1000, 3_600_000);
  for (let at = 1000; at <= 10_000; at += 1000) rate.add(1000, 3_600_000 + at);
  assert.ok(rate.perSecond(3_610_000) > 900);
});

test("waits grow to half a minute, and not all pages come at once", () => {
  assert.deepEqual([1, 2, 3, 6, 60].map((attempt) => delayOf(attempt, 1)), [1000, 2000, 4000, 30_000, 30_000]);
  assert.equal(delayOf(1, 0), 750);
  assert.deepEqual([retryAfter("5"), retryAfter("900"), retryAfter(null), retryAfter("soon")], [5000, 30_000, 0, 0]);
});

test("a wait ends when it is of no use any more", async () => {
  const abort = new AbortController();
  const waiting = sleep(60_000, abort.signal);
  abort.abort(new Error("over"));
  await assert.rejects(waiting, /over/);
  await assert.rejects(beforeAttempt(9, abort.signal), /over/);
});

test("sentences of the server are whole ones for people", () => {
  assert.equal(sentence("the name is taken", "choose another one"), "The name is taken. Choose another one.");
  assert.equal(sentence("Really?", null), "Really?");
  const error = errorOf(507, '{"v":1,"error":{"code":"over_quota","message":"no room","hint":"delete something"}}');
  assert.ok(error instanceof ApiError);
  assert.deepEqual([error.code, error.status, error.sentence], ["over_quota", 507, "No room. Delete something."]);
  assert.match(errorOf(502, "<html>Bad gateway").sentence, /502/);
});

test("icons go by the ending", () => {
  const rows = [["a.JPG", "file", "image"], ["tar", "file", "archive"], ["a", "directory", "folder"], ["a.png", "link", "link"], ["x", "other", "file"]];
  for (const [key, kind, expected] of rows) assert.equal(iconOf({ key, kind }), expected, key);
});
