// Directories that uploads go to: made again after a cut, and asked once for what they have.

import assert from "node:assert/strict";
import test from "node:test";

import { NetworkLoss } from "../../../src/web/assets/api.mjs";
import { LOST } from "../../../src/web/assets/backoff.mjs";
import { UploadPlaces } from "../../../src/web/assets/upload_places.mjs";

const MTIME = 1_700_000_000;
const file = (size, lastModified = MTIME * 1000 + 123) => ({ size, lastModified });

/** A server with directories. `faults` has what is answered instead to a request, by its number; null is a cut. */
class FakeServer {
  log = [];
  waits = [];
  told = [];
  made = [];
  names = new Map([["/", new Map()]]);

  constructor(faults = {}) {
    this.faults = faults;
    const wait = async (attempt, signal) => this.#wait(attempt, signal);
    const env = { send: (request) => this.#answer(request), wait };
    const on = { wait: (path, sentence) => this.told.push([path, sentence]), made: (path) => this.made.push(path) };
    this.places = new UploadPlaces(env, on);
  }

  #wait(attempt, signal) {
    this.waits.push(attempt);
    this.onWait?.();
    signal.throwIfAborted();
  }

  async #answer({ method, url, signal }) {
    signal.throwIfAborted();
    const path = url.replace(/^\/api\/v1\/files|\/?\?.*$/g, "") || "/";
    const query = new URLSearchParams(url.slice(url.indexOf("?")));
    this.log.push(`${method} ${path}`);
    const fault = this.faults[this.log.length];
    if (fault === null) throw new NetworkLoss();
    const reply = fault?.(this, path) ?? (method === "PUT" ? this.make(path) : this.list(path, query));
    if (reply.isLost) throw new NetworkLoss();
    const { status, json = { error: { message: "no" } } } = reply;
    return { status, header: () => null, text: JSON.stringify(json) };
  }

  make(path) {
    const isThere = this.names.has(path);
    if (!isThere) this.names.set(path, new Map());
    return { status: isThere ? 409 : 201 };
  }

  list(path, query) {
    const all = [...(this.names.get(path) ?? [])];
    const [from, limit] = [Number(query.get("after") ?? 0), Number(query.get("limit"))];
    const entries = all.slice(from, from + limit).map(([name, known]) => ({ name, kind: "file", ...known }));
    const next = from + limit < all.length ? String(from + limit) : null;
    return { status: this.names.has(path) ? 200 : 404, json: { path, entries, next, may: {}, usage: {} } };
  }
}

const failing = (status) => () => ({ status });

test("a directory is made again until the link is back, and nothing of it fails", async () => {
  const server = new FakeServer({ 1: null, 2: null, 3: failing(503) });
  await server.places.make("/a");
  assert.deepEqual([server.log.length, server.waits, server.made], [4, [1, 2, 3], ["/a"]]);
  assert.deepEqual(server.told.map(([, sentence]) => sentence), [LOST, LOST, "No.", null]);
});

test("a directory whose reply was lost is there: it was made the first time", async () => {
  const lost = (server, path) => ({ ...server.make(path), isLost: true });
  const server = new FakeServer({ 1: lost });
  await server.places.make("/a");
  assert.deepEqual(server.log, ["PUT /a", "PUT /a"]);
  await server.places.ready("/a");
  assert.equal(server.log.length, 2);
});

test("directories are made after those above them, one at a time, and none below one that is refused", async () => {
  const server = new FakeServer({ 2: null });
  await Promise.all(["/a", "/a/b", "/c"].map((path) => server.places.make(path)));
  assert.deepEqual(server.log, ["PUT /a", "PUT /a/b", "PUT /a/b", "PUT /c"]);
  const refused = new FakeServer({ 1: failing(403) });
  const made = ["/a", "/a/b"].map((path) => refused.places.make(path));
  for (const one of made) await assert.rejects(one, { status: 403 });
  await assert.rejects(refused.places.ready("/a/b"), { status: 403 });
  assert.deepEqual(refused.log, ["PUT /a"]);
  // Whoever tries a file again wants its directories again, too.
  refused.places.retry("/a/b");
  await refused.places.ready("/a/b");
  assert.deepEqual(refused.log, ["PUT /a", "PUT /a", "PUT /a/b"]);
});

test("a server that fails on and on is given up", async () => {
  const server = new FakeServer();
  server.make = failing(500);
  await assert.rejects(server.places.make("/a"), { status: 500 });
  assert.equal(server.log.length, 8);
});

test("what is given up is not made when the link is back", async () => {
  const server = new FakeServer({ 1: null });
  server.onWait = () => server.places.stop();
  await assert.rejects(server.places.make("/a"), { name: "AbortError" });
  assert.deepEqual([server.log.length, server.names.has("/a")], [1, false]);
});

test("a file is there if its size is and its time to the second; a directory is asked once", async () => {
  const server = new FakeServer({ 1: null });
  const known = (size, mtime = MTIME, kind = "file") => ({ size, mtime, kind });
  const names = { same: known(7), é: known(0), older: known(7, MTIME - 1), folder: known(7, MTIME, "directory") };
  server.names.set("/a", new Map(Object.entries(names)));
  const has = (name, size) => server.places.has(`/a/${name}`, file(size));
  assert.deepEqual(await Promise.all([has("same", 7), has("%C3%A9", 0)]), [true, true]);
  const others = [has("same", 8), has("older", 7), has("folder", 7), has("none", 7)];
  assert.deepEqual(await Promise.all(others), [false, false, false, false]);
  assert.deepEqual(server.log, ["GET /a", "GET /a"]);
  // What is dropped again is compared with what is there then.
  server.names.get("/a").delete("same");
  server.places.look("/a");
  assert.equal(await has("same", 7), false);
});

test("a directory that is new has nothing, and one that was there is looked into", async () => {
  const server = new FakeServer();
  server.names.set("/old", new Map([["x", { size: 7, mtime: MTIME }]]));
  for (const path of ["/new", "/old"]) await server.places.make(path);
  const has = (path) => server.places.has(path, file(7));
  assert.deepEqual([await has("/new/x"), await has("/old/x")], [false, true]);
  assert.deepEqual(server.log, ["PUT /new", "PUT /old", "GET /old"]);
});

test("of a very long directory a part is read, and of one that may not be read nothing", async () => {
  const server = new FakeServer();
  const known = { size: 7, mtime: MTIME };
  server.names.set("/long", new Map(Array.from({ length: 15_000 }, (_, number) => [`${number}`, known])));
  const has = (path) => server.places.has(path, file(7));
  assert.deepEqual([await has("/long/2500"), await has("/long/14999")], [true, false]);
  assert.equal(server.log.length, 5);
  const closed = new FakeServer({ 1: failing(403) });
  assert.equal(await closed.places.has("/x", file(7)), false);
});
