import { statSync } from "node:fs";
import { join } from "node:path";

import { equal, ensure } from "../checks.mjs";
import { drop } from "../people.mjs";
import { digest, makeFile } from "../trees.mjs";
import { status } from "../watch.mjs";

export const name = "quota";
export const title = "a full quota is said in the server's words, and the upload goes on when there is room";
export const users = { tom: { options: ["--quota", "8MiB"] } };

export async function run(stage) {
  const { home } = stage.user("tom");
  makeFile(join(home, "old.bin"), 5 << 20);
  const film = join(stage.local, "film.bin");
  makeFile(film, 6 << 20);
  const { page, files } = await stage.files("tom", { expected: [status(507)] });
  await page.getByText("8.0 MiB").first().waitFor();
  const replies = [];
  page.on("response", (response) => {
    if (response.status() === 507) replies.push(response.json().catch(() => null));
  });
  await drop(page, [film]);
  const retry = files.uploads.getByRole("button", { name: /(Try again|Retry|Go on)/ }).first();
  await retry.waitFor();
  // The sentence of the server is on the page.
  const reply = (await Promise.all(replies)).find((json) => json !== null);
  ensure(reply, "the server did not answer with 507");
  equal("the code of the error", reply.error.code, "over_quota");
  const sentence = reply.error.message.charAt(0).toUpperCase() + reply.error.message.slice(1);
  await files.uploads.getByText(sentence).first().waitFor();
  await files.act("old.bin", /^Delete/);
  await files.confirmDelete();
  await files.lacks("old.bin");
  await retry.click();
  await files.has("film.bin");
  await files.uploaded();
  equal("the film on the disk", digest(join(home, "film.bin")), digest(film));
  equal("its size", statSync(join(home, "film.bin")).size, 6 << 20);
}
