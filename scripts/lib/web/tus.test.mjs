// Sending one file: pieces, cuts, taken names, no room, and a server that has forgotten.

import assert from "node:assert/strict";
import test from "node:test";

import { NetworkLoss } from "../../../src/web/assets/api.mjs";
import { PIECE, discard, metadata, upload } from "../../../src/web/assets/tus.mjs";

const MIB = 1024 * 1024;

/** A file that is not in memory. */
function fileOf(size, lastModified = 1_700_000_000_123) {
  const slice = (from, to) => ({ size: Math.max(0, Math.min(size, to) - from), arrayBuffer: async () => new ArrayBuffer(1) });
  return { size, lastModified, slice };
}

/** A server for one upload. `faults` has a function for each request that is to go wrong, by its number. */
class FakeServer {
  log = [];
  uploads = new Map();
  taken = new Set();
  /** What `taken` names are, as HEAD says it. */
  headers = {};
  quota = Infinity;
  waits = [];
  sentTwice = 0;

  constructor(faults = {}) {
    this.faults = faults;
    this.env = {
      send: (request) => this.#answer(request),
      wait: async (attempt) => this.waits.push(attempt),
      find: async () => [...this.uploads.keys()].at(-1) ?? null,
    };
  }

  async #answer(request) {
    this.log.push(`${request.method} ${request.url.replace("/api/v1/", "")}`);
    const fault = this.faults[this.log.length];
    const reply = fault ? fault(this, request) : this.#serve(request);
    if (reply === undefined) throw new NetworkLoss();
    const { status, headers = {}, error } = reply;
    return { status, header: (name) => headers[name] ?? null, text: error ? JSON.stringify({ error }) : "" };
  }

  #serve({ method, url, headers = {}, body }) {
    if (url.startsWith("/api/v1/files/")) {
      return { status: this.taken.has(url.slice(13)) ? 200 : 404, headers: this.headers };
    }
    const [, , , , id, finish] = url.split("/");
    if (!id) return this.create(headers, body);
    const known = this.uploads.get(id);
    if (!known) return { status: 404, error: { code: "not_found", message: "no such upload" } };
    if (finish) return { status: 200, finished: (known.isDone = true) };
    const at = () => ({ "Upload-Offset": String(known.offset) });
    if (method === "DELETE") return { status: this.uploads.delete(id) ? 204 : 404 };
    if (method === "HEAD") {
      const isUndecided = known.offset === known.size && this.taken.has("/film") && !known.isDone;
      return { status: isUndecided ? 423 : 200, headers: at() };
    }
    if (Number(headers["Upload-Offset"]) !== known.offset) return { status: 409, headers: at(), error: { code: "conflict", message: "elsewhere" } };
    return this.grow(known, body.size);
  }

  create(headers, body) {
    const id = `u${this.uploads.size + 1}`;
    const known = { size: Number(headers["Upload-Length"]), offset: 0, metadata: headers["Upload-Metadata"], isDone: false };
    this.uploads.set(id, known);
    const reply = this.grow(known, body?.size ?? 0);
    const status = reply.status === 204 ? 201 : reply.status;
    return { ...reply, status, headers: { ...reply.headers, Location: `/api/v1/uploads/${id}` } };
  }

  grow(known, bytes) {
    const room = Math.min(bytes, this.quota - known.offset);
    known.offset += room;
    const headers = { "Upload-Offset": String(known.offset) };
    if (room < bytes) return { status: 507, headers, error: { code: "over_quota", message: "your quota is used up", hint: "delete something" } };
    if (known.offset === known.size && this.taken.has("/film")) return { status: 409, headers, error: { code: "conflict", message: "taken" } };
    return { status: 204, headers };
  }

  get offset() {
    return [...this.uploads.values()].at(-1)?.offset;
  }
}

function send(server, size, options = {}) {
  const file = options.file === undefined ? fileOf(size) : options.file;
  const signal = options.signal ?? new AbortController().signal;
  return upload({ path: "/film", size, uploadId: null, decision: null, ...options, file, signal }, server.env);
}

test("a small file goes with one request, an empty one, too", async () => {
  for (const size of [0, 1, 256 * 1024]) {
    const server = new FakeServer();
    assert.deepEqual(await send(server, size), { kind: "done" });
    assert.deepEqual(server.log, ["POST uploads"]);
  }
});

test("a large file goes in pieces, and says how far it is", async () => {
  const server = new FakeServer();
  const seen = [];
  assert.deepEqual(await send(server, 40 * MIB, { onProgress: (sent) => seen.push(sent) }), { kind: "done" });
  assert.deepEqual(server.log, ["HEAD files/film", "POST uploads", "PATCH uploads/u1", "PATCH uploads/u1", "PATCH uploads/u1"]);
  assert.deepEqual(seen, [0, PIECE, 2 * PIECE, 40 * MIB]);
});

test("the path and the time go along as the server wants them", () => {
  assert.equal(metadata("/a%20%FF", 1_700_000_000_999), `path ${btoa("/a \xff")},mtime ${btoa("1700000000")}`);
  assert.equal(metadata("/a", undefined), `path ${btoa("/a")}`);
});

test("after a cut, the server says where to go on", async () => {
  const cut = (server) => {
    // Half of the piece has arrived.
    server.uploads.get("u1").offset += PIECE / 2;
    return undefined;
  };
  const server = new FakeServer({ 3: cut, 4: () => undefined });
  const waiting = [];
  assert.deepEqual(await send(server, 40 * MIB, { onWait: (sentence) => waiting.push(sentence !== null) }), { kind: "done" });
  assert.deepEqual(server.log.slice(2, 6), ["PATCH uploads/u1", "HEAD uploads/u1", "HEAD uploads/u1", "PATCH uploads/u1"]);
  assert.deepEqual(server.waits, [1, 2]);
  assert.ok(waiting.includes(true) && waiting.at(-1) === false);
  assert.equal(server.offset, 40 * MIB);
});

test("the reply to the creation was lost: its part is found", async () => {
  const lost = (server, request) => {
    server.create(request.headers, null);
    return undefined;
  };
  const server = new FakeServer({ 2: lost });
  assert.deepEqual(await send(server, 20 * MIB), { kind: "done" });
  assert.equal(server.uploads.size, 1);
});

test("a part that nobody wants is removed when the link is back, and that is not tried for ever", async () => {
  const busy = () => ({ status: 423, error: { code: "busy", message: "busy" } });
  const server = new FakeServer({ 1: () => undefined, 2: busy });
  server.uploads.set("u1", { size: 10, offset: 5 });
  await discard("u1", server.env);
  assert.deepEqual([server.uploads.size, server.log.length, server.waits], [0, 3, [1, 2]]);
  const gone = new FakeServer();
  gone.env.send = () => Promise.reject(new NetworkLoss());
  await assert.rejects(discard("u1", gone.env), NetworkLoss);
  assert.equal(gone.waits.length, 7);
});

/** What HEAD says about a file of `fileOf`. */
const headersOf = (size) => ({ "Content-Length": String(size), "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT" });

/** A server that has published a file, and whose reply was lost. */
function published(size) {
  return (server) => {
    server.taken.add("/film");
    server.headers = headersOf(size);
    return undefined;
  };
}

test("a small file whose reply was lost is not sent against itself", async () => {
  const server = new FakeServer({ 1: published(10), 2: () => undefined });
  assert.deepEqual(await send(server, 10), { kind: "done" });
  assert.deepEqual(server.log, ["POST uploads", "HEAD files/film", "HEAD files/film"]);
  // Another file of this name is not that one.
  const other = new FakeServer({ 1: published(11) });
  assert.deepEqual(await send(other, 10), { kind: "conflict" });
  assert.deepEqual(other.log.slice(0, 3), ["POST uploads", "HEAD files/film", "POST uploads"]);
});

test("what is looked for after a loss is looked for until the server answers", async () => {
  const server = new FakeServer({ 1: published(10) });
  let isLost = true;
  server.env.find = async () => {
    if (isLost) throw Object.assign(new NetworkLoss(), { isLost: (isLost = false) });
    return null;
  };
  assert.deepEqual(await send(server, 10), { kind: "done" });
  assert.deepEqual(server.log, ["POST uploads", "HEAD files/film"]);
});

test("nobody is asked about a file that is there and the same", async () => {
  const rows = [
    [20 * MIB, ["HEAD files/film"]],
    [10, ["POST uploads", "HEAD files/film", "DELETE uploads/u1"]],
  ];
  for (const [size, log] of rows) {
    const server = new FakeServer();
    published(size)(server);
    assert.deepEqual(await send(server, size), { kind: "done" });
    assert.deepEqual([server.log, server.uploads.size], [log, 0]);
  }
  const both = new FakeServer();
  published(10)(both);
  both.uploads.set("u1", { size: 10, offset: 10 });
  assert.deepEqual(await send(both, 10, { uploadId: "u1", decision: "rename" }), { kind: "done" });
  assert.equal(both.log.at(-1), "POST uploads/u1/finish?rename=true");
});

test("an upload goes on in another page", async () => {
  const server = new FakeServer();
  server.uploads.set("u1", { size: 40 * MIB, offset: 30 * MIB });
  assert.deepEqual(await send(server, 40 * MIB, { uploadId: "u1" }), { kind: "done" });
  assert.deepEqual(server.log, ["HEAD uploads/u1", "PATCH uploads/u1"]);
});

test("a part that the server has lost begins anew, and not for ever", async () => {
  const server = new FakeServer();
  const ids = [];
  assert.deepEqual(await send(server, 20 * MIB, { uploadId: "gone", onUpload: (id) => ids.push(id) }), { kind: "done" });
  assert.deepEqual(ids, [null, "u1"]);
  const forgetful = new FakeServer();
  forgetful.create = () => ({ status: 201, headers: { Location: "/api/v1/uploads/none", "Upload-Offset": "0" } });
  const end = await send(forgetful, 20 * MIB);
  assert.equal(end.kind, "failed");
});

test("without room the part stays, and the sentence is the server's", async () => {
  const server = new FakeServer();
  server.quota = 20 * MIB;
  const end = await send(server, 40 * MIB);
  assert.deepEqual(end, { kind: "full", message: "Your quota is used up. Delete something." });
  server.quota = Infinity;
  assert.deepEqual(await send(server, 40 * MIB, { uploadId: "u1" }), { kind: "done" });
  assert.equal(server.uploads.size, 1);
});

test("a taken name asks before a large file is sent, and after a small one", async () => {
  const large = new FakeServer();
  large.taken.add("/film");
  assert.deepEqual(await send(large, 20 * MIB), { kind: "conflict" });
  assert.deepEqual(large.log, ["HEAD files/film"]);
  const small = new FakeServer();
  small.taken.add("/film");
  const ids = [];
  assert.deepEqual(await send(small, 10, { onUpload: (id) => ids.push(id) }), { kind: "conflict" });
  assert.deepEqual(ids, ["u1"]);
});

test("decisions about a taken name are carried out", async () => {
  const check = async (decision, last, kind) => {
    const server = new FakeServer();
    server.taken.add("/film");
    assert.deepEqual(await send(server, 10), { kind: "conflict" });
    assert.deepEqual(await send(server, 10, { uploadId: "u1", decision }), { kind });
    assert.equal(server.log.at(-1), last);
  };
  await check("replace", "POST uploads/u1/finish?overwrite=true", "done");
  await check("rename", "POST uploads/u1/finish?rename=true", "done");
  await check("skip", "DELETE uploads/u1", "skipped");
});

test("a decision needs no file when the server has all of it", async () => {
  const server = new FakeServer();
  server.taken.add("/film");
  server.uploads.set("u1", { size: 10, offset: 10, isDone: false });
  assert.deepEqual(await send(server, 10, { file: null, uploadId: "u1", decision: "rename" }), { kind: "done" });
  const gone = await send(new FakeServer(), 10, { file: null, uploadId: "gone", decision: "rename" });
  assert.equal(gone.kind, "failed");
});

test("another offset than was thought is taken over", async () => {
  const elsewhere = (server) => {
    server.uploads.get("u1").offset = 7;
    return { status: 409, headers: { "Upload-Offset": "7" }, error: { code: "conflict", message: "elsewhere" } };
  };
  const server = new FakeServer({ 3: elsewhere });
  assert.deepEqual(await send(server, 20 * MIB), { kind: "done" });
});

test("a server that is busy is waited for, one that fails is given up", async () => {
  const busy = () => ({ status: 503, headers: { "Retry-After": "1" }, error: { code: "busy", message: "busy" } });
  const server = new FakeServer({ 3: busy, 4: busy });
  assert.deepEqual(await send(server, 20 * MIB), { kind: "done" });
  const broken = new FakeServer();
  broken.grow = () => ({ status: 500, error: { code: "internal", message: "the server could not do this" } });
  const end = await send(broken, 20 * MIB);
  assert.deepEqual([end.kind, end.message], ["failed", "The server could not do this."]);
  assert.ok(broken.log.length < 30);
});

test("a refusal and a sign-in that has ended are told at once", async () => {
  const refused = new FakeServer({ 1: () => ({ status: 403, error: { code: "forbidden", message: "you may not write here" } }) });
  assert.deepEqual(await send(refused, 10), { kind: "failed", message: "You may not write here." });
  const signedOut = new FakeServer({ 1: () => ({ status: 401 }) });
  assert.deepEqual(await send(signedOut, 10), { kind: "signed_out" });
});

test("a file that cannot be read any more is not sent", async () => {
  const file = fileOf(20 * MIB);
  file.slice = () => ({ size: 1, arrayBuffer: () => Promise.reject(new Error("NotReadableError")) });
  const server = new FakeServer();
  const end = await send(server, 20 * MIB, { file });
  assert.equal(end.kind, "failed");
  assert.match(end.message, /Choose it again/);
});

test("a pause ends the upload, and its part stays", async () => {
  const abort = new AbortController();
  const server = new FakeServer({ 3: () => (abort.abort(new Error("paused")), undefined) });
  await assert.rejects(send(server, 40 * MIB, { signal: abort.signal }), /paused/);
  assert.equal(server.uploads.size, 1);
  await discard("u1", server.env);
  await discard("u1", server.env);
  assert.equal(server.uploads.size, 0);
});
