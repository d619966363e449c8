// Uploads a file with tus-js-client, and remembers the upload in a file, so that another process can go on with it.
//
//     node upload.mjs URL FILE PATH MEMORY STOP_AFTER
//
// TOKEN is in the environment. The process kills itself when STOP_AFTER bytes have been sent, in the middle of a request; 0
// lets it finish. It prints the number of bytes at which it began.

import { createReadStream } from "node:fs";
import { createRequire } from "node:module";

const tus = createRequire(import.meta.url)("tus-js-client");
const [url, file, path, memory, stopAfter] = process.argv.slice(2);
let hasBegun = false;

function noteBegin(offset) {
  if (!hasBegun) console.log(`began at ${offset}`);
  hasBegun = true;
}

const upload = new tus.Upload(createReadStream(file), {
  endpoint: url,
  chunkSize: 1024 * 1024,
  retryDelays: [0, 200, 1000, 3000, 5000],
  headers: { Authorization: `Bearer ${process.env.TOKEN}` },
  metadata: { path, filename: path },
  urlStorage: new tus.FileUrlStorage(memory),
  removeFingerprintOnSuccess: true,
  onProgress(sent) {
    noteBegin(sent);
    if (Number(stopAfter) > 0 && sent >= Number(stopAfter)) process.kill(process.pid, "SIGKILL");
  },
  onSuccess() {
    noteBegin(0);
    console.log("done");
  },
  onError(error) {
    console.error(String(error));
    process.exit(1);
  },
});
const [previous] = await upload.findPreviousUploads();
if (previous) upload.resumeFromPreviousUpload(previous);
upload.start();
