import { readFileSync } from "node:fs";
import { join } from "node:path";

import { ensure, equal, pause, waitFor } from "../checks.mjs";
import { encoded, makeCorpus } from "../corpus.mjs";
import { accessible, fits, visit } from "../pages.mjs";
import { FilesPage } from "../files_page.mjs";
import { saved } from "../people.mjs";
import { LOST_LINK, status } from "../watch.mjs";

export const name = "hostile";
export const title = "hostile names and files are listed, opened, previewed and downloaded; no script runs, no page breaks";
export const users = { tom: {} };

/** What must not be in a text that people read: it turns the direction, or cannot be seen. */
const DECEIVING = /[\u202a-\u202e\u2066-\u2069\u200b\ufeff\u001b\u0007]/;

/**
 * The page in which Chromium itself shows a picture or a film has a style and a script, which the policy of files stops
 * like any other. That no file is shown as something with scripts is looked at besides.
 */
const VIEWER = [/Applying inline style violates .*'default-src 'none''/, /Loading media from .* violates/, /Blocked script execution in .* frame is sandboxed/];

/** How long a script would have to give a sign, in milliseconds. */
const SIGN = 60;

async function listed(files, page, corpus) {
  await waitFor("all entries", async () => (await files.names()).length === corpus.length).catch(async (error) => {
    throw new Error(`${error.message}: there are ${(await files.names()).length} of ${corpus.length}`);
  });
  const text = await page.getByRole("main").innerText();
  ensure(!DECEIVING.test(text), "a name shows a character that deceives");
  const injected = await page.evaluate(() => document.querySelectorAll("main script, main img, main iframe, [onerror], [onload], [onmouseover]").length);
  equal("elements that came from names", injected, 0);
}

/** Opens each entry on the page by its link, as a click does: a preview, a download, or a folder. */
async function opened(stage, files, page, corpus) {
  const count = await files.table.locator("tbody").getByRole("row").count();
  equal("rows", count, corpus.length);
  for (let number = 0; number < corpus.length; number += 1) {
    const row = files.table.locator(`tbody tr[data-place="${number}"]`);
    const link = row.getByRole("link");
    const href = await link.getAttribute("href");
    if (href.startsWith("/files/")) continue;
    const download = page.waitForEvent("download", { timeout: 10_000 }).then((found) => found.path(), () => null);
    const dialog = files.dialog.waitFor().then(() => "preview", () => null);
    await link.click();
    const what = await Promise.race([download, dialog]);
    ensure(what !== null, `${href} did neither open nor download`);
    await pause(SIGN);
    if (await files.dialog.isVisible()) {
      await page.keyboard.press("Escape");
      await files.dialog.waitFor({ state: "detached" });
    }
    stage.noFaults();
  }
}

/** Goes to each file by its address: it is saved, or shown as something without scripts. */
async function visited(stage, tab, corpus, suffix) {
  for (const { bytes, content, isDirectory } of corpus) {
    if (isDirectory) continue;
    const path = `/api/v1/files/corpus/${encoded(bytes)}${suffix}`;
    const download = tab.waitForEvent("download", { timeout: 10_000 }).catch(() => null);
    const response = await tab.goto(path).catch(() => null);
    if (response === null) {
      const found = await download;
      ensure(found !== null, `${path} was neither shown nor saved`);
      equal(`the bytes of ${path}`, readFileSync(await found.path()).equals(content), true);
    } else {
      equal(`${path}: the status`, response.status(), 200);
      const headers = response.headers();
      ensure(/^(text\/plain|image\/(?!svg)|audio\/|video\/)/.test(headers["content-type"]), `${path} is shown as ${headers["content-type"]}`);
      equal(`${path}: nosniff`, headers["x-content-type-options"], "nosniff");
      ensure(/sandbox/.test(headers["content-security-policy"] ?? ""), `${path} has no sandbox`);
    }
    await pause(SIGN);
    stage.noFaults();
  }
}

async function folders(files, page, corpus) {
  for (const { bytes, isDirectory } of corpus) {
    if (!isDirectory) continue;
    await visit(page, `/files/corpus/${encoded(bytes)}/`);
    await files.has("inside.txt");
    await page.reload();
    await files.has("inside.txt");
  }
}

/** Downloads of entries by their menu have the right bytes, whatever their names are. */
async function saves(files, page, corpus) {
  const wanted = corpus.filter(({ isDirectory }) => !isDirectory).map(({ content }) => content.toString("base64"));
  const found = [];
  for (let number = 0; number < corpus.length; number += 1) {
    const row = files.table.locator(`tbody tr[data-place="${number}"]`);
    if ((await row.getByRole("link").getAttribute("href")).startsWith("/files/")) continue;
    await row.getByRole("button", { name: /^Actions for/ }).click();
    const { path } = await saved(page, () => page.getByRole("menuitem", { name: "Download" }).click());
    found.push(readFileSync(path).toString("base64"));
  }
  equal("the bytes of all downloads", found.sort(), wanted.sort());
}

export async function run(stage) {
  const { home } = stage.user("tom");
  const corpus = makeCorpus(join(home, "corpus"));
  // A media element that cannot play a file says so on the console.
  const expected = [LOST_LINK, status(404, 416)];
  const { page } = await stage.files("tom", { expected });
  // A tall window, so that all rows are drawn.
  await page.setViewportSize({ width: 1280, height: 4000 });
  await visit(page, "/files/corpus/");
  const files = new FilesPage(page);
  await files.ready();
  await listed(files, page, corpus);
  await fits(page, "the listing");
  await accessible(page, "the listing");
  await opened(stage, files, page, corpus);
  await saves(files, page, corpus);
  const other = await stage.files("tom", { expected: [...expected, ...VIEWER] });
  await visited(stage, other.page, corpus, "");
  await visited(stage, other.page, corpus, "?inline");
  await folders(files, page, corpus);
  await page.setViewportSize({ width: 390, height: 844 });
  await visit(page, "/files/corpus/");
  await fits(page, "the listing on a phone");
}
