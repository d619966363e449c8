// Waiting before something is tried again: longer each time, and no longer than the link is away. Without the DOM.

/** The longest wait in milliseconds. */
const LONGEST = 30_000;

/** How often the server may fail, or have too much to do, before something is given up. */
export const FAILURES = 8;

/** What is said while the link is away. */
export const LOST = "the server cannot be reached; this goes on by itself";

/** Returns whether it makes sense to try again after an answer: "always", "some" times, or "no". */
export function retryOf(status) {
  if ([408, 423, 502, 503, 504].includes(status)) return "always";
  return status === 429 || status === 500 ? "some" : "no";
}

/**
 * Returns the wait before an attempt, in milliseconds: about 1, 2, 4 … 30 seconds. `random` is between 0 and 1: not all
 * pages come back at the same moment after a restart of the server.
 */
export function delayOf(attempt, random = Math.random()) {
  const full = Math.min(LONGEST, 1000 * 2 ** Math.max(0, Math.min(attempt, 10) - 1));
  return Math.round(full * (0.75 + 0.25 * random));
}

/** Returns the wait that `Retry-After` asks for in milliseconds, at most the longest one; 0 if it asks for none. */
export function retryAfter(value) {
  const seconds = /^\d+$/.test(value ?? "") ? Number(value) : 0;
  return Math.min(LONGEST, seconds * 1000);
}

/** Waits; ends early with an error when the signal is aborted. */
export function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, milliseconds);
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end, { once: true });
  });
}

/** Waits before an attempt. When the link comes back, that attempt is made at once. */
export async function beforeAttempt(attempt, signal, atLeast = 0) {
  signal?.throwIfAborted();
  const wait = new AbortController();
  const end = () => wait.abort();
  signal?.addEventListener("abort", end, { once: true });
  globalThis.addEventListener?.("online", end, { once: true });
  try {
    await sleep(Math.max(atLeast, delayOf(attempt)), wait.signal);
  } catch {
    // Either way there is something to do now.
  } finally {
    signal?.removeEventListener("abort", end);
    globalThis.removeEventListener?.("online", end);
  }
  signal?.throwIfAborted();
}
