import { expectClose, readSafetensors } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { loadVisionTower } from "../src/index.ts";

// Vite serves the repository.
const folder = "/packages/runtime-node/test/oracles/vision-encoders/";

const golden = async (name: string) => {
  const response = await fetch(`${folder}${name}/golden.safetensors`);
  return readSafetensors(new Uint8Array(await response.arrayBuffer())).tensors;
};

describe("loadVisionTower", () => {
  test.for<[name: string, output: string]>([
    ["vit", "hidden.final"],
    ["vit", "pooled"],
    ["clip", "hidden.2"],
    ["siglip-vision", "pooled"],
  ])("%s, %s: rows are those of transformers", async ([name, output]) => {
    const tensors = await golden(name);
    const tower = await loadVisionTower(`${folder}${name}/`, { output });
    for (const i of [0, 1, 2]) {
      const { data: pixels, shape: dims } = tensors.get(`input${i}.pixel_values`)!;
      const { data, shape } = tensors.get(`input${i}.${output}`)!;
      const cols = shape.at(-1)!;
      const rows = await tower.encode({ pixel_values: { data: pixels, dims } });
      expectClose(rows, { data, rows: data.length / cols, cols }, 1e-4);
    }
    await tower.dispose();
    await tower.dispose();
  });

  test("takes images of another size", async () => {
    const tensors = await golden("vit");
    const { data: pixels, shape: dims } = tensors.get("resized0.pixel_values")!;
    const { data, shape } = tensors.get("resized0.hidden")!;
    const tower = await loadVisionTower(`${folder}vit/`, {
      output: "hidden.3",
      imageSize: [dims[2]!, dims[3]!],
    });
    const rows = await tower.encode({ pixel_values: { data: pixels, dims } });
    const cols = shape.at(-1)!;
    expectClose(rows, { data, rows: data.length / cols, cols }, 1e-4);
    await tower.dispose();
  });

  test("merges rows inside, and says which", async () => {
    const { data, shape: dims } = (await golden("vit")).get("input0.pixel_values")!;
    const reduce = { method: "tome", perLayer: 2 } as const;
    const tower = await loadVisionTower(`${folder}vit/`, { reduce });
    const images = await tower.encodeImages({ pixel_values: { data, dims } });
    expect(images.length).toBe(dims[0]);
    for (const { rows, origins } of images) {
      expect(rows.rows).toBe(10 - 6);
      expect(origins!.keep[0]).toBe(0);
      expect(new Set(origins!.source).size).toBe(4);
      expect(origins!.sizes.reduce((sum, size) => sum + size, 0)).toBe(10);
    }
    await tower.dispose();
  });

  test("runs a range of layers on rows", async () => {
    const tensors = await golden("vit");
    const { data, shape } = tensors.get("input0.hidden.1")!;
    const tower = await loadVisionTower(`${folder}vit/`, { layers: [1, 3] });
    const rows = await tower.encode({ hidden: { data, dims: shape } });
    expectClose(rows, { ...rows, data: tensors.get("input0.hidden.final")!.data }, 1e-4);
    await tower.dispose();
  });

  test.for<[string, object, string, string]>([
    ["nowhere/", {}, "format", "config.json: no such file"],
    ["vit/", { output: "hidden.9" }, "range", "got hidden.9"],
    ["vit/", { imageSize: 3 }, "range", "got 3 x 3"],
    ["vit/", { ort: "/nowhere.mjs" }, "backend", "/nowhere.mjs"],
    ["vit/", { cache: "disk" }, "range", "cache"],
  ])("refuses %s with %o", async ([name, options, code, message]) => {
    const error = await loadVisionTower(folder + name, options).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "InferenceError", code });
    expect((error as Error).message).toContain(message);
  });

  test("can be aborted", async () => {
    const abort = new AbortController();
    const load = loadVisionTower(`${folder}clip/`, {
      cache: "none",
      signal: abort.signal,
      onProgress: () => abort.abort("enough"),
    });
    await expect(load).rejects.toBe("enough");
  });
});
