import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { expectClose } from "@frugal/testkit";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";

import { type DownloadOptions, fetchModel } from "../../src/hub/download-model.ts";
import { type RetryPolicy } from "../../src/hub/retry.ts";
import { downloadModel, loadModel } from "../../src/index.ts";
import { tinyFolder } from "../tiny-models.ts";
import {
  commit,
  entryOf,
  gitDigest,
  type HubServer,
  listen,
  rangeOf,
  sendFile,
  sendStatus,
  sha256,
  startHub,
  stop,
  type Trick,
} from "./hub-server.ts";

const names = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"];
const model = new Map<string, Uint8Array>();
for (const name of names)
  model.set(name, await readFile(new URL(name, tinyFolder("frugal-tiny-draft"))));
const weights = model.get("model.safetensors")!;
const config = model.get("config.json")!;

const policy: RetryPolicy = { retries: 3, backoffMs: 1, longestWaitMs: 1500, stallMs: 300 };
const root = await mkdtemp(join(tmpdir(), "frugal-hub-"));
afterAll(() => rm(root, { recursive: true, force: true }));

let hub: HubServer;
let cacheFolder: string;
let count = 0;
beforeEach(async () => {
  hub = await startHub(new Map(model));
  cacheFolder = join(root, String(++count), "cache");
});
afterEach(() => hub.close());

/** Downloads `org/name` from the server. */
function download(options: DownloadOptions = {}, token: string | null = null): Promise<string> {
  const settings = { token, endpoint: hub.endpoint, cacheFolder, offline: false };
  return fetchModel({ kind: "hub", repo: "org/name", revision: "main" }, settings, options, policy);
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable("should have failed"),
    (reason: unknown) => reason as Error,
  );

const repo = () => join(cacheFolder, "models--org--name");
const blob = (bytes: Uint8Array) => join(repo(), "blobs", sha256(bytes));
const requestsFor = (name: string) => hub.seen.filter(({ path }) => path.endsWith(`/${name}`));
/** Answers the first `times` requests for a file with a trick. */
function trick(name: string, answer: (...args: Parameters<Trick>) => void, times = Infinity): void {
  let left = times;
  hub.tricks.set(name, (...args) => {
    if (left-- <= 0) return false;
    answer(...args);
    return true;
  });
}

/** Every path below a folder. */
async function everything(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}

async function expectModel(folder: string): Promise<void> {
  for (const [name, bytes] of hub.files) {
    expect((await readFile(join(folder, name))).equals(bytes)).toBe(true);
  }
}

describe("the cache", () => {
  test("has the layout of the Python tools, and is complete the second time", async () => {
    const folder = await download();
    expect(folder).toBe(join(repo(), "snapshots", commit));
    await expectModel(folder);
    expect(await readFile(join(repo(), "refs", "main"), "utf8")).toBe(commit);
    expect(await readlink(join(folder, "model.safetensors"))).toBe(
      `../../blobs/${sha256(weights)}`,
    );
    expect(await readlink(join(folder, "config.json"))).toBe(`../../blobs/${gitDigest(config)}`);
    expect((await readdir(join(repo(), "blobs"))).sort()).toEqual(
      [...model.values()]
        .map((bytes) => (bytes.length < 1024 ? gitDigest(bytes) : sha256(bytes)))
        .sort(),
    );

    hub.seen.length = 0;
    expect(await download()).toBe(folder);
    expect(hub.seen.map(({ path }) => path).filter((path) => path.includes("resolve"))).toEqual([]);
  });

  test("takes what another tool has put there", async () => {
    await mkdir(join(repo(), "blobs"), { recursive: true });
    await writeFile(blob(weights), weights);
    await expectModel(await download());
    expect(requestsFor("model.safetensors")).toEqual([]);
  });

  test("holds what loadModel loads, also without a network", async () => {
    const options = {
      inline: true,
      hub: { cacheFolder, endpoint: hub.endpoint, token: null },
    } as const;
    const tokens = Uint32Array.of(1, 2, 3);
    const logitsOf = async (source: string | URL, offline: boolean) => {
      const loaded = await loadModel(source, { ...options, hub: { ...options.hub, offline } });
      const sequence = await loaded.createSequence();
      const { logits } = await sequence.step({ tokens }, { logits: "last" });
      await loaded.dispose();
      return logits!;
    };
    const expected = await logitsOf(tinyFolder("frugal-tiny-draft"), false);
    for (const source of ["org/name", "hf://org/name@main", `${hub.endpoint}/org/name/tree/main`]) {
      expectClose(await logitsOf(source, false), expected, 0);
    }
    hub.seen.length = 0;
    expectClose(await logitsOf("org/name", true), expected, 0);
    expectClose(await logitsOf(`org/name@${commit}`, true), expected, 0);
    expect(hub.seen).toEqual([]);
    const error = await failure(logitsOf("org/other", true));
    expect(error).toMatchObject({ name: "InferenceError", code: "format" });
    expect(error.message).toContain("offline");
  });

  test("gets only the files that are needed", async () => {
    for (const extra of [
      "pytorch_model.bin",
      "README.md",
      "onnx/model.onnx",
      "onnx/model.onnx_data",
      "onnx/model_q4.onnx",
    ]) {
      hub.files.set(extra, new TextEncoder().encode(extra));
    }
    const folder = await download();
    expect((await everything(folder)).sort()).toEqual([...names].sort());
    await download({ format: "onnx" });
    expect((await readdir(join(folder, "onnx"))).sort()).toEqual(["model.onnx", "model.onnx_data"]);
    await download({ format: "onnx", variant: "q4" });
    expect(existsSync(join(folder, "onnx", "model_q4.onnx"))).toBe(true);
    const error = await failure(download({ format: "onnx", variant: "fp16" }));
    expect(error).toMatchObject({ name: "InferenceError", code: "format" });
    expect(error.message).toContain("onnx/model_q4.onnx");
  });

  test("gets the shards that an index lists", async () => {
    hub.files.delete("model.safetensors");
    hub.files.set("a.safetensors", weights.subarray(0, 5000));
    hub.files.set("b.safetensors", weights.subarray(5000, 9000));
    hub.files.set("c.safetensors", weights.subarray(0, 3000));
    const index = { weight_map: { x: "a.safetensors", y: "b.safetensors", z: "a.safetensors" } };
    hub.files.set("model.safetensors.index.json", new TextEncoder().encode(JSON.stringify(index)));
    const got = await everything(await download());
    expect(got.filter((name) => name.endsWith(".safetensors"))).toEqual([
      "a.safetensors",
      "b.safetensors",
    ]);
  });

  test("tells how far it is", async () => {
    const seen: number[] = [];
    let total = 0;
    await download({
      onProgress: ({ phase, fraction, totalBytes }) => {
        expect(phase).toBe("download");
        seen.push(fraction);
        total = totalBytes;
      },
    });
    expect(total).toBe([...model.values()].reduce((sum, bytes) => sum + bytes.length, 0));
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
    expect(seen.length).toBeGreaterThan(names.length);
  });
});

describe("a bad connection", () => {
  const part = () => `${blob(weights)}.part`;

  test("that is cut is continued where it ended", async () => {
    const cuts = [1000, 200_000, 300_000];
    trick(
      "model.safetensors",
      (request, response, content) => {
        const { status, body, headers } = rangeOf(request, content);
        response.writeHead(status, headers);
        response.write(body.subarray(0, cuts.shift()));
        setTimeout(() => response.destroy(), 100);
      },
      3,
    );
    await expectModel(await download());
    const starts = requestsFor("model.safetensors").map(({ range }) =>
      Number(/\d+/.exec(range ?? "0")![0]),
    );
    expect(starts).toEqual([0, 1000, 201_000, 501_000]);
    expect(existsSync(part())).toBe(false);
  });

  test("to a server without ranges starts again", async () => {
    trick(
      "model.safetensors",
      (_, response, content) => {
        response.writeHead(200, { "content-length": content.length });
        response.write(content.subarray(0, 5000), () => response.destroy());
      },
      1,
    );
    const whole: Trick = (_, response, content) => {
      response.writeHead(200, { "content-length": content.length }).end(content);
      return true;
    };
    const cut = hub.tricks.get("model.safetensors")!;
    hub.tricks.set("model.safetensors", (...args) => cut(...args) || whole(...args));
    await expectModel(await download());
  });

  test("that stalls is given up and continued", async () => {
    trick(
      "model.safetensors",
      (request, response, content) => {
        const { status, body, headers } = rangeOf(request, content);
        response.writeHead(status, headers);
        // One byte now and then keeps the connection open: a slow loris.
        let sent = 4000;
        response.write(body.subarray(0, sent));
        const timer = setInterval(() => response.write(body.subarray(sent, ++sent)), 20);
        response.on("close", () => clearInterval(timer));
      },
      1,
    );
    await expectModel(await download());
    expect(requestsFor("model.safetensors").length).toBe(2);
  });

  test("that never answers ends with an error", async () => {
    hub.tricks.set("api", () => true);
    const error = await failure(download());
    expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
    expect(error.message).toContain("no data for 300 ms");
  });

  test("to nowhere names the address", async () => {
    const { endpoint } = hub;
    await hub.close();
    const error = await failure(download());
    expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
    expect(error.message).toContain(`org/name@main on ${endpoint}`);
  });

  test("an abort leaves a part that the next download continues", async () => {
    const abort = new AbortController();
    trick(
      "model.safetensors",
      (request, response, content) => {
        const { status, body, headers } = rangeOf(request, content);
        response.writeHead(status, headers);
        response.write(body.subarray(0, 100_000));
      },
      1,
    );
    const reason = new Error("enough");
    const stopAt = ({ file, bytes }: { file: string; bytes: number }): void => {
      if (file === "model.safetensors" && bytes > 50_000) abort.abort(reason);
    };
    expect(await failure(download({ signal: abort.signal, onProgress: stopAt }))).toBe(reason);
    const { size } = await stat(part());
    expect(size).toBeGreaterThan(0);
    expect(existsSync(blob(weights))).toBe(false);
    expect(existsSync(`${blob(weights)}.lock`)).toBe(false);
    await expectModel(await download());
    expect(requestsFor("model.safetensors").at(-1)!.range).toBe(`bytes=${size}-`);
  });

  test("is not even opened when aborted before", async () => {
    expect(await failure(download({ signal: AbortSignal.abort("no") }))).toBe("no");
    expect(hub.seen).toEqual([]);
  });
});

describe("wrong content", () => {
  const change = (content: Uint8Array): Uint8Array => {
    const changed = new Uint8Array(content);
    changed[12_345]! ^= 1;
    return changed;
  };

  test.for<[string, (content: Uint8Array) => Uint8Array, string]>([
    ["one flipped bit", change, "expected digest"],
    ["one byte too many", (content) => Buffer.concat([content, Uint8Array.of(0)]), "longer than"],
    ["one byte too few", (content) => content.subarray(1), "the part is longer than the file"],
    ["nothing", () => new Uint8Array(), "ends after 0 bytes"],
  ])("%s: nothing of it is used", async ([, spoil, message]) => {
    trick("model.safetensors", (request, response, content) =>
      sendFile(request, response, spoil(content)),
    );
    const error = await failure(download());
    expect(error.message).toContain(message);
    expect(existsSync(blob(weights))).toBe(false);
    expect(existsSync(join(repo(), "snapshots", commit, "model.safetensors"))).toBe(false);
    hub.tricks.clear();
    await expectModel(await download());
  });

  test("a part that was damaged is downloaded again", async () => {
    await mkdir(join(repo(), "blobs"), { recursive: true });
    await writeFile(`${blob(weights)}.part`, change(weights).subarray(0, 20_000));
    await expectModel(await download());
    expect(requestsFor("model.safetensors").map(({ range }) => range)).toEqual([
      "bytes=20000-",
      undefined,
    ]);
  });

  test("a part that is whole needs no bytes, one that is too long counts for nothing", async () => {
    await mkdir(join(repo(), "blobs"), { recursive: true });
    await writeFile(`${blob(weights)}.part`, weights);
    await download();
    expect(requestsFor("model.safetensors")).toEqual([]);
    await rm(blob(weights));
    await writeFile(`${blob(weights)}.part`, Buffer.concat([weights, weights]));
    await expectModel(await download());
  });

  test("answers that are not those of a Hub", async () => {
    for (const body of ["<html>", '{"sha":"../../x"}', "null", "[]"]) {
      trick("api", (_, response) => void response.writeHead(200).end(body));
      const error = await failure(download());
      expect(error).toMatchObject({ name: "InferenceError" });
    }
  });
});

describe("a refusal", () => {
  test.for<[number, string, string]>([
    [404, "format", "404"],
    [401, "backend", "it does not exist, or it needs a token (HF_TOKEN)"],
    [403, "backend", "HF_TOKEN"],
    [400, "backend", "400"],
  ])("with %i is final", async ([status, code, message]) => {
    for (const name of ["api", "model.safetensors"]) {
      hub.tricks.clear();
      hub.seen.length = 0;
      trick(name, (_, response) => sendStatus(response, status));
      const error = await failure(download());
      expect(error).toMatchObject({ name: "InferenceError", code });
      expect(error.message).toContain(message);
      expect(requestsFor(name === "api" ? "main" : name).length).toBe(1);
    }
  });

  test("of a token says so", async () => {
    trick("api", (_, response) => sendStatus(response, 403));
    expect((await failure(download({}, "hf_x"))).message).toContain(
      "the token does not give access",
    );
  });

  test.for([429, 500, 502, 503])("with %i is asked again", async (status) => {
    for (const name of ["api", "config.json"]) {
      trick(name, (_, response) => sendStatus(response, status), 2);
      await expectModel(await download());
    }
  });

  test("with 503 for ever is an error", async () => {
    trick("config.json", (_, response) => sendStatus(response, 503));
    const error = await failure(download());
    expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
    expect(requestsFor("config.json").length).toBe(policy.retries + 1);
  });

  test("with Retry-After waits as long, in seconds or until a date, but not for ever", async () => {
    trick("config.json", (_, response) => sendStatus(response, 429, { "retry-after": "1" }), 1);
    let start = Date.now();
    await download();
    expect(Date.now() - start).toBeGreaterThanOrEqual(990);

    const date = new Date(Date.now() + 3_600_000).toUTCString();
    for (const wait of ["3600", date]) {
      await rm(cacheFolder, { recursive: true });
      start = Date.now();
      trick("config.json", (_, response) => sendStatus(response, 429, { "retry-after": wait }));
      expect(await failure(download())).toMatchObject({ code: "backend" });
      expect(Date.now() - start).toBeLessThan(1000);
    }
  });
});

describe("a redirect", () => {
  test("to another host is followed, and the token stays behind", async () => {
    const other: (string | undefined)[] = [];
    const mirror = createServer((request, response) => {
      other.push(request.headers.authorization);
      sendFile(request, response, weights);
    });
    const address = await listen(mirror);
    trick("model.safetensors", (_, response) =>
      sendStatus(response, 302, { location: `${address}/x` }),
    );
    await expectModel(await download({}, "hf_secret"));
    await stop(mirror);
    expect(other).toEqual([undefined]);
    expect(hub.seen.every(({ authorization }) => authorization === "Bearer hf_secret")).toBe(true);
  });

  test("in the list of files does not carry the token away", async () => {
    const other: (string | undefined)[] = [];
    const stranger = createServer((request, response) => {
      other.push(request.headers.authorization);
      response.writeHead(200, { "content-type": "application/json" }).end("[]");
    });
    const address = await listen(stranger);
    hub.tricks.set("api", (request, response) => {
      if (!request.url!.includes("/tree/")) return false;
      const entries = [...model].map(([name, bytes]) => entryOf(name, bytes));
      response
        .writeHead(200, { link: `<${address}/next>; rel="next"` })
        .end(JSON.stringify(entries));
      return true;
    });
    await expectModel(await download({}, "hf_secret"));
    await stop(stranger);
    expect(other).toEqual([undefined]);
  });

  test("in a circle is an error", async () => {
    trick("config.json", (_, response) =>
      sendStatus(response, 302, { location: `/org/name/resolve/${commit}/config.json` }),
    );
    expect(await failure(download())).toMatchObject({ name: "InferenceError", code: "backend" });
  });
});

describe("names", () => {
  const evil = [
    "../evil.safetensors",
    "/tmp/evil.safetensors",
    "a/../../../evil.safetensors",
    "..\\evil.safetensors",
    "C:\\evil.safetensors",
    "C:evil.safetensors",
    "nul\0.safetensors",
    "CON",
    "aux.safetensors",
    "evil.safetensors.",
    "a//b",
    "",
    ".",
    "..",
  ];

  test.for(evil)("shard %j of an index is refused", async (name) => {
    hub.files.delete("model.safetensors");
    hub.files.set(name, weights);
    hub.listing.set(name, entryOf(name, weights));
    const index = JSON.stringify({ weight_map: { x: name } });
    hub.files.set("model.safetensors.index.json", new TextEncoder().encode(index));
    const error = await failure(download());
    expect(error).toMatchObject({ name: "InferenceError", code: "format" });
    expect(error.message).toContain("bad file name");
    for (const path of await everything(join(cacheFolder, "..")))
      expect(path).not.toContain("evil");
  });

  test("graph files that a configuration names are held to the same", async () => {
    const text = JSON.stringify({ model: { decoder: { filename: "../model.safetensors" } } });
    hub.files.set("genai_config.json", new TextEncoder().encode(text));
    const error = await failure(download({ format: "onnx" }));
    expect(error.message).toContain("bad file name");
  });

  test("digests and commits of the server do not become paths", async () => {
    for (const oid of ["../../evil", "", "z".repeat(40)]) {
      hub.listing.set("config.json", { ...entryOf("config.json", config), oid });
      expect(await failure(download())).toMatchObject({ code: "format" });
    }
  });

  test("a link in the cache that leads elsewhere is not written through", async () => {
    const outside = join(root, `outside${count}`);
    await mkdir(outside);
    await mkdir(join(repo(), "snapshots", commit), { recursive: true });
    await symlink(outside, join(repo(), "snapshots", commit, "onnx"));
    hub.files.set("onnx/model.onnx", weights);
    const error = await failure(download({ format: "onnx" }));
    expect(error.message).toContain("leads out of the cache");
    expect(await readdir(outside)).toEqual([]);
  });

  test.for([
    "org/..",
    "../name",
    "org/name@../x",
    "org/name@a/../b",
    "hf://org",
    "hf://a/b/c",
    "org/na..me",
  ])("%s is no model", async (source) => {
    const error = await failure(
      downloadModel(source, { hub: { cacheFolder, endpoint: hub.endpoint } }),
    );
    expect(error).toMatchObject({ name: "InferenceError", code: "format" });
    expect(hub.seen).toEqual([]);
  });

  test("branches with slashes are files below refs", async () => {
    hub.tricks.set("api", (request, response) => {
      if (!request.url!.includes("refs%2Fpr%2F1")) return false;
      response.writeHead(200).end(JSON.stringify({ sha: commit }));
      return true;
    });
    const options = { hub: { cacheFolder, endpoint: hub.endpoint, token: null } };
    await expectModel(await downloadModel("org/name@refs/pr/1", options));
    expect(await readFile(join(repo(), "refs", "refs", "pr", "1"), "utf8")).toBe(commit);
  });
});

describe("two downloads of one model", () => {
  test("in one process ask once for each file", async () => {
    const [first, second] = await Promise.all([download(), download()]);
    expect(first).toBe(second);
    await expectModel(first);
    expect(names.map((name) => requestsFor(name).length)).toEqual(names.map(() => 1));
  });

  test("in two processes do not disturb each other", async () => {
    trick("model.safetensors", (request, response, content) => {
      const { status, body, headers } = rangeOf(request, content);
      response.writeHead(status, headers);
      response.write(body.subarray(0, 10_000));
      setTimeout(() => response.end(body.subarray(10_000)), 200);
    });
    const source = new URL("../../src/index.ts", import.meta.url).href;
    const hubOptions = { cacheFolder, endpoint: hub.endpoint, token: null };
    const script = `
      import { downloadModel } from ${JSON.stringify(source)};
      console.log(await downloadModel("org/name", { hub: ${JSON.stringify(hubOptions)} }));
    `;
    const args = ["--conditions=@frugal/source", "--input-type=module", "--eval", script];
    const run = () =>
      promisify(execFile)(process.execPath, args, { cwd: new URL("../..", import.meta.url) });
    const outputs = await Promise.all([run(), run()]);
    for (const { stdout } of outputs) await expectModel(stdout.trim());
    expect(requestsFor("model.safetensors").length).toBe(1);
    const left = await everything(cacheFolder);
    expect(left.filter((path) => /\.(lock|part)$/.test(path))).toEqual([]);
  }, 20_000);

  test("a lock that a dead process left is taken over", async () => {
    await mkdir(join(repo(), "blobs"), { recursive: true });
    const lock = `${blob(weights)}.lock`;
    await writeFile(lock, "0");
    const { utimes } = await import("node:fs/promises");
    await utimes(lock, new Date(0), new Date(0));
    await expectModel(await download());
  });
});

describe("a plain web server", () => {
  const base = () => new URL(`${hub.endpoint}/plain/`);
  const settings = () => ({
    token: "hf_secret",
    endpoint: "https://hub.invalid",
    cacheFolder,
    offline: false,
  });
  const fetchPlain = (options: DownloadOptions = {}, offline = false) =>
    fetchModel({ kind: "web", base: base() }, { ...settings(), offline }, options, policy);

  beforeEach(() => {
    process.env["FRUGAL_CACHE"] = join(cacheFolder, "own");
  });
  afterEach(() => {
    delete process.env["FRUGAL_CACHE"];
  });

  test("gives the files that it has, and never sees the token", async () => {
    const folder = await fetchPlain();
    await expectModel(folder);
    expect(hub.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
    hub.seen.length = 0;
    expect(await fetchPlain()).toBe(folder);
    expect(hub.seen.every(({ range }) => range === "bytes=0-0")).toBe(true);
    hub.seen.length = 0;
    expect(await fetchPlain({}, true)).toBe(folder);
    expect(hub.seen).toEqual([]);
  });

  test("gives graphs with their data", async () => {
    hub.files.delete("model.safetensors");
    const graph = new TextEncoder().encode("graph");
    for (const name of ["onnx/model.onnx", "onnx/model.onnx_data", "onnx/model.onnx_data_1"])
      hub.files.set(name, graph);
    await expectModel(await fetchPlain());
  });

  test("that cuts a file short leaves nothing", async () => {
    trick("model.safetensors", (_, response, content) => {
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, 5000), () => response.destroy());
    });
    expect(await failure(fetchPlain())).toMatchObject({ name: "InferenceError" });
    const files = await everything(join(cacheFolder, "own"));
    expect(files.filter((name) => name.endsWith("model.safetensors"))).toEqual([]);
    hub.tricks.clear();
    await expectModel(await fetchPlain());
  });
});
