// homeportd in a directory of its own, with the web page on a free port of the loopback address.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync, closeSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Failed, pause, waitFor } from "./checks.mjs";
import { Authenticator } from "./totp.mjs";

/** How long the server may take to end before it is killed, in milliseconds. */
const ENDING = 10_000;

export class Server {
  #process = null;

  /** Makes a configuration in a directory. `settings` are lines for the section `[web]`. */
  constructor(binary, directory, settings = []) {
    this.binary = binary;
    this.directory = directory;
    this.config = join(directory, "homeportd.toml");
    this.logFile = join(directory, "log");
    this.users = new Map();
    mkdirSync(directory, { recursive: true });
    execFileSync(binary, ["init", directory, "--listen", "127.0.0.1:0"], { stdio: "pipe" });
    const web = ["[web]", 'listen = ["127.0.0.1:0"]', ...settings].join("\n");
    const text = readFileSync(this.config, "utf8");
    if (!text.includes("\n[web]\n")) throw new Failed(`${this.config} has no section [web]`);
    const ended = text.replace("\n[web]\n", () => `\n${web}\n`).replace(/^drain_secs = .*$/m, "drain_secs = 1");
    writeFileSync(this.config, ended);
  }

  /** Runs a command of homeportd, and returns its output. */
  admin(words, input = "") {
    try {
      return execFileSync(this.binary, ["-c", this.config, ...words], { input, encoding: "utf8", stdio: "pipe" });
    } catch (error) {
      throw new Failed(`homeportd ${words.join(" ")}: ${error.stderr}`);
    }
  }

  /** Makes a user with a password, and with one-time codes if `totp` is set. `options` are those of `user add`. */
  addUser(name, { totp = false, options = [] } = {}) {
    const user = { name, password: `${name}: correct horse battery`, home: join(this.directory, "data/homes", name) };
    this.admin(["user", "add", name, "--password-stdin", ...options], user.password);
    if (totp) {
      const { secret } = JSON.parse(this.admin(["user", "totp", "enroll", name, "--json"]));
      user.authenticator = new Authenticator(secret);
    }
    mkdirSync(user.home, { recursive: true });
    this.users.set(name, user);
    return user;
  }

  /** Returns a new token of a user. */
  addToken(name, scope) {
    return this.admin(["token", "add", name, "--scope", scope]).trim().split("\n").at(-1).trim();
  }

  /** Starts the server, and waits until it serves the page. */
  async start() {
    const log = openSync(this.logFile, "a");
    const before = this.log().length;
    this.#process = spawn(this.binary, ["-c", this.config, "serve"], { stdio: ["ignore", log, log] });
    closeSync(log);
    const address = await waitFor("the web page", () => {
      if (this.#process.exitCode !== null) throw new Failed(`homeportd has ended:\n${this.log().slice(-2000)}`);
      return /the web page is on (http:\/\/127\.0\.0\.1:(\d+))\//.exec(this.log().slice(before));
    });
    this.url = address[1];
    this.port = Number(address[2]);
  }

  log() {
    try {
      return readFileSync(this.logFile, "utf8");
    } catch {
      return "";
    }
  }

  /** Ends the server, and nothing else. */
  async stop() {
    const process = this.#process;
    this.#process = null;
    if (process === null || process.exitCode !== null || process.signalCode !== null) return;
    const ended = new Promise((resolve) => process.once("exit", resolve));
    process.kill("SIGTERM");
    if ((await Promise.race([ended.then(() => true), pause(ENDING)])) !== true) {
      process.kill("SIGKILL");
      await ended;
    }
  }
}
