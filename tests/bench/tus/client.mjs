// tus-js-client sends one file: `client.mjs ENDPOINT FILE` prints the seconds that it took, and the upload's address.
//
// As its documentation has it for speed: the whole file in one request, for each further one waits for the one before
// it (Infinity is possible where a file can be read again from anywhere), and that request creates the upload.
// `parallelUploads` would need the concatenation extension, which @tus/s3-store does not have: the lanes are the
// server's, to the store.
import { createReadStream } from "node:fs";
import { Upload } from "tus-js-client";

const [endpoint, file] = process.argv.slice(2);
const begun = performance.now();

const upload = new Upload(createReadStream(file), {
  endpoint,
  chunkSize: Infinity,
  uploadDataDuringCreation: true,
  parallelUploads: 1,
  retryDelays: null, // a fault is no figure
  metadata: { contentType: "video/mp4" },
  onSuccess() {
    console.log(JSON.stringify({ seconds: (performance.now() - begun) / 1000, url: upload.url }));
  },
  onError(error) {
    console.error(String(error));
    process.exitCode = 1;
  },
});
upload.start();
