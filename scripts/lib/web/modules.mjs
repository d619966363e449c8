// The packages of package.json, which are installed outside of the repository: HOMEPORT_WEB_MODULES is their directory.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const directory = process.env.HOMEPORT_WEB_MODULES;
if (!directory) throw new Error("HOMEPORT_WEB_MODULES is not set (hint: run scripts/stories-web)");
const require = createRequire(join(directory, "package.json"));

export const { chromium } = require("playwright-core");

/** The source of axe-core, which is run in pages. */
export const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
