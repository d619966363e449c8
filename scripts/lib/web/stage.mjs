// The stage of a story: a server of its own, browsers, proxies, a directory for files; all of it is put away at the end.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { Failed, PATIENCE, equal, waitFor, within } from "./checks.mjs";
import { FilesPage } from "./files_page.mjs";
import { chromium } from "./modules.mjs";
import { Proxy } from "./proxy.mjs";
import { Server } from "./server.mjs";
import { signIn } from "./people.mjs";
import { Watch } from "./watch.mjs";

/** The sizes of screens, in pixels. */
export const SCREENS = {
  desk: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
};

/** How long a browser may take to be closed, in milliseconds. */
const CLOSING = 10_000;

/** Starts the browser that all stories share; each has profiles of its own in it. */
export function launch(executable) {
  return chromium.launch({
    executablePath: executable,
    // Containers have no /dev/shm of a useful size.
    args: ["--disable-dev-shm-usage", "--disable-gpu"],
    timeout: PATIENCE,
  });
}

export class Stage {
  #watches = [];
  #proxies = [];
  notes = [];

  constructor(story, options, browser) {
    this.story = story;
    this.options = options;
    this.browser = browser;
    this.directory = join(options.work, story.name);
    this.local = join(this.directory, "local");
    this.downloads = join(this.directory, "downloads");
    mkdirSync(this.local, { recursive: true });
    mkdirSync(this.downloads, { recursive: true });
    this.server = new Server(options.binary, join(this.directory, "server"), story.settings);
    for (const [name, user] of Object.entries(story.users ?? {})) this.server.addUser(name, user);
  }

  /** Returns a user of the story. */
  user(name) {
    return this.server.users.get(name);
  }

  /** Puts a proxy in front of the server. */
  async proxy() {
    const proxy = await Proxy.start(this.server.port);
    this.#proxies.push(proxy);
    return proxy;
  }

  /**
   * Opens a browser with a profile of its own and one page. `through` is a proxy, `expected` are patterns of what the
   * console may say.
   */
  async open({ screen = "desk", dark = false, javascript = true, through = null, expected = [] } = {}) {
    const url = through ? `http://127.0.0.1:${through.port}` : this.server.url;
    const context = await this.browser.newContext({
      baseURL: url,
      viewport: SCREENS[screen],
      colorScheme: dark ? "dark" : "light",
      hasTouch: screen === "phone",
      javaScriptEnabled: javascript,
      locale: "en-GB",
      timezoneId: "UTC",
      reducedMotion: "reduce",
      acceptDownloads: true,
    });
    context.setDefaultTimeout(PATIENCE);
    const watch = new Watch(context, [url]);
    watch.expect(...expected);
    await watch.begin();
    this.#watches.push(watch);
    const page = await context.newPage();
    return { context, page, watch };
  }

  /** Opens a browser, signs a user in, and returns the page of the files. */
  async files(name, options = {}) {
    const opened = await this.open(options);
    await signIn(opened.page, this.user(name));
    const files = new FilesPage(opened.page);
    await files.ready();
    return { ...opened, files };
  }

  /** Notes a number for the report. */
  note(text) {
    this.notes.push(text);
  }

  /** Waits until something has a value; says what it has if that takes too long. */
  async eventually(what, value, expected) {
    const ready = () => JSON.stringify(value()) === JSON.stringify(expected);
    await waitFor(what, ready, 20_000).catch(() => equal(what, value(), expected));
  }

  /** Returns a number once it has not changed for a while, in milliseconds. */
  async quiet(what, value, duration = 500, patience = PATIENCE) {
    let last = value();
    let since = Date.now();
    await waitFor(`${what} to come to rest`, () => {
      const now = value();
      if (now !== last) [last, since] = [now, Date.now()];
      return Date.now() - since > duration;
    }, patience);
    return last;
  }

  /** Fails with all faults that a story has gathered. */
  all(faults) {
    if (faults.length > 0) throw new Failed(faults.join("\n"));
  }

  /** Returns what the pages have done that must never happen. */
  faults() {
    return this.#watches.flatMap((watch) => watch.faults);
  }

  /** Fails if a page has done what must never happen, or if the server has panicked. */
  noFaults() {
    this.all(this.faults().slice(0, 8));
    const panic = /^.*panicked.*$/m.exec(this.server.log());
    if (panic) throw new Failed(`the server: ${panic[0]}`);
  }

  /** Keeps a picture of all pages that are open, for whoever looks into a failure. */
  async keepPictures() {
    let number = 0;
    for (const { context } of this.#watches) {
      for (const page of context.pages()) {
        number += 1;
        const path = join(this.options.pictures, `failed-${this.story.name}-${number}.png`);
        await page.screenshot({ path, timeout: CLOSING }).catch(() => {});
      }
    }
  }

  async end() {
    for (const { context } of this.#watches) {
      await within("closing the pages", context.close(), CLOSING).catch(() => {});
    }
    for (const proxy of this.#proxies) await proxy.close();
    await this.server.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
