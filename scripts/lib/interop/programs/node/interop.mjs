// ssh2-sftp-client for Node, controlled by scripts/interop; scripted.py describes the protocol. A verb with the name of a
// method of the library calls that method.

import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import SftpClient from "ssh2-sftp-client";

const [port, username, key, fingerprint] = process.argv.slice(2);
const sftp = new SftpClient();
const signIn = process.env.PASSWORD ? { password: process.env.PASSWORD } : { privateKey: readFileSync(key) };
await sftp.connect({
  host: "127.0.0.1",
  port: Number(port),
  username,
  ...signIn,
  hostVerifier: (hostKey) => createHash("sha256").update(hostKey).digest("base64").replace(/=+$/, "") === fingerprint,
});

// The verbs for which the library has no method.
const raw = (method, ...words) =>
  new Promise((done, failed) => sftp.sftp[method](...words, (error, said) => (error ? failed(error) : done(said))));
const verbs = {
  put: (local, path) => sftp.put(local, path),
  get: (path, local) => sftp.get(path, local),
  fastPut: (local, path) => sftp.fastPut(local, path),
  fastGet: (path, local) => sftp.fastGet(path, local),
  append: async (local, path) => sftp.append(createReadStream(local, { start: (await sftp.stat(path)).size }), path),
  list: async (path) => (await sftp.list(path)).map(({ name, size }) => `${name}=${size}`).join("\t"),
  stat: async (path) => {
    const { mode, size, modifyTime } = await sftp.stat(path);
    return `${mode.toString(8)} ${size} ${modifyTime / 1000}`;
  },
  chmod: (path, mode) => sftp.chmod(path, parseInt(mode, 8)),
  time: (path, seconds) => raw("utimes", path, Number(seconds), Number(seconds)),
  mkdir: (path) => sftp.mkdir(path),
  "make-path": (path) => sftp.mkdir(path, true),
  rmdir: (path) => sftp.rmdir(path),
  "remove-tree": (path) => sftp.rmdir(path, true),
  remove: (path) => sftp.delete(path),
  rename: (from, to) => sftp.rename(from, to),
  "posix-rename": (from, to) => sftp.posixRename(from, to),
  copy: (from, to) => sftp.rcopy(from, to),
  symlink: (target, path) => raw("symlink", target, path),
  readlink: (path) => raw("readlink", path),
  hardlink: (from, to) => raw("ext_openssh_hardlink", from, to),
  statvfs: async (path) => {
    const disk = await raw("ext_openssh_statvfs", path);
    return `${disk.f_frsize * disk.f_blocks} ${disk.f_frsize * disk.f_bavail}`;
  },
  uploadDir: (local, path) => sftp.uploadDir(local, path),
  downloadDir: (path, local) => sftp.downloadDir(path, local),
};
// These verbs return a result, the others nothing.
const asks = new Set(["list", "stat", "readlink", "statvfs"]);

const answer = (kind, said) => process.stdout.write(`${kind}\t${String(said).replace(/\n/g, " ")}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, ...words] = line.split("\t");
  try {
    const said = await verbs[verb](...words);
    answer("ok", asks.has(verb) ? said : "");
  } catch (error) {
    answer("error", error.message);
  }
}
await sftp.end();
