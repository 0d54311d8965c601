import { describe, expect, test } from "vitest";

import {
  continueFile,
  type FileTransfer,
  type HttpAnswer,
  Interruption,
  type PartFile,
  type RemoteFile,
  withRetries,
} from "../../src/index.ts";

const content = Uint8Array.from({ length: 100 }, (_, i) => (7 * i) % 256);

/** Sums every byte with its position; enough to tell files of a test apart. */
function digestOf(bytes: Uint8Array): string {
  let sum = 0;
  for (const [i, byte] of bytes.entries()) sum = (sum * 31 + byte + i) % 1_000_003;
  return sum.toString(16);
}

class Part implements PartFile {
  bytes: Uint8Array;

  constructor(bytes: Uint8Array = new Uint8Array()) {
    this.bytes = bytes.slice();
  }

  get size(): number {
    return this.bytes.length;
  }

  async *stream(length: number): AsyncGenerator<Uint8Array, void, void> {
    for (let i = 0; i < length; i += 7) yield this.bytes.slice(i, Math.min(length, i + 7));
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    if (offset !== this.size) throw new Error(`write at ${offset} of ${this.size}`);
    this.bytes = Uint8Array.of(...this.bytes, ...bytes);
  }

  async truncate(size: number): Promise<void> {
    this.bytes = this.bytes.slice(0, size);
  }
}

interface Server {
  readonly body?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly ranges?: boolean;
  /** Bytes after which each of the first answers breaks off. */
  readonly cuts?: number[];
}

/** A server of one file; `asked` collects the ranges. */
function serve({ body = content, headers = {}, ranges = true, cuts = [] }: Server) {
  const asked: (string | undefined)[] = [];
  const transfer: FileTransfer = {
    get: async (url, { range }) => {
      asked.push(range);
      const from = ranges ? Number(/\d+/.exec(range ?? "")?.[0] ?? 0) : 0;
      const status = range === undefined || !ranges ? 200 : from < body.length ? 206 : 416;
      const rest = status === 416 ? new Uint8Array() : body.slice(from);
      const all: Record<string, string> = {
        "content-length": String(rest.length),
        ...(status === 206 && { "content-range": `bytes ${from}-99/${body.length}` }),
        ...headers,
      };
      const answer: HttpAnswer = {
        status,
        statusText: "",
        url,
        headers: { get: (name) => all[name] ?? null },
      };
      const cut = cuts.shift();
      return {
        answer,
        cancel: () => {},
        async *chunks() {
          yield rest.subarray(0, cut);
          if (cut !== undefined) throw new Interruption("cut");
        },
      };
    },
    createHash: () => {
      const seen: number[] = [];
      return {
        update: (bytes) => seen.push(...bytes),
        digest: () => digestOf(Uint8Array.from(seen)),
      };
    },
    onBytes: () => {},
  };
  return { transfer, asked };
}

const file = (known: Partial<RemoteFile>): RemoteFile => ({
  url: "https://host.invalid/file",
  size: content.length,
  digest: null,
  validator: null,
  ...known,
});
const verified = file({ digest: digestOf(content) });
const versioned = file({ validator: '"1"' });
const bad = content.slice(0, 40).fill(1);

describe("a part", () => {
  test("is continued after any cut", async () => {
    for (let cut = 0; cut <= content.length; cut++) {
      for (const known of [verified, versioned]) {
        const part = new Part();
        const { transfer, asked } = serve({ cuts: [cut], headers: { etag: '"1"' } });
        await expect(continueFile(known, part, transfer)).rejects.toThrow("cut");
        await continueFile(known, part, transfer);
        expect(part.bytes).toEqual(content);
        const rest = cut === 0 ? [undefined] : cut === 100 ? [] : [`bytes=${cut}-`];
        expect(asked).toEqual([undefined, ...rest]);
      }
    }
  });

  test("of an unknown file is dropped", async () => {
    const part = new Part(bad);
    const { transfer, asked } = serve({});
    await continueFile(file({}), part, transfer);
    expect(part.bytes).toEqual(content);
    expect(asked).toEqual([undefined]);
  });

  test("starts again where the server knows no ranges", async () => {
    const part = new Part(content.subarray(0, 30));
    await continueFile(verified, part, serve({ ranges: false }).transfer);
    expect(part.bytes).toEqual(content);
  });

  test.for<[string, RemoteFile, Uint8Array, Server, string]>([
    ["that is damaged", verified, bad, {}, "expected digest"],
    ["of an older version", versioned, bad, { headers: { etag: '"2"' } }, "the file has changed"],
    [
      "whose rest comes compressed",
      verified,
      bad,
      { headers: { "content-encoding": "gzip" } },
      "the file has changed",
    ],
    [
      "whose rest comes from elsewhere",
      verified,
      bad,
      { headers: { "content-range": "bytes 0-9/100" } },
      "the file has changed",
    ],
    [
      "of a file that is shorter",
      verified,
      bad,
      { body: content.subarray(0, 20) },
      "the part is longer than the file",
    ],
  ])("%s is dropped, for another attempt", async ([, known, start, server, message]) => {
    const part = new Part(start);
    const attempt = continueFile(known, part, serve(server).transfer);
    await expect(attempt).rejects.toThrow(message);
    await expect(attempt).rejects.toBeInstanceOf(Interruption);
    expect(part.size).toBe(0);
  });
});

describe("content that is not what was announced", () => {
  const flipped = content.slice();
  flipped[50]! ^= 1;

  test.for<[string, Server]>([
    ["expected digest", { body: flipped }],
    ["longer than 100 bytes", { body: Uint8Array.of(...content, 0) }],
  ])("%s: is final", async ([message, server]) => {
    const part = new Part();
    const attempt = continueFile(verified, part, serve(server).transfer);
    await expect(attempt).rejects.toMatchObject({ code: "format" });
    await expect(attempt).rejects.toThrow(message);
    expect(part.size).toBe(0);
  });

  test("and too short is an interruption", async () => {
    const short = serve({ body: content.subarray(0, 99) });
    await expect(continueFile(verified, new Part(), short.transfer)).rejects.toThrow(
      "ends after 99 bytes",
    );
    const announced = serve({ headers: { "content-length": "101" } });
    await expect(
      continueFile(file({ size: null }), new Part(), announced.transfer),
    ).rejects.toThrow("ends after 100 bytes");
  });
});

test("failures are counted from the last gain, and waits double", async () => {
  const waits: number[] = [];
  const context = {
    policy: { retries: 2, backoffMs: 10, longestWaitMs: 100, stallMs: 1 },
    signal: undefined,
    pause: async (ms: number) => void waits.push(ms),
  };
  let attempts = 0;
  const result = await withRetries("x", context, async (gained) => {
    attempts++;
    if (attempts === 3) gained();
    if (attempts < 5) throw new Interruption("later", attempts === 4 ? 55 : 0);
    return attempts;
  });
  expect(result).toBe(5);
  expect(waits).toEqual([10, 20, 10, 55]);
  const hopeless = (wait: number) =>
    withRetries("x", context, () => Promise.reject(new Interruption("gone", wait)));
  await expect(hopeless(0)).rejects.toMatchObject({ code: "backend", message: "x: gone" });
  waits.length = 0;
  await expect(hopeless(101)).rejects.toMatchObject({ code: "backend" });
  expect(waits).toEqual([]);
});
