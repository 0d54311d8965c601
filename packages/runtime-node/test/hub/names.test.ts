import { mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { downloadModel } from "../../src/index.ts";
import {
  cacheFolder,
  config,
  count,
  download,
  everything,
  expectModel,
  failure,
  hub,
  repo,
  root,
  weights,
} from "./hub-fixture.ts";
import { commit, entryOf } from "./hub-server.ts";

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
