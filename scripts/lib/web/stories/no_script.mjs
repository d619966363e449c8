import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { ensure, equal } from "../checks.mjs";
import { fillSignIn, saved } from "../people.mjs";
import { fits } from "../pages.mjs";
import { digest, makeFile } from "../trees.mjs";

export const name = "no-script";
export const title = "reading and downloading without JavaScript";
export const users = { tom: { totp: true } };

/** More than the page shows at once. */
const MANY = 520;

export async function run(stage) {
  const { home } = stage.user("tom");
  mkdirSync(join(home, "docs"), { recursive: true });
  mkdirSync(join(home, "many"));
  writeFileSync(join(home, "docs/plan.txt"), "a plan\n");
  for (let number = 0; number < MANY; number += 1) writeFileSync(join(home, "many", `n${1000 + number}.txt`), "");
  makeFile(join(home, "big.bin"), 1 << 20);
  const { page } = await stage.open({ javascript: false });
  const link = (text) => page.getByRole("table").getByRole("link", { name: text, exact: true });
  await page.goto("/files/");
  await fillSignIn(page, stage.user("tom"));
  await page.waitForURL((url) => url.pathname === "/files/");
  await link("big.bin").waitFor();
  const buttons = await page.getByRole("button", { name: /New folder|Upload/ }).count();
  equal("buttons that do nothing", buttons, 0);
  await fits(page, "the listing without scripts");
  const film = await saved(page, () => link("big.bin").click());
  equal("the download", digest(film.path), digest(join(home, "big.bin")));
  await page.getByRole("columnheader", { name: "Size" }).getByRole("link").click();
  await page.waitForURL(/sort=size/);
  await link("docs").click();
  await link("plan.txt").waitFor();
  await page.getByRole("navigation", { name: "Path" }).getByRole("link", { name: "Home" }).click();
  await page.getByRole("searchbox", { name: "Filter by name" }).fill("big");
  await page.keyboard.press("Enter");
  await page.waitForURL(/filter=big/);
  await link("big.bin").waitFor();
  ensure((await link("docs").count()) === 0, "the filter shows everything");
  await page.goto("/files/many/");
  await link("n1000.txt").waitFor();
  await page.getByRole("link", { name: "Next part" }).click();
  await link(`n${1000 + MANY - 1}.txt`).waitFor();
  await page.getByRole("button", { name: /Sign out/ }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
}
