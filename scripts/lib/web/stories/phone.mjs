import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { atMost, ensure, equal } from "../checks.mjs";
import { fits } from "../pages.mjs";
import { digest, makeFile } from "../trees.mjs";

export const name = "phone";
export const title = "a phone's width: sign-in, listing with sizes, a download, an upload by the picker, a new folder";
export const users = { tom: { totp: true } };

/** The least height and width that a finger hits, in pixels (WCAG 2.2, 2.5.8). */
const FINGER = 24;

async function canBeHit(page) {
  const small = await page.evaluate((least) => {
    const found = [];
    for (const element of document.querySelectorAll("button, a, input:not([type=hidden])")) {
      const { width, height } = element.getBoundingClientRect();
      const isInText = getComputedStyle(element).display === "inline";
      // A box in a cell is hit by its cell.
      const isBox = element.type === "checkbox";
      if (width > 1 && height > 1 && !isInText && !isBox && (width < least || height < least)) found.push(element.outerHTML.slice(0, 120));
    }
    return found;
  }, FINGER);
  equal("what is too small for a finger", small, []);
}

export async function run(stage) {
  const { home } = stage.user("tom");
  mkdirSync(join(home, "Bilder"), { recursive: true });
  writeFileSync(join(home, `${"a long name without any end ".repeat(6)}.txt`), "x");
  makeFile(join(home, "film.bin"), 1 << 20);
  const { page, files } = await stage.files("tom", { screen: "phone" });
  await files.has("film.bin");
  await fits(page, "the listing");
  const size = files.row("film.bin").getByText("1.0 MiB");
  ensure(await size.isVisible(), "the size cannot be seen");
  const box = await size.boundingBox();
  atMost("the right edge of the size", box.x + box.width, page.viewportSize().width);
  await canBeHit(page);

  const film = await files.download("film.bin");
  equal("the download", digest(film.path), digest(join(home, "film.bin")));
  await files.newFolder("Neu");
  await files.has("Neu");
  const photo = join(stage.local, "IMG_0001.jpg");
  makeFile(photo, 300_000);
  await page.getByRole("button", { name: "Upload" }).click();
  const [picker] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("menuitem", { name: "Files" }).click()]);
  await picker.setFiles([photo]);
  await files.has("IMG_0001.jpg");
  await files.uploaded();
  await fits(page, "the listing with the uploads");
  equal("the photo on the disk", digest(join(home, "IMG_0001.jpg")), digest(photo));
}
