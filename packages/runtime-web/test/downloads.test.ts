import { InferenceError } from "@frugal/core";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { cdp } from "vitest/browser";

import { listCachedModels, loadModel } from "../src/index.ts";
import { commit, Hub, policy } from "./server/hub.ts";

const draft = "/models/frugal-tiny-draft/";
const weightsName = "model.safetensors";

/** Playwright's session, which the general type knows nothing of. */
interface DevTools {
  send(method: string, parameters: object): Promise<unknown>;
}

const fetched = async (name: string) =>
  new Uint8Array(await (await fetch(draft + name)).arrayBuffer());
const weights = await fetched(weightsName);
const config = await fetched("config.json");

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable("should have failed"),
    (reason: unknown) => reason as Error,
  );

let hub: Hub;
beforeEach(async () => {
  hub = await Hub.start();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await hub.stop();
});

const bytesHere = async (name: string) => {
  const model = (await listCachedModels()).find(
    ({ id, endpoint }) => endpoint === hub.endpoint || id.startsWith(hub.endpoint),
  );
  return model?.files.find((file) => file.name === name);
};

describe.for(["opfs", "none"] as const)("with cache %s", (cache) => {
  test("files of the Hub come from one commit, and bytes only once", async () => {
    const files = hub.files({ cache });
    expect(await files.size(weightsName)).toBe(weights.length);
    expect(await files.read(weightsName, 100_000, 50)).toEqual(weights.slice(100_000, 100_050));
    expect(await files.whole("config.json")).toEqual(config);
    expect(await files.text("absent.json")).toBeNull();
    expect((await hub.seen()).map(({ path }) => path)).toEqual([
      "/api/models/org/name/revision/main",
      `/org/name/resolve/${commit}/${weightsName}`,
      `/org/name/resolve/${commit}/config.json`,
    ]);
  });

  test("a connection that is cut is continued where it ended", async () => {
    for (const at of [1000, 200_000, 300_000]) {
      await hub.trick({ file: weightsName, kind: "cut", at });
    }
    for (const plain of [false, true]) {
      await hub.trick({ file: weightsName, kind: "headers", headers: { etag: '"1"' } });
      const files = hub.files({ cache, plain });
      expect(await files.whole(weightsName)).toEqual(weights);
      const ranges = (await hub.ranges(weightsName)).filter((range) => range !== "bytes=0-0");
      const continued = plain ? ["bytes=5000-"] : ["bytes=1000-", "bytes=201000-", "bytes=501000-"];
      expect(ranges).toEqual([undefined, ...continued]);
      await hub.trick({ file: weightsName, kind: "cut", at: 5000 });
    }
  });

  test("a server without ranges starts again", async () => {
    await hub.trick({ file: weightsName, kind: "cut", at: 5000 });
    await hub.trick({ file: weightsName, kind: "whole" });
    expect(await hub.files({ cache }).whole(weightsName)).toEqual(weights);
  });

  test("one that stalls is given up and continued", async () => {
    await hub.trick({ file: weightsName, kind: "cut", at: 4000, thenStall: true });
    expect(await hub.files({ cache }).whole(weightsName)).toEqual(weights);
    expect(await hub.ranges(weightsName)).toEqual([undefined, "bytes=4000-"]);
  });

  test.for<["flip" | "add" | "drop", string]>([
    ["flip", "expected digest"],
    ["add", "longer than"],
    ["drop", "the part is longer than the file"],
  ])("%s: nothing of wrong content is used", async ([how, message]) => {
    for (const file of [weightsName, "config.json"]) {
      await hub.trick({ file, kind: "send", how, times: 9 });
      const error = await failure(hub.files({ cache }).whole(file));
      expect(error).toMatchObject({ name: "InferenceError" });
      expect(error.message).toContain(message);
      const here = cache === "opfs" ? await bytesHere(file) : undefined;
      expect(here?.isWhole ?? false).toBe(false);
      await hub.well();
      expect(await hub.files({ cache }).whole(file)).toHaveLength(
        file === weightsName ? weights.length : config.length,
      );
    }
  });

  test.for<[number, string, string]>([
    [404, "format", "404"],
    [401, "backend", "it does not exist, or it needs a token (hub.token)"],
    [403, "backend", "hub.token"],
    [400, "backend", "400"],
  ])("a refusal with %i is final", async ([status, code, message]) => {
    for (const file of ["api", weightsName]) {
      await hub.trick({ file, kind: "status", status, times: 9 });
      const error = await failure(hub.files({ cache }).whole(weightsName));
      expect(error).toMatchObject({ name: "InferenceError", code });
      expect(error.message).toContain(message);
      const asked = (await hub.seen()).filter(
        ({ path }) => path.includes("/api/") === (file === "api"),
      );
      expect(asked.length).toBe(1);
      await hub.well();
    }
  });

  test.for([429, 500, 503])("with %i it is asked again", async (status) => {
    for (const file of ["api", "config.json"]) {
      await hub.trick({ file, kind: "status", status, times: 2 });
    }
    expect(await hub.files({ cache }).whole("config.json")).toEqual(config);
    await hub.trick({ file: "tokenizer.json", kind: "status", status, times: 99 });
    const error = await failure(hub.files({ cache }).whole("tokenizer.json"));
    expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
    expect((await hub.ranges("tokenizer.json")).length).toBe(policy.retries + 1);
  });

  test("with Retry-After it is asked as late as it says", async () => {
    const headers = { "retry-after": "1" };
    await hub.trick({ file: "config.json", kind: "status", status: 429, headers });
    const start = performance.now();
    await hub.files({ cache }).whole("config.json");
    expect(performance.now() - start).toBeGreaterThan(990);
    const never = { "retry-after": "3600" };
    await hub.trick({ file: "tokenizer.json", kind: "status", status: 429, headers: never });
    expect(await failure(hub.files({ cache }).whole("tokenizer.json"))).toMatchObject({
      code: "backend",
    });
  });

  test("a redirect is followed, and the token stays with the Hub", async () => {
    const other = await Hub.start();
    const location = `${other.endpoint}/plain/${weightsName}`;
    await hub.trick({ file: weightsName, kind: "status", status: 302, headers: { location } });
    const files = hub.files({ cache, token: "hf_secret" });
    expect(await files.whole(weightsName)).toEqual(weights);
    const seen = [await hub.seen(), await other.seen()];
    expect(seen[0]!.map(({ authorization }) => authorization)).toContain("Bearer hf_secret");
    expect(seen[1]!.map(({ authorization }) => authorization)).toEqual([undefined]);
    await other.stop();
  });

  test("an abort ends it, with the reason", async () => {
    const abort = new AbortController();
    const reason = new Error("enough");
    await hub.trick({ file: weightsName, kind: "cut", at: 100_000, thenStall: true });
    const onProgress = ({ bytes }: { bytes: number }): void => {
      if (bytes > 50_000) abort.abort(reason);
    };
    const files = hub.files({ cache, signal: abort.signal, onProgress });
    expect(await failure(files.whole(weightsName))).toBe(reason);
    expect(await hub.files({ cache }).whole(weightsName)).toEqual(weights);
    const [first, second] = await hub.ranges(weightsName);
    expect(first).toBeUndefined();
    // What there was is continued by the next one, if it was kept.
    expect(second ?? "nothing").toMatch(cache === "opfs" ? /^bytes=\d{5,6}-$/ : /^nothing$/);
  });

  test.for(["../config.json", "/config.json", "..\\config.json", "a//b", "a\0", "..", ""])(
    "%j is no name of a file",
    async (name) => {
      for (const plain of [true, false]) {
        const error = await failure(hub.files({ cache, plain }).whole(name));
        expect(error).toMatchObject({ name: "InferenceError", code: "format" });
        expect(error.message).toContain("bad file name");
      }
      expect(await hub.seen()).toEqual([]);
    },
  );

  test("a page of HTML counts as no file", async () => {
    const headers = { "content-type": "text/html; charset=utf-8" };
    await hub.trick({ file: "config.json", kind: "headers", headers });
    expect(await hub.files({ cache, plain: true }).text("config.json")).toBeNull();
  });

  test("a server that is not there fails at once", async () => {
    await hub.stop();
    const start = performance.now();
    const error = await failure(
      loadModel("org/name", { cache, inline: true, hub: { endpoint: hub.endpoint } }),
    );
    expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
    expect(error.message).toContain(hub.endpoint);
    expect(performance.now() - start).toBeLessThan(5000);
    hub = await Hub.start();
  });
});

describe("the answer of something that is no Hub", () => {
  test.for([
    ["no JSON", "<html>", "expected JSON"],
    ["no commit", '{"sha":"../../x"}', "names no commit"],
    ["nothing", "null", "names no commit"],
    ["no files", `{"sha":"${commit}"}`, "lists no files"],
    [
      "files without digests",
      `{"sha":"${commit}","siblings":[{"rfilename":"x"}]}`,
      '{"rfilename":"x"}',
    ],
    ["null files", `{"sha":"${commit}","siblings":[null]}`, "got null"],
  ])("%s is an error", async ([, body, message]) => {
    vi.spyOn(globalThis, "fetch").mockImplementation(async () => new Response(body));
    const error = await failure(hub.files().whole("config.json"));
    expect(error).toMatchObject({ name: "InferenceError", code: "format" });
    expect(error.message).toContain(message);
  });
});

describe("what is kept", () => {
  const network = async (files: { whole(name: string): Promise<unknown> }, name = weightsName) => {
    await hub.seen();
    await files.whole(name);
    return (await hub.seen()).map(
      ({ path, range }) => `${path.split("/").at(-1)} ${range ?? "all"}`,
    );
  };

  test("is not downloaded again", async () => {
    await hub.files().whole(weightsName);
    expect(await network(hub.files())).toEqual(["main all"]);
    expect(await network(hub.files({ revision: commit }))).toEqual([]);
    expect(await bytesHere(weightsName)).toEqual({
      name: weightsName,
      bytes: weights.length,
      isWhole: true,
    });
  });

  test("is there without a network", async () => {
    await hub.files().whole(weightsName);
    await hub.files({ plain: true }).whole("config.json");
    await hub.files({ plain: true }).whole("generation_config.json");
    expect(await hub.files({ plain: true }).whole("absent.json")).toBeNull();
    const fetches = vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("offline"));
    expect(await hub.files().whole(weightsName)).toEqual(weights);
    const plain = hub.files({ plain: true });
    expect(await plain.whole("config.json")).toEqual(config);
    expect(await plain.whole("absent.json")).toBeNull();
    // Nothing identifies files of a server without tags: they are asked for, and kept for this.
    expect(fetches.mock.calls.length).toBeLessThan(5);
    const error = await failure(hub.files().whole("tokenizer.json"));
    expect(error).toMatchObject({ code: "backend" });
    expect(error.message).toContain("tokenizer.json: offline");
  });

  test("of a web folder is what its server calls the same, and the old is dropped", async () => {
    const tag = (etag: string) =>
      hub.trick({ file: weightsName, kind: "headers", headers: { etag } });
    await tag('"1"');
    expect(await network(hub.files({ plain: true }))).toEqual([
      "model.safetensors bytes=0-0",
      "model.safetensors all",
    ]);
    expect(await network(hub.files({ plain: true }))).toEqual(["model.safetensors bytes=0-0"]);
    await tag('"2"');
    expect(await network(hub.files({ plain: true }))).toEqual([
      "model.safetensors bytes=0-0",
      "model.safetensors all",
    ]);
    const [model] = (await listCachedModels()).filter(({ id }) => id.startsWith(hub.endpoint));
    expect(model).toMatchObject({ revision: null, endpoint: null, bytes: weights.length });
    expect(await blobCount(model!.id)).toBe(1);
  });

  test("of a file that changes while it comes is dropped", async () => {
    await hub.trick({ file: weightsName, kind: "headers", headers: { etag: '"1"' } });
    await hub.trick({ file: weightsName, kind: "cut", at: 5000 });
    const files = hub.files({
      plain: true,
      onProgress: () =>
        void hub.trick({ file: weightsName, kind: "headers", headers: { etag: '"2"' } }),
    });
    expect((await failure(files.whole(weightsName))).message).toContain("the file has changed");
    expect(await hub.files({ plain: true }).whole(weightsName)).toEqual(weights);
  });

  test("without a tag is downloaded each time", async () => {
    await hub.files({ plain: true }).whole("config.json");
    expect(await network(hub.files({ plain: true }), "config.json")).toEqual([
      "config.json bytes=0-0",
      "config.json all",
    ]);
  });

  test("is checked where a plain server gives digests", async () => {
    const headers = { "x-repo-commit": commit, etag: `"${"0".repeat(40)}"` };
    await hub.trick({ file: "config.json", kind: "headers", headers });
    const error = await failure(hub.files({ plain: true }).whole("config.json"));
    expect(error.message).toContain(`expected digest ${"0".repeat(40)}`);
  });

  test("is shared by two that want it at once", async () => {
    const both = await Promise.all([hub.files(), hub.files()].map((f) => f.whole(weightsName)));
    expect(both).toEqual([weights, weights]);
    expect(await hub.ranges(weightsName)).toEqual([undefined]);
  });

  test("is shared by revisions: a commit that changes little brings little", async () => {
    await hub.files().whole(weightsName);
    const original = globalThis.fetch;
    const later = "f".repeat(40);
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      const response = await original((input as string).replace(later, commit), init);
      if (!(input as string).includes("/api/")) return response;
      return new Response((await response.text()).replaceAll(commit, later));
    });
    expect(await network(hub.files())).toEqual(["main all"]);
    const revisions = (await listCachedModels()).filter(
      ({ endpoint }) => endpoint === hub.endpoint,
    );
    expect(new Set(revisions.map(({ revision }) => revision))).toEqual(new Set([commit, later]));
  });

  test("a part that was damaged is downloaded again", async () => {
    await hub.trick({ file: weightsName, kind: "cut", at: 50_000 });
    await hub.trick({ file: weightsName, kind: "status", status: 404 });
    await failure(hub.files().whole(weightsName));
    const folder = await modelFolder(hub.endpoint);
    for await (const handle of folder.values()) {
      if (handle.name === "index.json") continue;
      const writable = await (handle as FileSystemFileHandle).createWritable();
      await writable.write(weights.slice(0, 60_000).fill(1, 100, 200));
      await writable.close();
    }
    await hub.seen();
    expect(await hub.files().whole(weightsName)).toEqual(weights);
    expect(await hub.ranges(weightsName)).toEqual(["bytes=60000-", undefined]);
  });

  test("an index that was cut short costs no downloads", async () => {
    await hub.files().whole(weightsName);
    const index = await (await modelFolder(hub.endpoint)).getFileHandle("index.json");
    const text = await (await index.getFile()).text();
    const writable = await index.createWritable();
    await writable.write(text.slice(0, text.length / 2));
    await writable.close();
    expect(await network(hub.files())).toEqual(["main all"]);
  });

  test("must find room, also where the browser promises more than it gives", async () => {
    const devtools = cdp() as unknown as DevTools;
    await devtools.send("Storage.overrideQuotaForOrigin", {
      origin: location.origin,
      quotaSize: (await navigator.storage.estimate()).usage! + 1_000_000,
    });
    try {
      const error = await failure(hub.files().whole(weightsName));
      expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
      expect(error.message).toMatch(
        /^cache: model.safetensors needs 1789288 bytes, and the browser has room for \d+ from/,
      );
      expect(await hub.files({ cache: "none" }).whole(weightsName)).toEqual(weights);
    } finally {
      await devtools.send("Storage.overrideQuotaForOrigin", { origin: location.origin });
    }
  });

  test("must find room for all shards before the first of them", async () => {
    for (const i of [1, 2, 3]) {
      await hub.file(`model-0000${i}-of-00003.safetensors`, "x".repeat(400_000));
    }
    vi.spyOn(navigator.storage, "estimate").mockResolvedValue({ quota: 1_000_000, usage: 0 });
    const error = await failure(hub.files().whole("model-00002-of-00003.safetensors"));
    expect(error.message).toContain(
      "needs 1200000 bytes, and the browser has room for 1000000 from",
    );
    expect(await hub.ranges("model-00002-of-00003.safetensors")).toEqual([]);
  });
});

describe("loadModel", () => {
  const hubOptions = () => ({ hub: { endpoint: hub.endpoint } });

  test.for([true, false])("loads what it kept, inline: %o", async (inline) => {
    const phases: string[] = [];
    for (let i = 0; i < 2; i++) {
      const model = await loadModel("org/name", {
        ...hubOptions(),
        inline,
        onProgress: ({ phase }) => phases.push(phase),
      });
      expect(model.info.layers).toBe(2);
      await model.dispose();
      phases.push("|");
    }
    expect(phases.join(" ")).toMatch(/^(download )+load load \| load load \|$/);
    expect(await hub.ranges(weightsName)).toEqual([undefined]);
  });

  test("continues in a worker what a worker that was ended had", async () => {
    await hub.trick({ file: weightsName, kind: "cut", at: 700_000, thenStall: true });
    const abort = new AbortController();
    const load = loadModel("org/name", {
      ...hubOptions(),
      signal: abort.signal,
      onProgress: (p) => {
        if (p.phase === "download" && p.bytes > 600_000) abort.abort("enough");
      },
    });
    expect(await load.catch((reason: unknown) => reason)).toBe("enough");
    const here = await bytesHere(weightsName);
    expect(here).toMatchObject({ isWhole: false });
    const model = await loadModel("org/name", hubOptions());
    await model.dispose();
    const [, range] = await hub.ranges(weightsName);
    expect(Number(/^bytes=(\d+)-$/.exec(range!)![1])).toBeGreaterThanOrEqual(here!.bytes);
    expect(here!.bytes).toBeGreaterThan(500_000);
  });

  test("asks to keep things where it is told to, and hints if that is not granted", async () => {
    const persist = vi.spyOn(navigator.storage, "persist").mockResolvedValue(false);
    const hints: string[] = [];
    const load = async (options: object) =>
      (
        await loadModel(draft, { ...options, inline: true, onHint: (h) => hints.push(h) })
      ).dispose();
    await load({});
    await load({ persist: true, cache: "none" });
    expect(persist).not.toHaveBeenCalled();
    await load({ persist: true });
    expect(persist).toHaveBeenCalledOnce();
    expect(hints.join()).toContain("did not grant persistence");
  });

  const { prototype } = FileSystemFileHandle;
  test.for<[string, () => () => void]>([
    [
      "there is no file system",
      () => {
        const denied = new DOMException("private");
        vi.spyOn(navigator.storage, "getDirectory").mockRejectedValue(denied);
        return () => {};
      },
    ],
    [
      "pages cannot write to it",
      () => {
        const own = Object.getOwnPropertyDescriptor(prototype, "createWritable")!;
        delete (prototype as Partial<FileSystemFileHandle>).createWritable;
        return () => Object.defineProperty(prototype, "createWritable", own);
      },
    ],
  ])("does without the cache where %s, unless it was asked for", async ([, deny]) => {
    const restore = deny();
    onTestFinished(restore);
    const model = await loadModel("org/name", { ...hubOptions(), inline: true });
    await model.dispose();
    const error = await failure(
      loadModel("org/name", { ...hubOptions(), inline: true, cache: "opfs" }),
    );
    expect(InferenceError.is(error, "unsupported")).toBe(true);
  });

  test("knows no other cache", async () => {
    const other = loadModel("org/name", { cache: "disk" as "opfs" });
    expect(await failure(other)).toMatchObject({ code: "range" });
  });
});

/** The folder of the one model that this server has. */
async function modelFolder(id: string): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  const models = await root.getDirectoryHandle("frugal-models");
  for await (const folder of models.values()) {
    const index = await (folder as FileSystemDirectoryHandle)
      .getFileHandle("index.json")
      .catch(() => null);
    if ((await (await index?.getFile())?.text())?.includes(id) === true) {
      return folder as FileSystemDirectoryHandle;
    }
  }
  throw new Error(`${id}: no folder`);
}

async function blobCount(id: string): Promise<number> {
  let count = -1;
  for await (const _ of (await modelFolder(id)).keys()) count++;
  return count;
}
