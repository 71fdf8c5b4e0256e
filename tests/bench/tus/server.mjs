// @tus/server with @tus/s3-store in front of the house's store, set up as in their documentation. Each part is a file in
// TMPDIR before it is sent. The S3 client's checksums stay on, as our parts have theirs. The order comes in the
// environment, because everybody can read command lines.
import { S3Store } from "@tus/s3-store";
import { Server } from "@tus/server";

const { port, part_size: partSize, lanes, s3 } = JSON.parse(process.env.TUS);

const datastore = new S3Store({
  partSize,
  maxConcurrentPartUploads: lanes,
  useTags: false, // for the expiration of uploads, which nothing here uses; not every store has tags
  s3ClientConfig: { ...s3, forcePathStyle: true },
});

new Server({ path: "/files", datastore }).listen({ host: "127.0.0.1", port });
