// Watches all pages of a browser for what must never happen, whatever a story does: scripts of users' files, violations
// of the policy, uncaught exceptions, errors on the console, dialogs, requests to others, faults of the server.

/** A script in a hostile file asks for this path when it runs. */
export const ALARM = "/a-script-of-a-file-has-run";

/** Replies that a server may give when it has too much to do, or no room. */
const NO_FAULTS = new Set([503, 507]);

export class Watch {
  faults = [];
  /** What a story expects on the console, such as lost connections. */
  expected = [];

  /** Watches a context of the browser. `origins` are the addresses of the page itself. */
  constructor(context, origins) {
    this.context = context;
    this.origins = origins;
  }

  async begin() {
    const { context } = this;
    context.on("dialog", (dialog) => {
      this.#note(`a dialog (${dialog.type()}): ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
    context.on("weberror", (error) => this.#note(`an uncaught exception: ${error.error().stack ?? error.error()}`));
    context.on("console", (message) => this.#console(message));
    context.on("request", (request) => this.#request(request.url()));
    context.on("response", (response) => this.#response(response));
    await context.exposeBinding("homeportViolation", (_, what) => this.#note(`a violation of the policy: ${what}`));
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        window.homeportViolation(`${event.effectiveDirective} of ${event.documentURI}: ${event.blockedURI}`);
      });
      window.homeportShifts = 0;
      new PerformanceObserver((list) => {
        for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.homeportShifts += shift.value;
      }).observe({ type: "layout-shift", buffered: true });
    });
  }

  /** Makes what matches on the console no fault. */
  expect(...patterns) {
    this.expected.push(...patterns);
  }

  #console(message) {
    if (message.type() !== "error" && message.type() !== "assert") return;
    const text = `${message.text()} (${message.location().url})`;
    if (this.expected.some((pattern) => pattern.test(text))) return;
    this.#note(`an error on the console: ${text}`);
  }

  #request(url) {
    if (url.includes(ALARM)) this.#note(`a script of a file has run: ${url}`);
    const { protocol, origin } = new URL(url);
    const isOwn = this.origins.includes(origin) || ["data:", "blob:", "about:", "chrome-error:"].includes(protocol);
    if (!isOwn) this.#note(`a request to another address: ${url}`);
  }

  #response(response) {
    const status = response.status();
    if (status < 500 || NO_FAULTS.has(status)) return;
    this.#note(`${response.request().method()} ${response.url()} was answered with ${status}`);
  }

  #note(fault) {
    this.faults.push(fault);
  }
}

/** What browsers write to the console when a link is lost. */
export const LOST_LINK = /Failed to load resource: net::ERR_|net::ERR_(CONNECTION|EMPTY|SOCKET|NETWORK)/;

/** What browsers write to the console about replies that are part of a story. */
export function status(...codes) {
  return new RegExp(`the server responded with a status of (${codes.join("|")})\\b`);
}
