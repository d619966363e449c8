import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { atMost, pause } from "../checks.mjs";
import { FilesPage } from "../files_page.mjs";

export const name = "weight";
export const title = "the first load of a page is at most 60 KiB, and an idle page costs at most 20 KiB a minute";
export const users = { tom: {} };

const FIRST = 60 * 1024;
const IDLE = 20 * 1024;
/** How long an idle page is watched, in milliseconds; what it costs is extrapolated to a minute. */
const WATCHED = 12_000;

/** Loads a page without anything in the cache; returns the bytes that were transferred, headers included. */
async function loaded(context, page, path) {
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.clearBrowserCache");
  let bytes = 0;
  session.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
  await page.goto(path, { waitUntil: "networkidle" });
  await session.detach();
  return bytes;
}

export async function run(stage) {
  const { home } = stage.user("tom");
  mkdirSync(home, { recursive: true });
  for (let number = 0; number < 40; number += 1) writeFileSync(join(home, `file ${number}.txt`), "");
  const proxy = await stage.proxy();
  const { context, page } = await stage.files("tom", { through: proxy });
  const files = await loaded(context, page, "/files/");
  await new FilesPage(page).ready();
  const before = proxy.sent + proxy.received;
  await pause(WATCHED);
  const idle = ((proxy.sent + proxy.received - before) * 60_000) / WATCHED;
  const other = await stage.open({ through: proxy });
  const login = await loaded(other.context, other.page, "/login");
  stage.note(`/files/ ${files} bytes, /login ${login} bytes, idle ${Math.round(idle)} bytes a minute`);
  atMost("the bytes of /files/", files, FIRST);
  atMost("the bytes of /login", login, FIRST);
  atMost("the bytes of an idle page in a minute", idle, IDLE);
}
