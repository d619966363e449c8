import { ensure, equal } from "../checks.mjs";
import { FilesPage } from "../files_page.mjs";
import { fillSignIn, signIn } from "../people.mjs";
import { expectHeading, visit } from "../pages.mjs";
import { LOST_LINK, status } from "../watch.mjs";

export const name = "sign-in";
export const title = "signing in with a code, by a form that says nothing about what was wrong; staying signed in";
export const users = { tom: { totp: true }, eve: {} };

/** Sends the form with something wrong, and returns the sentence of the page. */
async function refusal(page, user, changes) {
  await fillSignIn(page, user, changes);
  const alert = page.getByRole("alert").filter({ hasText: /\w/ });
  await alert.waitFor();
  await expectHeading(page, "Sign in");
  return (await alert.textContent()).trim();
}

async function wrongForms(page, tom) {
  const sentences = [
    await refusal(page, tom, { password: "wrong", code: "123456" }),
    await refusal(page, tom, { code: "000000" }),
    await refusal(page, tom, { name: "nobody", code: "" }),
  ];
  ensure(new Set(sentences).size === 1, `the page tells what was wrong: ${sentences.join(" | ")}`);
  equal("the name that was typed", await page.getByLabel("Name", { exact: true }).inputValue(), "nobody");
}

async function cookieIsSafe(context) {
  const cookies = await context.cookies();
  ensure(cookies.length > 0, "there is no cookie");
  for (const { name: cookie, httpOnly, secure, sameSite } of cookies) {
    equal(`the cookie ${cookie}`, { httpOnly, secure, sameSite }, { httpOnly: true, secure: true, sameSite: "Strict" });
    ensure(cookie.startsWith("__Host-"), `the cookie ${cookie} has no __Host-`);
  }
}

/** A code that has been used is refused in another browser. */
async function usedCode(stage, tom, code) {
  const { page, context } = await stage.open({ expected: [status(400, 401, 403)] });
  await visit(page, "/login");
  await refusal(page, tom, { code });
  await context.close();
}

export async function run(stage) {
  const tom = stage.user("tom");
  const proxy = await stage.proxy();
  const { page, context } = await stage.open({ through: proxy, expected: [status(400, 401, 403), LOST_LINK] });
  await page.goto("/files/");
  await wrongForms(page, tom);
  const code = await tom.authenticator.code();
  await fillSignIn(page, tom, { code });
  await page.waitForURL((url) => url.pathname === "/files/");
  await new FilesPage(page).ready();
  await cookieIsSafe(context);
  await usedCode(stage, tom, code);

  // The server starts again, and everybody is still signed in.
  await stage.server.stop();
  await stage.server.start();
  proxy.target = stage.server.port;
  await visit(page, "/files/");
  await new FilesPage(page).ready();

  await page.getByRole("button", { name: /Sign out/ }).click();
  await expectHeading(page, "Sign in");
  await page.goto("/files/");
  await expectHeading(page, "Sign in");
  equal("the cookies after signing out", (await context.cookies()).length, 0);

  const eve = await stage.open();
  await signIn(eve.page, stage.user("eve"));
}
