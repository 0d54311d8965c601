import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, readlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { expectClose } from "@frugal/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { type DownloadOptions, fetchModel } from "../../src/hub/download-model.ts";
import { loadModel } from "../../src/index.ts";
import { tinyFolder } from "../tiny-models.ts";
import {
  blob,
  cacheFolder,
  config,
  download,
  everything,
  expectModel,
  failure,
  hub,
  model,
  names,
  policy,
  repo,
  requestsFor,
  trick,
  weights,
} from "./hub-fixture.ts";
import { commit, gitDigest, rangeOf, sha256 } from "./hub-server.ts";

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
