// A TCP proxy that can cut all connections, refuse new ones for a while, limit the rate, and count bytes.

import { once } from "node:events";
import net from "node:net";

export class Proxy {
  /** The bytes that clients have sent, and the bytes that they have received. */
  sent = 0;
  received = 0;
  /** The port that connections go to; it may change, when a server starts again. */
  target = 0;
  /** How often all connections have been cut. */
  cuts = 0;
  /** The bytes per second from clients; 0 is no limit. */
  rate = 0;
  #connections = new Set();
  #isRefusing = false;
  #thresholds = [];
  #outage = 0;
  #freeAt = 0;
  #timers = new Set();

  /** Starts a proxy for a port of the loopback address. */
  static async start(target) {
    const proxy = new Proxy();
    proxy.target = target;
    proxy.server = net.createServer((client) => proxy.#connect(client));
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  /** Cuts all connections, as a lost link does. */
  cut() {
    this.cuts += 1;
    for (const socket of this.#connections) socket.resetAndDestroy();
  }

  /** Refuses connections from now on, or no longer. */
  refuse(isRefusing) {
    this.#isRefusing = isRefusing;
    if (isRefusing) this.cut();
  }

  /**
   * Cuts everything whenever clients have sent that many bytes more, and refuses connections for `outage` milliseconds
   * then.
   */
  cutEvery(bytes, times, outage = 0) {
    this.#thresholds = Array.from({ length: times }, (_, number) => this.sent + (number + 1) * bytes);
    this.#outage = outage;
  }

  /** How many of these cuts are still to come. */
  get cutsToCome() {
    return this.#thresholds.length;
  }

  async close() {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of this.#connections) socket.destroy();
    this.server.close();
    await once(this.server, "close");
  }

  #connect(client) {
    if (this.#isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const server = net.connect(this.target, "127.0.0.1");
    for (const [socket, other] of [[client, server], [server, client]]) {
      this.#connections.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy());
      socket.on("end", () => other.end());
      socket.on("close", () => {
        this.#connections.delete(socket);
        other.destroy();
      });
    }
    client.on("data", (chunk) => {
      this.sent += chunk.length;
      if (this.#crossed()) return;
      const delay = this.#delayOf(chunk.length);
      if (delay === 0) this.#pass(chunk, client, server);
      else {
        client.pause();
        this.#later(delay, () => {
          client.resume();
          this.#pass(chunk, client, server);
        });
      }
    });
    server.on("data", (chunk) => {
      this.received += chunk.length;
      this.#pass(chunk, server, client);
    });
  }

  #pass(chunk, from, to) {
    if (to.destroyed || to.write(chunk)) return;
    from.pause();
    to.once("drain", () => from.resume());
  }

  /** Returns the milliseconds after which bytes may go on, so that the rate holds for all connections together. */
  #delayOf(length) {
    if (this.rate === 0) return 0;
    const now = Date.now();
    this.#freeAt = Math.max(this.#freeAt, now) + (length * 1000) / this.rate;
    return Math.max(0, Math.round(this.#freeAt - now));
  }

  /** Cuts everything if it is time for that. */
  #crossed() {
    if (this.#thresholds.length === 0 || this.sent < this.#thresholds[0]) return false;
    this.#thresholds.shift();
    if (this.#outage === 0) {
      this.cut();
      return true;
    }
    this.refuse(true);
    this.#later(this.#outage, () => this.refuse(false));
    return true;
  }

  #later(milliseconds, work) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, milliseconds);
    this.#timers.add(timer);
  }
}
