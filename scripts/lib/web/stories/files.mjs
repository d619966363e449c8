import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { ensure, equal, waitFor } from "../checks.mjs";
import { saved } from "../people.mjs";
import { digest, makeFile, sameTrees } from "../trees.mjs";
import { LOST_LINK } from "../watch.mjs";
import { PNG } from "../corpus.mjs";

export const name = "files";
export const title = "listing, sorting, filtering, the keyboard, previews, downloads, a zip, new folder, rename, move, delete";
export const users = { tom: {} };

const TEXT = "first line\n<b>second line</b>\n";

function fill(home) {
  mkdirSync(join(home, "docs/old"), { recursive: true });
  writeFileSync(join(home, "docs/plan.txt"), "a plan\n");
  writeFileSync(join(home, "docs/old/plan 1.txt"), "an old plan\n");
  writeFileSync(join(home, "notes.txt"), TEXT);
  writeFileSync(join(home, "photo.png"), PNG);
  makeFile(join(home, "big.bin"), 3 << 20);
  makeFile(join(home, "small.bin"), 10);
  ["docs", "big.bin", "small.bin", "photo.png", "notes.txt"].forEach((entry, age) => {
    const time = 1_700_000_000 - age * 86_400;
    utimesSync(join(home, entry), time, time);
  });
}

const BY_NAME = ["big.bin", "docs", "notes.txt", "photo.png", "small.bin"];

/** Returns the names without folders, whose place among files is the server's choice. */
const without = (names) => names.filter((entry) => entry !== "docs");

async function sortAndFilter(files, page) {
  const shown = (expected) => waitFor(`the order ${expected}`, async () => {
    const names = without(await files.names());
    return JSON.stringify(names) === JSON.stringify(expected);
  });
  equal("all entries", [...(await files.names())].sort(), BY_NAME);
  await shown(without(BY_NAME));
  await files.sortBy("Size");
  await shown(["big.bin", "photo.png", "notes.txt", "small.bin"]);
  ensure(page.url().includes("sort=size"), `the address does not keep the order: ${page.url()}`);
  await files.sortBy("Size");
  await shown(["small.bin", "notes.txt", "photo.png", "big.bin"]);
  await files.sortBy("Changed");
  await shown(["big.bin", "small.bin", "photo.png", "notes.txt"]);
  await files.sortBy("Name");
  await shown(without(BY_NAME));
  await page.keyboard.press("/");
  await page.keyboard.type(".bin");
  await files.shows(["big.bin", "small.bin"]);
  await page.keyboard.press("Escape");
  await shown(without(BY_NAME));
}

/** Goes to an entry with the arrows. */
async function arrowTo(files, page, entry) {
  await files.table.focus();
  await page.keyboard.press("Home");
  for (let steps = (await files.names()).indexOf(entry); steps > 0; steps -= 1) await page.keyboard.press("ArrowDown");
}

async function keyboard(files, page) {
  await arrowTo(files, page, "docs");
  await page.keyboard.press("Enter");
  await files.has("plan.txt");
  equal("the address", new URL(page.url()).pathname, "/files/docs/");
  await page.keyboard.press("Backspace");
  await files.has("big.bin");
  await arrowTo(files, page, "small.bin");
  await page.keyboard.press("F2");
  await files.answer("tiny.bin", "Rename");
  await files.has("tiny.bin");
  await files.lacks("small.bin");
  // The keyboard is at the entry that was renamed.
  await page.keyboard.press("Delete");
  await files.dialog.getByRole("heading", { name: "tiny.bin" }).waitFor();
  await files.confirmDelete();
  await files.lacks("tiny.bin");
  await page.goBack();
  await files.has("plan.txt");
  await page.goForward();
  await files.has("notes.txt");
}

async function previews(files, page) {
  await files.link("notes.txt").click();
  const text = await files.dialog.locator("pre").textContent();
  equal("the text of the preview", text, TEXT);
  await page.keyboard.press("Escape");
  await files.dialog.waitFor({ state: "detached" });
  await files.link("photo.png").click();
  const picture = files.dialog.locator("img");
  await picture.waitFor();
  await waitFor("the picture", () => picture.evaluate((image) => image.complete && image.naturalWidth > 0));
  await page.keyboard.press("Escape");
  await files.dialog.waitFor({ state: "detached" });
}

async function downloads(stage, files, page, home) {
  const one = await files.download("big.bin");
  equal("the name of the download", one.name, "big.bin");
  equal("the download", digest(one.path), digest(join(home, "big.bin")));
  await files.select("docs", "notes.txt");
  const bar = page.getByRole("toolbar", { name: "Selected entries" });
  const zip = await saved(page, () => bar.getByRole("button", { name: /^Download/ }).click());
  ensure(zip.name.endsWith(".zip"), `the archive is called ${zip.name}`);
  const [there, here] = ["unpacked", "expected"].map((directory) => join(stage.local, directory));
  execFileSync("python3", ["-m", "zipfile", "-e", zip.path, there]);
  execFileSync("mkdir", [here]);
  execFileSync("cp", ["-r", join(home, "docs"), join(home, "notes.txt"), here]);
  sameTrees(there, here);
  await bar.getByRole("button", { name: "Clear the selection" }).click();
  await files.act("big.bin", /SHA-256/);
  await files.dialog.getByText(digest(join(home, "big.bin"))).waitFor();
  await files.dialog.getByRole("button", { name: "Close" }).click();
}

async function changes(files, page, home) {
  await files.newFolder("Neuer Ordner & mehr");
  await files.has("Neuer Ordner & mehr");
  ensure(existsSync(join(home, "Neuer Ordner & mehr")), "there is no new folder on the disk");
  await files.rename("notes.txt", "Notizen „1“.txt");
  await files.has("Notizen „1“.txt");
  equal("the renamed file", readFileSync(join(home, "Notizen „1“.txt"), "utf8"), TEXT);
  await files.act("Notizen „1“.txt", "Move");
  await files.dialog.getByRole("button", { name: "docs" }).click();
  await files.dialog.getByRole("status").filter({ hasText: "/docs" }).waitFor();
  await files.dialog.getByRole("button", { name: "Move here" }).click();
  await files.lacks("Notizen „1“.txt");
  ensure(existsSync(join(home, "docs/Notizen „1“.txt")), "the file was not moved");
  await files.select("docs", "Neuer Ordner & mehr");
  await page.getByRole("toolbar", { name: "Selected entries" }).getByRole("button", { name: "Delete" }).click();
  await files.confirmDelete();
  await files.lacks("docs");
  ensure(!existsSync(join(home, "docs")), "the folder is still on the disk");
}

/** A name that is taken is refused with a sentence, and the dialog stays. */
async function takenName(files, home) {
  await files.act("photo.png", "Rename");
  await files.dialog.getByLabel("Name", { exact: true }).fill("big.bin");
  await files.dialog.getByRole("button", { name: "Rename" }).click();
  await files.dialog.getByRole("alert").filter({ hasText: /\w/ }).waitFor();
  await files.dialog.getByRole("button", { name: "Cancel" }).click();
  copyFileSync(join(home, "photo.png"), join(home, "still there.png"));
}

export async function run(stage) {
  const { home } = stage.user("tom");
  fill(home);
  const refused = /status of 409/;
  const { page, files } = await stage.files("tom", { expected: [refused, LOST_LINK] });
  await sortAndFilter(files, page);
  await keyboard(files, page);
  await previews(files, page);
  await downloads(stage, files, page, home);
  await takenName(files, home);
  await changes(files, page, home);
}
