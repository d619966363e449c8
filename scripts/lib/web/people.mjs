// What people do on pages, by roles and names, as a screen reader has them.

import { expectHeading } from "./pages.mjs";
import { Failed } from "./checks.mjs";

/** Fills in the form of the sign-in and sends it. `changes` replaces the password or the code. */
export async function fillSignIn(page, user, changes = {}) {
  await page.getByLabel("Name", { exact: true }).fill(changes.name ?? user.name);
  await page.getByLabel("Password", { exact: true }).fill(changes.password ?? user.password);
  const code = changes.code ?? (await user.authenticator?.code()) ?? "";
  await page.getByLabel(/^Code/).fill(code);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** Signs a user in, and waits for the files. */
export async function signIn(page, user, path = "/files/") {
  const response = await page.goto(path);
  if (response.status() === 404) throw new Failed(`${path} is not there`);
  await expectHeading(page, "Sign in");
  await fillSignIn(page, user);
  await page.waitForURL((url) => url.pathname.startsWith("/files/"));
}

/** Drops files and folders of this machine onto the middle of a page, as a file manager does. */
export async function drop(page, paths) {
  const session = await page.context().newCDPSession(page);
  const { width, height } = page.viewportSize();
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", { type, x: width / 2, y: height / 2, data });
  }
  await session.detach();
}

/** Returns what a page saves while `act` runs. */
export async function saved(page, act) {
  const [download] = await Promise.all([page.waitForEvent("download"), act()]);
  return { name: download.suggestedFilename(), path: await download.path() };
}
