import { copyFileSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { drop, fillSignIn, signIn } from "../people.mjs";
import { accessible, expectHeading, fits, visit } from "../pages.mjs";
import { FilesPage } from "../files_page.mjs";
import { PNG } from "../corpus.mjs";
import { SCREENS } from "../stage.mjs";
import { makeFile } from "../trees.mjs";
import { status } from "../watch.mjs";

export const name = "pictures";
export const title = "a picture of every page: wide and narrow, light and dark; each fits, and axe-core finds nothing serious";
export const users = { tom: { options: ["--quota", "64MiB"] } };

function fill(home) {
  for (const directory of ["Documents", "Music", "Photos 2026/Summer", "empty"]) {
    mkdirSync(join(home, directory), { recursive: true });
  }
  for (const [file, size] of [["budget.csv", 4_120], ["film.mp4", 21_000_000], ["report.pdf", 731_000], ["backup.tar.gz", 9_300_000]]) {
    makeFile(join(home, file), size);
  }
  writeFileSync(join(home, "notes.txt"), "The first line of some notes.\n".repeat(60));
  writeFileSync(join(home, "photo.png"), PNG);
  writeFileSync(join(home, "a very long name that does not fit into a column on a phone, and hardly on a desk.txt"), "");
  for (let number = 1; number <= 30; number += 1) makeFile(join(home, "Photos 2026", `IMG_${1000 + number}.jpg`), number * 13_000);
}

/** The pages before the sign-in: how each is reached. */
const PUBLIC = {
  "login": (page) => visit(page, "/login"),
  "login-refused": async (page) => {
    await visit(page, "/login");
    await fillSignIn(page, { name: "tom", password: "wrong" });
    await page.getByRole("alert").filter({ hasText: /\w/ }).waitFor();
  },
};

const listing = (path) => async (page) => {
  await visit(page, path);
  const files = new FilesPage(page);
  await files.ready();
  return files;
};

/** The pages of a user: how each is reached, and for some how it is left. */
const OWN = {
  "files": listing("/files/"),
  "files-many": listing("/files/Photos%202026/"),
  "files-empty": listing("/files/empty/"),
  "files-filtered": listing("/files/?filter=o&sort=size&order=desc"),
  "files-selected": async (page) => (await listing("/files/")(page)).select("budget.csv", "film.mp4"),
  "files-menu": async (page) => {
    await (await listing("/files/")(page)).table.getByRole("button", { name: "Actions for notes.txt" }).click();
    await page.getByRole("menu").waitFor();
  },
  "files-new-folder": async (page) => {
    await listing("/files/")(page);
    await page.getByRole("button", { name: "New folder" }).click();
    await page.getByRole("dialog").waitFor();
  },
  "files-delete": async (page) => {
    await (await listing("/files/")(page)).act("Music", "Delete");
    await page.getByRole("dialog").waitFor();
  },
  "files-text": async (page) => {
    await (await listing("/files/")(page)).link("notes.txt").click();
    await page.getByRole("dialog").locator("pre").waitFor();
  },
  "files-picture": async (page) => {
    await (await listing("/files/")(page)).link("photo.png").click();
    await page.getByRole("dialog").locator("img").waitFor();
  },
  "files-conflict": {
    reach: async (page, stage) => {
      const files = await listing("/files/")(page);
      const path = join(stage.local, "notes.txt");
      writeFileSync(path, "other notes");
      await drop(page, [path]);
      await files.dialog.getByRole("heading", { name: /exists/ }).waitFor();
    },
    // Otherwise the part would be named on all later pictures.
    leave: async (page) => {
      const removed = page.waitForResponse((response) => response.request().method() === "DELETE");
      await page.getByRole("dialog").getByRole("button", { name: "Skip" }).click();
      await removed;
    },
  },
  "files-uploads": {
    reach: async (page, stage) => {
      const files = await listing("/files/")(page);
      const sent = ["budget.csv", "new.txt"].map((file) => join(stage.local, file));
      copyFileSync(join(stage.user("tom").home, "budget.csv"), sent[0]);
      writeFileSync(sent[1], "new notes");
      const { atime, mtime } = statSync(join(stage.user("tom").home, "budget.csv"));
      utimesSync(sent[0], atime, mtime);
      const large = join(stage.local, "too large.iso");
      makeFile(large, 70 << 20);
      await drop(page, [...sent, large]);
      await files.uploads.getByRole("button", { name: "Try again" }).waitFor();
      await files.uploads.getByText("was there already").first().waitFor();
      await files.link("new.txt").waitFor();
    },
    leave: async (page, stage) => {
      await page.getByRole("button", { name: "Cancel: too large.iso" }).click();
      await page.getByRole("status").filter({ hasText: "1 file uploaded" }).waitFor();
      rmSync(join(stage.user("tom").home, "new.txt"));
    },
  },
  "error": async (page) => {
    await visit(page, "/files/there is no such folder/", 404);
    await expectHeading(page, /\w/);
  },
};

/** Takes a picture of each page, and looks at it. Faults are gathered, so that one report has them all. */
async function take(stage, page, pages, suffix, faults) {
  for (const [title, entry] of Object.entries(pages)) {
    const what = `${title}-${suffix}`;
    const { reach, leave } = typeof entry === "function" ? { reach: entry } : entry;
    try {
      await reach(page, stage);
      await page.screenshot({ path: join(stage.options.pictures, `${what}.png`), animations: "disabled" });
      await fits(page, what);
      await accessible(page, what);
    } catch (error) {
      faults.push(`${what}: ${error.message}`);
    }
    try {
      await leave?.(page, stage);
    } catch (error) {
      faults.push(`${what}, leaving it: ${error.message}`);
    }
  }
}

export async function run(stage) {
  fill(stage.user("tom").home);
  const faults = [];
  const expected = [status(400, 401, 403, 404, 409, 507)];
  for (const [screen, { width }] of Object.entries(SCREENS)) {
    for (const dark of [false, true]) {
      const suffix = `${width}-${dark ? "dark" : "light"}`;
      const { context, page } = await stage.open({ screen, dark, expected });
      await take(stage, page, PUBLIC, suffix, faults);
      await signIn(page, stage.user("tom"));
      await take(stage, page, OWN, suffix, faults);
      await context.close();
    }
  }
  stage.all(faults);
}
