// What stories check with, and how they wait. Every wait has a limit.

/** How long stories wait for what should happen soon, in milliseconds: far longer than usual, for slow machines. */
export const PATIENCE = 30_000;

/** A story has found a fault. */
export class Failed extends Error {}

/** Fails unless the condition holds. */
export function ensure(condition, what) {
  if (!condition) throw new Failed(what);
}

/** Fails unless both are the same, as JSON. */
export function equal(what, found, expected) {
  const [one, other] = [found, expected].map((value) => JSON.stringify(value));
  if (one !== other) throw new Failed(`${what}: ${one}, but expected ${other}`);
}

/** Fails unless a number is at most this. */
export function atMost(what, found, limit) {
  if (!(found <= limit)) throw new Failed(`${what}: ${found}, but at most ${limit} is allowed`);
}

/** Waits for some milliseconds. Only for what must *not* happen meanwhile, or for a measured time. */
export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Calls `ready` until it returns something true, and returns that. */
export async function waitFor(what, ready, patience = PATIENCE) {
  const deadline = Date.now() + patience;
  for (;;) {
    const answer = await ready();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Failed(`${what}: not within ${patience / 1000} s`);
    await pause(50);
  }
}

/** Returns the promise's value, or fails after a time. */
export function within(what, promise, patience = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Failed(`${what}: not within ${patience / 1000} s`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
