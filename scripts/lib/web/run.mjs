// Runs the stories, one after another, and prints a line for each. scripts/stories-web starts it.

import { mkdirSync, rmSync } from "node:fs";
import { parseArgs, stripVTControlCharacters } from "node:util";

import { Failed } from "./checks.mjs";
import { Stage, launch } from "./stage.mjs";
import { STORIES } from "./stories.mjs";

const { values: given } = parseArgs({
  options: {
    "binary": { type: "string" },
    "browser": { type: "string" },
    "schemathesis": { type: "string" },
    "work": { type: "string" },
    "pictures": { type: "string" },
    "bytes": { type: "string" },
    "only": { type: "string", multiple: true, default: [] },
    "list": { type: "boolean", default: false },
  },
});

/** Runs a story; returns whether it has passed. */
async function passes(story, options, browser) {
  const began = Date.now();
  let stage = null;
  let fault = null;
  try {
    stage = new Stage(story, options, browser);
    await stage.server.start();
    await story.run(stage);
    stage.noFaults();
  } catch (error) {
    fault = error instanceof Failed ? error.message : stripVTControlCharacters(error.stack ?? String(error));
    await stage?.keepPictures();
    const others = stage ? stage.faults() : [];
    if (others.length > 0) fault += `\nand on the pages: ${others.slice(0, 8).join("\n")}`;
    fault += `\nthe end of the server's log:\n${stage?.server.log().slice(-1500) ?? ""}`;
  } finally {
    await stage?.end();
  }
  const took = ((Date.now() - began) / 1000).toFixed(1);
  const notes = stage?.notes.length > 0 ? ` (${stage.notes.join("; ")})` : "";
  console.log(`web: ${story.name}: ${fault === null ? `ok, ${took} s${notes}` : `FAILED after ${took} s\n${fault}`}`);
  return fault === null;
}

async function main() {
  const unknown = given.only.filter((name) => !STORIES.some((story) => story.name === name));
  if (unknown.length > 0) {
    console.error(`no story ${unknown.join(", ")} (there are: ${STORIES.map((story) => story.name).join(", ")})`);
    return 2;
  }
  const chosen = STORIES.filter((story) => given.only.length === 0 || given.only.includes(story.name));
  if (given.list) {
    for (const story of chosen) console.log(`${story.name}: ${story.title}`);
    return 0;
  }
  const options = { ...given, bytes: Number(given.bytes) };
  if (given.only.length === 0) rmSync(options.pictures, { recursive: true, force: true });
  mkdirSync(options.pictures, { recursive: true });
  const browser = await launch(options.browser);
  let failed = 0;
  try {
    for (const story of chosen) if (!(await passes(story, options, browser))) failed += 1;
  } finally {
    await browser.close();
  }
  console.log(`web: ${chosen.length - failed} of ${chosen.length} stories passed; the pictures are in ${options.pictures}`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
