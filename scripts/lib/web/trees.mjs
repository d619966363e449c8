// Trees of files: making them, and comparing them by SHA-256. Names are bytes, kept as one character of Latin-1 for each.

import { createCipheriv, createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";

import { Failed } from "./checks.mjs";

const BLOCK = 1 << 20;

/** Writes a file whose bytes are random, and always the same ones for the same seed. */
export function makeFile(path, size, seed = path) {
  const key = createHash("sha256").update(seed).digest();
  const stream = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  const file = openSync(path, "w");
  for (let left = size; left > 0; ) {
    const block = stream.update(Buffer.alloc(Math.min(BLOCK, left)));
    writeSync(file, block);
    left -= block.length;
  }
  closeSync(file);
}

/** Names of directories in the tree, from simple to odd. */
const DIRECTORIES = ["", "2026", "2026/Möwen & Meer", "2026/日本", "a b/c'd", "raw/one/two/three"];

/** The large files, which take more than half of the bytes; the first one needs several pieces. */
const LARGE = { "film.bin": 0.2, "2026/second film.bin": 0.1, "2026/日本/third film.bin": 0.1, "raw/one/x.bin": 0.1, "a b/y.bin": 0.1 };

/** Makes a folder with `count` files of `bytes` together: some large ones, an empty one, and many small ones. */
export function makeTree(root, { count, bytes }) {
  for (const directory of DIRECTORIES) mkdirSync(join(root, directory), { recursive: true });
  let left = bytes;
  for (const [path, part] of Object.entries(LARGE)) {
    makeFile(join(root, path), Math.floor(bytes * part));
    left -= Math.floor(bytes * part);
  }
  makeFile(join(root, "empty"), 0);
  const others = count - Object.keys(LARGE).length - 1;
  for (let number = 0; number < others; number += 1) {
    // Sizes differ, so that some files go in one request and others in two.
    const fair = left / (others - number);
    const size = number === others - 1 ? left : Math.min(left, Math.floor(fair * (0.02 + ((number * 37) % 100) / 51)));
    const directory = DIRECTORIES[number % DIRECTORIES.length];
    makeFile(join(root, directory, `picture ${number}.raw`), size);
    left -= size;
  }
}

/** Returns the SHA-256 of a file. */
export function digest(path) {
  const hash = createHash("sha256");
  const block = Buffer.alloc(BLOCK);
  const file = openSync(path, "r");
  for (let length; (length = readSync(file, block)) > 0; ) hash.update(block.subarray(0, length));
  closeSync(file);
  return hash.digest("hex");
}

/** Returns the SHA-256 of all files below a directory, by their paths. */
export function digests(root) {
  const found = new Map();
  const walk = (directory, prefix) => {
    for (const entry of readdirSync(directory, { withFileTypes: true, encoding: "buffer" })) {
      const path = Buffer.concat([directory, Buffer.from("/"), entry.name]);
      const shown = prefix + entry.name.toString("latin1");
      if (entry.isDirectory()) walk(path, `${shown}/`);
      else found.set(shown, digest(path));
    }
  };
  walk(Buffer.from(root), "");
  return found;
}

/** Fails unless both trees have the same files with the same bytes. */
export function sameTrees(found, expected) {
  const [here, there] = [digests(found), digests(expected)];
  const faults = [];
  for (const [path, hash] of there) {
    if (!here.has(path)) faults.push(`${path} is missing`);
    else if (here.get(path) !== hash) faults.push(`${path} has other bytes`);
  }
  for (const path of here.keys()) if (!there.has(path)) faults.push(`${path} is too much`);
  if (faults.length > 0) {
    throw new Failed(`${found}: ${faults.length} faults: ${faults.slice(0, 5).join(", ")}`);
  }
  return here.size;
}
