// What holds for every page: it is there, it fits, it can be read by everybody, and nothing jumps.

import { AXE } from "./modules.mjs";
import { Failed, atMost, ensure } from "./checks.mjs";

/** The most that a page may jump about: what web.dev calls good is 0.1. */
const MOST_SHIFT = 0.02;

const SERIOUS = ["serious", "critical"];

/** Goes to a page that must be there. */
export async function visit(page, path, expected = 200) {
  const response = await page.goto(path);
  if (response.status() !== expected) throw new Failed(`${path}: status ${response.status()}, but expected ${expected}`);
}

/** Waits for a heading. */
export async function expectHeading(page, name) {
  await page.getByRole("heading", { name }).first().waitFor();
}

/** Fails if axe-core finds what keeps people from using the page. */
export async function accessible(page, what) {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      where: nodes.slice(0, 3).map((node) => `${node.target.join(" ")}: ${node.any[0]?.message ?? node.html}`),
    }));
  });
  const faults = violations.filter(({ impact }) => SERIOUS.includes(impact));
  if (faults.length === 0) return;
  const lines = faults.map(({ id, impact, help, where }) => `${what}: ${id} (${impact}): ${help}\n    ${where.join("\n    ")}`);
  throw new Failed(lines.join("\n"));
}

/** Fails if a page is wider than the screen, or if it has jumped about. */
export async function fits(page, what) {
  const { wide, width, shifts } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    width: document.documentElement.clientWidth,
    shifts: window.homeportShifts ?? 0,
  }));
  ensure(wide <= width, `${what}: it is ${wide} pixels wide on a screen of ${width}`);
  atMost(`${what}: layout shift`, Number(shifts.toFixed(4)), MOST_SHIFT);
}
