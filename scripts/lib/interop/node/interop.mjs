// ssh2-sftp-client for Node, told by scripts/interop what to do: a JSON array for each step on standard input, the
// name of a method and its words. Each is answered with a line of JSON: {"ok": ...} or {"error": "..."}.

import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import SftpClient from "ssh2-sftp-client";

const [port, username, key, fingerprint] = process.argv.slice(2);
const steps = readFileSync(0, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const sftp = new SftpClient();
await sftp.connect({
  host: "127.0.0.1",
  port: Number(port),
  username,
  privateKey: readFileSync(key),
  hostVerifier: (hostKey) => createHash("sha256").update(hostKey).digest("base64").replace(/=+$/, "") === fingerprint,
});

// What the library has no method of its own for.
const raw = (method, ...words) =>
  new Promise((done, failed) => sftp.sftp[method](...words, (error, said) => (error ? failed(error) : done(said))));
const verbs = {
  append: (local, path) => sftp.append(createReadStream(local), path),
  list: async (path) => (await sftp.list(path)).map(({ name, size, type }) => ({ name, size, type })),
  stat: async (path) => {
    const { mode, size, modifyTime } = await sftp.stat(path);
    return { mode, size, modifyTime };
  },
  utimes: (path, time) => raw("utimes", path, time, time),
  symlink: (target, path) => raw("symlink", target, path),
  readlink: (path) => raw("readlink", path),
  hardlink: (from, to) => raw("ext_openssh_hardlink", from, to),
  statvfs: (path) => raw("ext_openssh_statvfs", path),
};

for (const [verb, ...words] of steps) {
  try {
    const said = await (verbs[verb] ? verbs[verb](...words) : sftp[verb](...words));
    console.log(JSON.stringify({ ok: said ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.message) }));
  }
}
await sftp.end();
