// Names and paths as bytes: how they stand in URLs, in JSON and on the screen. Without the DOM.
//
// A name is known by its *key*: its bytes, percent-encoded as in a URL. Keys are equal exactly when the bytes are. The key
// of a path is "/" for the home, and "/a/b" for what lies in it, without a slash at the end.

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What stays as it is in a URL: the unreserved characters of RFC 3986. */
function isPlain(byte) {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2d || byte === 0x2e || byte === 0x5f || byte === 0x7e
  );
}

/** Returns the bytes of a text. */
export function bytesOf(text) {
  return encoder.encode(text);
}

/** Returns the key of a name that is given by its bytes. */
export function keyOfBytes(bytes) {
  let key = "";
  for (const byte of bytes) {
    key += isPlain(byte)
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return key;
}

/** Returns the key of a name that is given as text. */
export function keyOfText(text) {
  return keyOfBytes(encoder.encode(text));
}

/** Returns the bytes of a key, or of any percent-encoded text. */
export function bytesOfKey(key) {
  const encoded = encoder.encode(key);
  const bytes = [];
  for (let at = 0; at < encoded.length; at += 1) {
    const digits = encoded[at] === 0x25 ? String.fromCharCode(...encoded.subarray(at + 1, at + 3)) : "";
    if (/^[0-9A-Fa-f]{2}$/.test(digits)) {
      bytes.push(parseInt(digits, 16));
      at += 2;
    } else {
      bytes.push(encoded[at]);
    }
  }
  return Uint8Array.from(bytes);
}

/** Returns Base64 with padding. */
export function base64(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(binary);
}

/** Returns the bytes of a text in Base64. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** Returns the key of a name as JSON has it: `name`, with `name_b64` beside it where the bytes differ. */
export function keyOfJson(name, nameB64) {
  return nameB64 ? keyOfBytes(fromBase64(nameB64)) : keyOfText(name);
}

/** Returns the key of a path as JSON has it. */
export function pathOfJson(path, pathB64) {
  const bytes = pathB64 ? fromBase64(pathB64) : encoder.encode(path);
  const names = [];
  let start = 0;
  for (let at = 0; at <= bytes.length; at += 1) {
    if (at === bytes.length || bytes[at] === 0x2f) {
      if (at > start) names.push(keyOfBytes(bytes.subarray(start, at)));
      start = at + 1;
    }
  }
  return `/${names.join("/")}`;
}

/** Returns the key of a name in a directory. */
export function join(directory, key) {
  return directory === "/" ? `/${key}` : `${directory}/${key}`;
}

/** Returns the key of the directory that a path lies in; that of the home is the home. */
export function parent(path) {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** Returns the key of the last name of a path. */
export function lastName(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Returns whether a path is a directory or lies in it. */
export function isWithin(path, directory) {
  return path === directory || directory === "/" || path.startsWith(`${directory}/`);
}

/** Returns a path for a request: as text if its bytes are UTF-8, else in Base64 under a key with this ending. */
export function jsonPath(path, member = "path") {
  const bytes = bytesOfKey(path);
  try {
    return { [member]: strict.decode(bytes) };
  } catch {
    return { [`${member}_b64`]: base64(bytes) };
  }
}

/** Returns the text of a key for a field in which it is edited; null if its bytes are not UTF-8. */
export function textOf(key) {
  try {
    return strict.decode(bytesOfKey(key));
  } catch {
    return null;
  }
}

/** Returns why a name cannot be given to a file; null if it can. */
export function nameFault(text) {
  if (text === "") return "A name has at least one character.";
  if (text === "." || text === "..") return `“${text}” means a directory, so it cannot be a name.`;
  if (text.includes("/")) return "A name cannot contain “/”.";
  if (text.includes("\0")) return "A name cannot contain the character U+0000.";
  if (encoder.encode(text).length > 255) return "A name has at most 255 bytes.";
  return null;
}

/** Whether a character must be shown as its number: it moves the cursor, changes the direction, or is invisible. */
function isHidden(code) {
  return (
    code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
    code === 0xad || code === 0x61c || code === 0x180e || code === 0xfeff ||
    code === 0x200b || code === 0x200e || code === 0x200f ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    (code >= 0xfff9 && code <= 0xfffb) ||
    (code >= 0xe0000 && code <= 0xe007f)
  );
}

/** Returns how many bytes the character at this place has if it is valid UTF-8; else 0. */
function lengthOfCharacter(bytes, at) {
  const first = bytes[at];
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  try {
    strict.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}

/**
 * Returns the pieces in which a name is shown: `text` as it is, and `box` for what would be invisible or would deceive,
 * like ⟨U+202E⟩, and for bytes that are not UTF-8, like ⟨FF⟩.
 */
export function pieces(key) {
  const bytes = bytesOfKey(key);
  const found = [];
  let text = "";
  const add = (box) => {
    if (text !== "") found.push({ text });
    text = "";
    if (box !== null) found.push({ box });
  };
  for (let at = 0; at < bytes.length; ) {
    const length = lengthOfCharacter(bytes, at);
    const character = length > 0 ? strict.decode(bytes.subarray(at, at + length)) : "";
    const code = character.codePointAt(0);
    if (length === 0) {
      add(`⟨${bytes[at].toString(16).toUpperCase().padStart(2, "0")}⟩`);
    } else if (isHidden(code)) {
      add(`⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`);
    } else {
      text += character;
    }
    at += length || 1;
  }
  add(null);
  return found;
}

/** Returns a name or a path as one line of text for people. */
export function shown(key) {
  return pieces(key).map((piece) => piece.text ?? piece.box).join("");
}
