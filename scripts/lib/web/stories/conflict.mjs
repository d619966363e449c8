import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { equal } from "../checks.mjs";
import { drop } from "../people.mjs";
import { status } from "../watch.mjs";

export const name = "conflict";
export const title = "the page asks before it replaces a file: skip, keep both, replace, and the same for all";
export const users = { tom: {} };

const NAMES = ["a.txt", "b.txt", "c.txt"];

/** Drops a new version of a file, and answers the question. */
async function answer(stage, { page, files }, file, decision) {
  const path = join(stage.local, file);
  writeFileSync(path, `new ${file} ${decision}`);
  await drop(page, [path]);
  await files.dialog.getByRole("heading", { name: /exists/ }).waitFor();
  await files.dialog.getByRole("button", { name: decision }).click();
  await files.dialog.waitFor({ state: "detached" });
}

/** Puts the question away, and drops the same file again: it is asked anew, and about that file first. */
async function askAgain(stage, { page, files }) {
  const paths = NAMES.map((file) => join(stage.local, file));
  for (const path of paths) writeFileSync(path, "put away");
  await drop(page, paths);
  const question = (file) => files.dialog.getByRole("heading", { name: new RegExp(`${file}.* exists`) });
  await files.dialog.getByRole("heading", { name: /exists/ }).waitFor();
  await page.keyboard.press("Escape");
  await files.dialog.waitFor({ state: "detached" });
  await files.uploads.getByText("The name is taken.").nth(NAMES.length - 1).waitFor();
  await drop(page, [join(stage.local, "b.txt")]);
  await question("b.txt").waitFor();
  await files.dialog.getByRole("checkbox").check();
  await files.dialog.getByRole("button", { name: "Replace" }).click();
  await files.dialog.waitFor({ state: "detached" });
  await files.uploaded();
}

export async function run(stage) {
  const { home } = stage.user("tom");
  mkdirSync(home, { recursive: true });
  for (const file of NAMES) writeFileSync(join(home, file), `old ${file}`);
  const opened = await stage.files("tom", { expected: [status(409, 423)] });
  const { page, files } = opened;
  const content = (file) => readFileSync(join(home, file), "utf8");

  await answer(stage, opened, "a.txt", "Skip");
  equal("a.txt", content("a.txt"), "old a.txt");
  await answer(stage, opened, "b.txt", "Keep both");
  await files.link(/^b.+\.txt$/).first().waitFor();
  equal("b.txt", content("b.txt"), "old b.txt");
  const other = readdirSync(home).find((file) => /^b.+\.txt$/.test(file) && file !== "b.txt");
  equal("the other b.txt", content(other), "new b.txt Keep both");
  await answer(stage, opened, "c.txt", "Replace");
  await stage.eventually("c.txt", () => content("c.txt"), "new c.txt Replace");

  // One answer for all of them.
  const paths = NAMES.map((file) => join(stage.local, file));
  for (const path of paths) writeFileSync(path, "for all");
  await drop(page, paths);
  await files.dialog.getByRole("heading", { name: /exists/ }).waitFor();
  await files.dialog.getByRole("checkbox").check();
  await files.dialog.getByRole("button", { name: "Replace" }).click();
  for (const file of NAMES) await stage.eventually(file, () => content(file), "for all");
  await files.dialog.waitFor({ state: "detached" });

  await askAgain(stage, opened);
  for (const file of NAMES) equal(file, content(file), "put away");
  // What is there is not asked about.
  await drop(page, paths);
  await files.uploads.getByText("was there already").nth(NAMES.length - 1).waitFor();
}
