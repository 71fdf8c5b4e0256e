// A phone that speaks to Fujing, Node 20 or newer, no dependency at run time. See docs/mobile.md.
//
//   FUJING_URL=… FUJING_CODE=… FUJING_BADGE=… FUJING_PASSWORD=… node phone.js FOLDER FILE
//
// FOLDER holds the phone's key and outbox. FILE is uploaded, and deleted once its receipt is verified. Here one person
// uses the phone; on a shared phone store each entry with its person, and send it in that person's session.
import { createHash, randomUUID, type webcrypto } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readFile, rename, stat, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";

type Json = Record<string, any>;
type Entry = { seq: number; body: Json; state: string; answer?: Json };
const { subtle } = globalThis.crypto;
const P256 = { name: "ECDSA", namedCurve: "P-256" };
const encoded = (content: Uint8Array | string) => Buffer.from(content).toString("base64url");
const digest = (content: Uint8Array | string) => createHash("sha256").update(content).digest("base64url");
const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();

class Problem extends Error {
  constructor(readonly problem: Json) {
    super(`${problem.code}: ${problem.detail}`);
  }
}

class Phone {
  private nonce = "";
  private access = "";
  private refresh = "";
  private key!: webcrypto.CryptoKey;
  private jwk!: Json;
  private saved = Promise.resolve();
  box: { seq: number; entries: Entry[]; cursor?: string; bundle?: Json; receipts: Json } = {
    seq: 0, entries: [], receipts: {},
  };

  constructor(private readonly url: string, private readonly folder: string) {}

  // [key]
  async load(): Promise<void> {
    const file = join(this.folder, "key.json"); // in a browser: a key that cannot be taken out, in IndexedDB
    if (!existsSync(file)) {
      const pair = await subtle.generateKey(P256, true, ["sign", "verify"]);
      await replaceFile(file, JSON.stringify(await subtle.exportKey("jwk", pair.privateKey)));
    }
    const jwk = JSON.parse(await readFile(file, "utf8"));
    this.key = await subtle.importKey("jwk", jwk, P256, false, ["sign"]);
    this.jwk = { kty: "EC", crv: "P-256", x: jwk.x, y: jwk.y };
    const box = join(this.folder, "outbox.json");
    if (existsSync(box)) this.box = JSON.parse(await readFile(box, "utf8"));
  }
  // [/key]

  // [proof]
  async proof(method: string, path: string, body?: Uint8Array, token?: string): Promise<string> {
    const header = { typ: "dpop+jwt", alg: "ES256", jwk: this.jwk };
    const claims: Json = { htm: method, htu: this.url + path, jti: randomUUID(), iat: Math.floor(Date.now() / 1000) };
    claims.nonce = this.nonce; // from the last DPoP-Nonce header; empty the first time
    if (token) claims.ath = digest(token);
    if (body) claims.body_sha256 = digest(body); // of the bytes as sent: with gzip, the compressed ones
    const signed = `${encoded(JSON.stringify(header))}.${encoded(JSON.stringify(claims))}`;
    const signature = await subtle.sign({ name: "ECDSA", hash: "SHA-256" }, this.key, Buffer.from(signed));
    return `${signed}.${encoded(new Uint8Array(signature))}`; // WebCrypto gives r and s, 64 bytes, as JWS has it
  }
  // [/proof]

  // [call]
  async call(method: string, path: string, payload?: Json, signedIn = true): Promise<any> {
    for (let attempt = 0; attempt < 8; attempt++) {
      const token = signedIn ? this.access : undefined;
      const headers: Record<string, string> = { "Accept-Language": "en" };
      let body: Uint8Array<ArrayBuffer> | undefined;
      if (payload) {
        // sent_at: the clock at this attempt
        body = Uint8Array.from(gzipSync(JSON.stringify({ ...payload, sent_at: ago(0) })));
        Object.assign(headers, { "Content-Type": "application/json", "Content-Encoding": "gzip" });
      }
      if (token) headers.Authorization = `DPoP ${token}`;
      headers.DPoP = await this.proof(method, path, body, token);
      let pause = 200 * 2 ** attempt;
      const timeout = AbortSignal.timeout(60_000);
      const [answer, text] = await fetch(this.url + path, { method, headers, body, signal: timeout })
        .then(async (answer) => [answer, await answer.text()] as const)
        .catch(() => [undefined, ""] as const); // no answer, or a cut one
      if (!answer) {
        await sleep(pause);
        continue;
      }
      this.nonce = answer.headers.get("DPoP-Nonce") ?? this.nonce;
      const ours = text && answer.headers.get("Content-Type")?.includes("json"); // not cut off, no captive portal
      if (answer.status === 204 || (ours && answer.ok)) return ours ? JSON.parse(text) : undefined;
      const problem: Json = ours ? JSON.parse(text) : { code: `http_${answer.status}` };
      if (["use_dpop_nonce", "proof_replayed"].includes(problem.code)) continue; // try again with a new proof
      if (problem.code === "token_expired") {
        this.keep(await this.call("POST", "/v1/sessions/refresh", { refresh_token: this.refresh }, false));
        continue;
      }
      pause = 1000 * Number(answer.headers.get("Retry-After") ?? pause / 1000);
      if ((ours && answer.status !== 429 && answer.status < 500) || pause > 30_000) throw new Problem(problem);
      await sleep(pause);
    }
    throw new Error(`no answer to ${method} ${path}; nothing is lost`);
  }
  // [/call]

  // [sign-in]
  async enrol(code: string): Promise<Json> {
    return (await this.call("POST", "/v1/devices/enrol", { code, jwk: this.jwk }, false)).device;
  }

  async signIn(badge: string, password: string): Promise<void> {
    this.keep(await this.call("POST", "/v1/sessions", { badge, password }, false));
  }

  private keep(tokens: Json): void {
    this.access = tokens.access_token;
    this.refresh = tokens.refresh_token;
  }
  // [/sign-in]

  // [outbox]
  /** Store an entry. On return it is on the disk; its id and number never change. */
  async add(verb: string, occurred_at: string, fields: Json): Promise<string> {
    const id = randomUUID();
    const seq = ++this.box.seq;
    this.box.entries.push({ seq, body: { verb, id, occurred_at, device_seq: seq, ...fields }, state: "queued" });
    await this.save();
    return id;
  }

  /** Write the box whole or not at all, one write after the other. */
  save(): Promise<void> {
    const write = () => replaceFile(join(this.folder, "outbox.json"), JSON.stringify(this.box));
    return (this.saved = this.saved.then(write, write));
  }
  // [/outbox]

  // [sync]
  /** Send queued and waiting entries and fetch changes, until there are none. */
  async sync(): Promise<void> {
    for (let after = 0, more = true; ; ) {
      const open = this.box.entries.filter(({ state, seq }) => /^(queued|waiting)$/.test(state) && seq > after);
      const batch = open.slice(0, 1000);
      if (!batch.length && !more) return;
      const { cursor } = this.box;
      const answer = await this.call("POST", "/v1/sync", { entries: batch.map(({ body }) => body), cursor });
      batch.forEach((entry, index) => {
        const result = answer.results[index];
        const unsettled = result.status === "again" || (result.problem?.status ?? 0) >= 500;
        entry.state = unsettled ? "queued" : result.status; // not processed: send it again
        entry.answer = result;
      });
      this.box.cursor = answer.cursor ?? cursor;
      this.box.bundle = answer.bundle ?? this.box.bundle; // with `reset`, discard what earlier answers brought
      await this.save();
      after = batch.at(-1)?.seq ?? after;
      more = answer.more ?? false;
    }
  }
  // [/sync]

  // [upload]
  /** Send the missing parts until the store has all. A later process can go on with it. */
  async upload(id: string, file: string): Promise<void> {
    const etags = new Map<number, string>(); // the ETag that the store gave for the last PUT of each part
    for (let failures = 0; ; ) {
      const { missing } = await this.call("GET", `/v1/uploads/${id}/parts`);
      if (!missing.length) break;
      const source = await open(file);
      for (const part of missing) {
        const { buffer } = await source.read(Buffer.alloc(part.bytes), 0, part.bytes, part.offset);
        const headers = { "Content-MD5": createHash("md5").update(buffer).digest("base64") }; // the URL is signed
        const arrived = await fetch(part.url, { method: "PUT", headers, body: buffer }).catch(() => undefined);
        const etag = arrived?.ok && arrived.headers.get("ETag");
        if (etag) etags.set(part.number, etag);
        failures = arrived?.status === 200 ? 0 : failures + 1;
        if (failures > 8) throw new Error("no part arrives; nothing is lost");
      }
      await source.close();
    }
    const parts = [...etags].map(([number, etag]) => ({ number, etag }));
    await this.call("POST", `/v1/uploads/${id}/complete`, { parts });
  }
  // [/upload]

  // [receipt]
  /** Wait for the receipt, verify it for these bytes and store it. Only then may the file be deleted. */
  async receipt(id: string, file: string): Promise<string> {
    let answer: Json;
    while ((answer = await this.call("GET", `/v1/uploads/${id}/receipt`)).state === "received") await sleep(500);
    if (answer.state !== "sealed") throw new Error(answer.advice); // mismatch, abandoned: upload it again
    const { keys } = await this.call("GET", "/.well-known/jwks.json", undefined, false);
    const [head, body, signature] = answer.receipt.split(".");
    const [header, claims] = [head, body].map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
    const jwk = keys.find(({ kid }: Json) => kid === header.kid && kid.startsWith("evidence-"));
    const key = await subtle.importKey("jwk", jwk, "Ed25519", false, ["verify"]);
    const held = await subtle.verify("Ed25519", key, Buffer.from(signature, "base64url"), Buffer.from(`${head}.${body}`));
    const mine = createHash("sha256").update(await readFile(file)).digest("hex");
    const right = header.typ === "fujing-receipt+jwt" && claims.sha256 === mine && claims.id === answer.id;
    if (!held || !right) throw new Error("this receipt proves something else: keep the file");
    this.box.receipts[id] = answer.receipt;
    await this.save();
    return answer.receipt;
  }
  // [/receipt]
}

/** Write the text to a new file beside it and flush it, then rename it. */
async function replaceFile(file: string, text: string): Promise<void> {
  const beside = await open(`${file}.new`, "w", 0o600);
  await beside.writeFile(text);
  await beside.sync();
  await beside.close();
  await rename(`${file}.new`, file);
}

const [folder, file] = process.argv.slice(2);
const { FUJING_URL, FUJING_CODE, FUJING_BADGE, FUJING_PASSWORD } = process.env as Record<string, string>;
const phone = new Phone(FUJING_URL.replace(/\/$/, ""), folder);
await phone.load();
console.log("enrolled as", (await phone.enrol(FUJING_CODE)).serial);
await phone.signIn(FUJING_BADGE, FUJING_PASSWORD);

const dressed = { duty_type: "patrol", dress: "uniform", id_card_carried: true, roster_post: "西门岗亭" };
const shift = await phone.add("shifts/check-in", ago(5), dressed);
await phone.add("shifts/check-out", ago(1), { shift });
const upload = await phone.add("recordings/declare", ago(1), {
  camera_serial: "DSJ-0043", media_type: "video/mp4", file_name: basename(file), bytes: (await stat(file)).size,
  sha256: createHash("sha256").update(await readFile(file)).digest("hex"), started_at: ago(3), ended_at: ago(2),
});
await phone.sync();
for (const { body, state, answer } of phone.box.entries) console.log(answer?.receipt?.received_at, body.id, state);

await phone.upload(upload, file);
const receipt = await phone.receipt(upload, file);
await unlink(file); // in this order: verify, store, delete
console.log("sealed", upload, receipt);
