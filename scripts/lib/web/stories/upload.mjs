import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { Failed, PATIENCE, atMost, ensure, equal, pause, waitFor } from "../checks.mjs";
import { FilesPage } from "../files_page.mjs";
import { drop } from "../people.mjs";
import { makeTree, sameTrees } from "../trees.mjs";
import { LOST_LINK, status } from "../watch.mjs";

export const name = "upload";
export const title = "a dropped folder of 500 files arrives whole: the link is cut ten times, and the tab is closed in between";
export const users = { tom: {} };

const COUNT = 500;
const CUTS = 10;
/** The bytes that a cut may cost at most: one piece. */
const PIECE = 16 << 20;
/** The bytes of the requests besides those of the files: headers, questions, listings. */
const HEADERS = COUNT * 3 * 1024;
/** How long the link is away after a cut, in milliseconds. */
const OUTAGE = 300;
/** The time in milliseconds after which nothing more is expected to be sent: more than the page waits before it asks. */
const QUIET = 3000;
/** The time in seconds that the bytes take without cuts. */
const SECONDS = 12;

/** Waits until the link was cut this often. Nobody may have to do anything for that. */
function cutTimes(proxy, times, files, patience) {
  const ready = async () => {
    await goesOn(files);
    return CUTS - proxy.cutsToCome >= times;
  };
  return waitFor(`cut ${times}`, ready, patience);
}

/** Fails if uploads have been given up. */
async function goesOn(files) {
  const given = await files.uploads.getByRole("button", { name: "Try again" }).count();
  if (given > 0) throw new Failed(`uploads were given up: ${(await files.uploads.innerText()).slice(0, 400)}`);
}

/** Returns the paths of the files that the server has, and of parts of files. */
function filesIn(directory) {
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** Returns the bytes of these files. One that is renamed at this moment has none. */
function bytesIn(directory) {
  const sizes = filesIn(directory).map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Runs `act`; fails if the page asks about a file meanwhile that it has sent itself. */
async function unasked(files, act) {
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      if (await files.dialog.filter({ hasText: "exists" }).isVisible()) return files.dialog.innerText();
      await pause(100);
    }
    return "";
  })();
  try {
    await act();
  } finally {
    isOver = true;
    equal("what the page asks about its own files", await watching, "");
  }
}

/** Drops a folder that is there already: its files are not sent again. Returns the bytes that were sent all the same. */
async function dropWhatIsThere(stage, page, files, proxy, folder) {
  const third = proxy.sent;
  await unasked(files, async () => {
    await drop(page, [folder]);
    await files.uploads.getByRole("status").filter({ hasText: `${COUNT} files were there already` }).waitFor();
    await stage.quiet("the link", () => proxy.sent, QUIET, 4 * PATIENCE);
  });
  const sent = proxy.sent - third;
  atMost("bytes that were sent for files that were there", sent, HEADERS);
  return sent;
}

/** Drops a folder while the link is away: it is made when the link is back, and nobody has to do anything. */
async function dropWithoutLink(stage, page, files, proxy) {
  const folder = join(stage.local, "later");
  mkdirSync(join(folder, "below", "empty"), { recursive: true });
  for (const file of ["a.txt", "below/b.txt"]) writeFileSync(join(folder, file), file);
  proxy.refuse(true);
  await drop(page, [folder]);
  await files.uploads.getByText(/cannot be reached/).first().waitFor();
  proxy.refuse(false);
  await files.uploaded();
  const arrived = join(stage.user("tom").home, "later");
  equal("files of the folder", sameTrees(arrived, folder), 2);
  await stage.eventually("the empty folder", () => existsSync(join(arrived, "below", "empty")), true);
}

export async function run(stage) {
  const { bytes } = stage.options;
  const patience = 120_000 + bytes / 2000;
  // A small tree must not be sent again and again, so a cut may cost less of it.
  const cost = Math.min(PIECE, bytes / 80);
  const folder = join(stage.local, "holiday");
  const arrived = join(stage.user("tom").home, "holiday");
  mkdirSync(folder);
  makeTree(folder, { count: COUNT, bytes });
  const proxy = await stage.proxy();
  // On a slow link, little is under way when it is cut.
  proxy.rate = Math.max(8 << 20, bytes / SECONDS);
  // The page asks whether large files are there, and finds folders that are; what was cut may still be under way.
  const expected = [LOST_LINK, status(404, 409, 423)];
  const first = await stage.files("tom", { through: proxy, expected });
  const { page, context } = first;
  const start = proxy.sent;
  proxy.cutEvery(Math.floor(bytes / (CUTS + 1)), CUTS, OUTAGE);
  await drop(page, [folder]);
  await cutTimes(proxy, CUTS / 2, first.files, patience);
  ensure(!(await first.files.dialog.isVisible()), "the page asks about a file that it has sent itself");
  await page.close();
  const before = await stage.quiet("the server", () => bytesIn(arrived));
  atMost("bytes that were sent twice", proxy.sent - start - before, (CUTS / 2) * cost + HEADERS);

  // Later, in another tab: what was begun is named, and the same folder goes on when it is dropped again.
  const second = proxy.sent;
  const tab = await context.newPage();
  await tab.goto("/files/");
  const files = new FilesPage(tab);
  await files.ready();
  const parts = filesIn(arrived).filter((path) => basename(path).startsWith(".homeport-upload-"));
  if (parts.length > 0) await files.uploads.getByRole("status").filter({ hasText: /unfinished upload/ }).waitFor();
  await drop(tab, [folder]);
  await unasked(files, async () => {
    await cutTimes(proxy, CUTS, files, patience);
    await files.uploaded(patience);
  });
  await files.has("holiday");
  equal("files on the disk", sameTrees(arrived, folder), COUNT);
  const again = proxy.sent - second - (bytes - before);
  atMost("bytes that were sent twice after the tab was closed", again, (CUTS / 2) * cost + HEADERS);
  const idle = await dropWhatIsThere(stage, tab, files, proxy, folder);
  await dropWithoutLink(stage, tab, files, proxy);
  stage.note(`${COUNT} files of ${bytes} bytes; ${again} bytes more after the tab was closed, ${idle} when all was there`);
}
