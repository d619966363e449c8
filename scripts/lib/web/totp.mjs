// The codes of an authenticator application: RFC 6238 with SHA-1, six digits, 30 seconds.

import { createHmac } from "node:crypto";

import { pause } from "./checks.mjs";

const PERIOD = 30_000;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Returns the bytes of a text in base32. */
function fromBase32(text) {
  const bytes = [];
  let bits = 0;
  let value = 0;
  for (const character of text.replace(/=+$/, "").toUpperCase()) {
    value = ((value << 5) | ALPHABET.indexOf(character)) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 0xff);
    }
  }
  return Buffer.from(bytes);
}

/** Returns the code of a period. */
export function codeAt(secret, period) {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(period));
  const digest = createHmac("sha1", fromBase32(secret)).update(message).digest();
  const number = digest.readUInt32BE(digest[19] & 0xf) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

/** A device with a secret. Each code is given once, because the server takes it once. */
export class Authenticator {
  #last = 0;

  constructor(secret) {
    this.secret = secret;
  }

  /** Returns a code that was not given yet. The server allows clocks that are 30 seconds ahead, so few calls wait. */
  async code() {
    const now = () => Math.floor(Date.now() / PERIOD);
    const period = Math.max(this.#last + 1, now());
    while (period > now() + 1) await pause(200);
    this.#last = period;
    return codeAt(this.secret, period);
  }
}
