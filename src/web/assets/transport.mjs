// One request of an upload. `fetch` does not say how much of a body has been sent, so this is an XMLHttpRequest.

import { NetworkLoss } from "./api.mjs";

/** The time without a byte of the body going out after which the link counts as lost, as after a laptop's sleep. */
const SILENT = 60_000;

/** The time that the server may take to answer when it has everything: it may compute the digest of a large file. */
const ANSWERING = 10 * 60_000;

/** Sends a request. Returns its status, headers and text; throws a `NetworkLoss`, or the reason of the signal. */
export function send({ method, url, headers = {}, body = null, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const xhr = new XMLHttpRequest();
    let timer = 0;
    const stop = () => xhr.abort();
    const watch = (milliseconds) => {
      clearTimeout(timer);
      timer = setTimeout(stop, milliseconds);
    };
    const end = (settle) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      settle();
    };
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.addEventListener("progress", (event) => {
      watch(SILENT);
      onProgress?.(event.loaded);
    });
    xhr.upload.addEventListener("load", () => watch(ANSWERING));
    xhr.addEventListener("load", () => {
      const header = (name) => xhr.getResponseHeader(name);
      end(() => resolve({ status: xhr.status, header, text: xhr.responseText }));
    });
    const lost = () => end(() => reject(signal?.aborted ? signal.reason : new NetworkLoss()));
    xhr.addEventListener("error", lost);
    xhr.addEventListener("abort", lost);
    signal?.addEventListener("abort", stop, { once: true });
    watch(SILENT);
    xhr.send(body);
  });
}
