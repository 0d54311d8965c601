import { afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  deleteCachedModel,
  deleteCachedModels,
  listCachedModels,
  openFiles,
} from "../src/index.ts";
import { commit, Hub } from "./server/hub.ts";

let hub: Hub;
beforeEach(async () => {
  hub = await Hub.start();
  await deleteCachedModels();
});
afterEach(() => hub.stop());

const root = () => navigator.storage.getDirectory();
const folders = async () => {
  const models = await (await root()).getDirectoryHandle("frugal-models").catch(() => null);
  let count = 0;
  for await (const _ of models?.keys() ?? []) count++;
  return count;
};

describe("listCachedModels", () => {
  test("is empty where nothing was downloaded", async () => {
    expect(await listCachedModels()).toEqual([]);
  });

  test("names models, their files and sizes, the one that was used last first", async () => {
    const before = Date.now();
    await hub.files().whole("config.json");
    await hub.files({ plain: true }).whole("generation_config.json");
    await hub.files().whole("generation_config.json");
    const models = await listCachedModels();
    const config = { name: "config.json", bytes: 633, isWhole: true };
    const generation = { name: "generation_config.json", bytes: 141, isWhole: true };
    expect(models).toMatchObject([
      {
        id: "org/name",
        endpoint: hub.endpoint,
        revision: commit,
        files: [config, generation],
        bytes: 774,
      },
      { id: `${hub.endpoint}/plain/`, endpoint: null, revision: null, files: [generation] },
    ]);
    const [first, second] = models.map(({ lastUsed }) => lastUsed.getTime());
    expect(first).toBeGreaterThanOrEqual(second!);
    expect(second).toBeGreaterThanOrEqual(before);
    // What it lists can be loaded again, and deleted.
    expect(await openFiles(models[1]!.id).size("generation_config.json")).toBe(141);
    for (const model of models) expect(await deleteCachedModel(model)).toBe(true);
    expect(await listCachedModels()).toEqual([]);
  });

  test("counts a part", async () => {
    await hub.trick({ file: "model.safetensors", kind: "cut", at: 5000 });
    await hub.trick({ file: "model.safetensors", kind: "status", status: 404 });
    await hub
      .files()
      .whole("model.safetensors")
      .catch(() => {});
    const [model] = await listCachedModels();
    expect(model!.files).toEqual([{ name: "model.safetensors", bytes: 5000, isWhole: false }]);
  });
});

describe("deleteCachedModel", () => {
  test("deletes a model, by branch or commit too, and no other", async () => {
    const other = await Hub.start();
    for (const revision of ["main", commit, null, undefined]) {
      await hub.files().whole("config.json");
      await other.files().whole("config.json");
      const name = { id: "org/name", endpoint: hub.endpoint };
      expect(await deleteCachedModel(revision === undefined ? name : { ...name, revision })).toBe(
        true,
      );
      expect(await deleteCachedModel(name)).toBe(false);
      const left = await listCachedModels();
      expect(left.map(({ endpoint }) => endpoint)).toEqual([other.endpoint]);
      expect(await folders()).toBe(1);
    }
    expect(await deleteCachedModel({ id: "org/name" })).toBe(true);
    expect(await folders()).toBe(0);
    await other.stop();
  });

  test("keeps what another revision needs", async () => {
    await hub.files().whole("config.json");
    await hub.files().whole("tokenizer.json");
    const original = globalThis.fetch;
    const later = "f".repeat(40);
    globalThis.fetch = async (input, init) => {
      const response = await original((input as string).replace(later, commit), init);
      if (!(input as string).includes("/api/")) return response;
      const listing = (await response.json()) as { sha: string; siblings: object[] };
      const siblings = listing.siblings.filter(
        (file) => (file as { rfilename: string }).rfilename !== "tokenizer.json",
      );
      return Response.json({ sha: later, siblings });
    };
    try {
      await hub.files().whole("config.json");
    } finally {
      globalThis.fetch = original;
    }
    expect(await deleteCachedModel({ id: "org/name", revision: commit })).toBe(true);
    const models = await listCachedModels();
    expect(models).toMatchObject([{ revision: later, files: [{ name: "config.json" }] }]);
    await hub.seen();
    await hub.files({ revision: later }).whole("config.json");
    expect(await hub.seen()).toEqual([]);
    await deleteCachedModel({ id: "org/name" });
    expect(await folders()).toBe(0);
  });

  test.for(["../../chosen", "/", "..", ".", "a\\..\\..", "a\0b", "", "__proto__"])(
    "%j is no model and leads nowhere",
    async (id) => {
      const chosen = await (await root()).getDirectoryHandle("chosen", { create: true });
      await hub.files().whole("config.json");
      expect(await deleteCachedModel({ id })).toBe(false);
      expect(await deleteCachedModel({ id: "org/name", revision: id })).toBe(false);
      expect((await listCachedModels()).length).toBe(1);
      await (await root()).removeEntry(chosen.name);
    },
  );

  test("waits for no download: it refuses while there is one", async () => {
    await hub.trick({ file: "model.safetensors", kind: "cut", at: 9000, thenStall: true });
    let started = (): void => {};
    const running = new Promise<void>((resolve) => (started = resolve));
    const abort = new AbortController();
    const files = hub.files({ onProgress: () => started(), signal: abort.signal });
    const download = files.whole("model.safetensors");
    await running;
    for (const act of [() => deleteCachedModel({ id: "org/name" }), deleteCachedModels]) {
      await expect(act()).rejects.toMatchObject({
        code: "state",
        message: "cache: org/name is being downloaded",
      });
    }
    abort.abort("enough");
    await expect(download).rejects.toBe("enough");
    await deleteCachedModels();
    expect(await listCachedModels()).toEqual([]);
  });
});
