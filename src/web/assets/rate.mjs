// The rate of a transfer over the last seconds, and the time that it still takes. Without the DOM and without a clock:
// times are passed in, in milliseconds.

/** The time over which a rate is taken: long enough to be calm, short enough to follow the link. */
const WINDOW = 10_000;

/** The least time after which a rate is told. */
const SHORTEST = 1_000;

/** The most samples: the older ones of the window are thinned out beyond. */
const MOST = 256;

export class Rate {
  #samples = [];
  #total = 0;

  /** Notes that bytes were sent. Negative ones are taken back, when the server has less than was sent. */
  add(bytes, now) {
    this.#forget(now);
    this.#total += bytes;
    const last = this.#samples.at(-1);
    if (last && now - last.at < WINDOW / MOST) {
      last.total = this.#total;
    } else {
      this.#samples.push({ at: now, total: this.#total });
    }
  }

  /** Begins anew, after a pause. */
  reset() {
    this.#samples = [];
  }

  /** Returns the bytes per second over the last ten seconds; null while that cannot be told. */
  perSecond(now) {
    this.#forget(now);
    const first = this.#samples[0];
    if (!first || now - first.at < SHORTEST) return null;
    return (Math.max(0, this.#total - first.total) * 1000) / (now - first.at);
  }

  /** Returns the seconds for these bytes at the present rate; null while that cannot be told. */
  secondsFor(bytes, now) {
    const rate = this.perSecond(now);
    return rate === null || rate < 1 ? null : bytes / rate;
  }

  /** Drops what is older than the window, but for the last sample before it. */
  #forget(now) {
    while (this.#samples.length > 1 && this.#samples[1].at <= now - WINDOW) this.#samples.shift();
    const [first] = this.#samples;
    // After a standstill the rate is that of the window, not of the whole time since.
    if (first && this.#samples.length === 1) first.at = Math.max(first.at, now - WINDOW);
  }
}
