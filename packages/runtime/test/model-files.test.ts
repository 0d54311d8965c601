import { llamaConfigJson, randomWeights, tinyConfig, writeSafetensors } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { readModelFolder } from "../src/index.ts";
import { MemoryFiles } from "./memory-files.ts";

const config = llamaConfigJson(tinyConfig);
const tensors = [...randomWeights(tinyConfig, 1)];
const whole = writeSafetensors(new Map(tensors), { metadata: { format: "pt" } });

/** The model in two shards, as transformers splits it. */
function shards() {
  const [first, second] = [tensors.slice(0, 7), tensors.slice(7)];
  const names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const map = Object.fromEntries([
    ...first.map(([name]) => [name, names[0]]),
    ...second.map(([name]) => [name, names[1]]),
  ]);
  return {
    "config.json": config,
    [names[0]!]: writeSafetensors(new Map(first), { metadata: { a: "1" } }),
    [names[1]!]: writeSafetensors(new Map(second), { metadata: { b: "2" } }),
    "model.safetensors.index.json": { metadata: { total_size: 1 }, weight_map: map },
  };
}

describe("readModelFolder", () => {
  test("reads configuration and directory", async () => {
    const folder = await readModelFolder(
      new MemoryFiles({
        "config.json": config,
        "generation_config.json": { eos_token_id: [7, 8] },
        "model.safetensors": whole,
      }),
    );
    expect(folder.config).toMatchObject({ hiddenSize: 16, eosIds: [7, 8] });
    expect(folder.metadata).toEqual({ format: "pt" });
    expect([...folder.weights.keys()]).toEqual(tensors.map(([name]) => name));
    for (const { location } of folder.weights.values()) expect(location).toBe("model.safetensors");
  });

  test("joins shards", async () => {
    const { weights, metadata } = await readModelFolder(new MemoryFiles(shards()));
    expect([...weights.keys()].toSorted()).toEqual(tensors.map(([name]) => name).toSorted());
    expect(metadata).toEqual({ a: "1", b: "2" });
    expect(weights.get(tensors[0]![0])!.location).toBe("model-00001-of-00002.safetensors");
    expect(weights.get(tensors[7]![0])!.location).toBe("model-00002-of-00002.safetensors");
  });

  const indexed = (index: unknown) => ({
    "config.json": config,
    "model.safetensors.index.json": index as object,
  });
  const named = (name: unknown) => indexed({ weight_map: { a: name } });

  test.for<[string, Record<string, Uint8Array | string | object>, string]>([
    ["no configuration", { "model.safetensors": whole }, "config.json: no such file"],
    ["no weights", { "config.json": config }, "model.safetensors: no such file"],
    ["a configuration that is no JSON", { "config.json": "{" }, "config.json: not JSON"],
    [
      "a generation configuration that is no JSON",
      { "config.json": config, "generation_config.json": "", "model.safetensors": whole },
      "generation_config.json: not JSON",
    ],
    [
      "truncated weights",
      { "config.json": config, "model.safetensors": whole.subarray(0, -1) },
      "model.safetensors: safetensors: model.norm.weight: ends at byte",
    ],
    ["an index that is no JSON", indexed("["), "model.safetensors.index.json: not JSON"],
    ["an index without a map", indexed({}), "weight_map: expected an object, got undefined"],
    ["an index that is a list", indexed([]), "weight_map: expected an object, got undefined"],
    ["a map that is a list", indexed({ weight_map: ["a"] }), 'got ["a"]'],
    ["a shard that is missing", named("b.safetensors"), "b.safetensors: no such file"],
    ["a shard above the folder", named("../x"), 'bad file name "../x"'],
    ["a shard below the folder", named("a/b"), 'bad file name "a/b"'],
    ["a shard anywhere", named("/etc/passwd"), 'bad file name "/etc/passwd"'],
    ["a shard on another drive", named("C:x"), 'bad file name "C:x"'],
    ["a hidden shard", named(".."), 'bad file name ".."'],
    ["a shard with a NUL", named("a\0b"), 'bad file name "a\\u0000b"'],
    ["a shard of no name", named(""), 'bad file name ""'],
    ["a shard that is a number", named(7), "bad file name 7"],
    ["a shard that is an object", named({ toString: 1 }), "bad file name an object"],
  ])("refuses %s", async ([, files, message]) => {
    const error = await readModelFolder(new MemoryFiles(files)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "InferenceError", code: "format" });
    expect((error as Error).message).toContain(message);
  });
});
