import { mkdtemp, readFile, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { InferenceError } from "@frugal/core";
import { randomWeights, type ReferenceConfig, seededRandom, tinyConfig } from "@frugal/testkit";
import { writeExport } from "@frugal/testkit/export-decoder";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { GraphBuilder } from "../../../runtime/src/graph/graph-builder.ts";
import { loadModel, loadVisionEncoder } from "../../src/index.ts";

const config: ReferenceConfig = { ...tinyConfig, heads: 4, kvHeads: 2, headDim: 16 };
let folder = "";
let whole: Buffer;
const path = () => join(folder, "onnx/model.onnx");

beforeAll(async () => {
  ({ folder } = await writeExport(config, randomWeights(config, 1), {
    attention: "concat",
    dataFile: "x",
    dataFiles: 2,
  }));
  whole = await readFile(path());
});
afterAll(() => rm(folder, { recursive: true }));

/** The error of loading these bytes, which takes no time worth speaking of. */
async function failure(bytes: Uint8Array): Promise<unknown> {
  await writeFile(path(), bytes);
  const start = performance.now();
  const error = await loadModel(folder, { inline: true, format: "onnx" }).then(
    (model) => model.dispose().then(() => null),
    (cause: unknown) => cause,
  );
  expect(performance.now() - start).toBeLessThan(5000);
  return error;
}

/** A varint. */
function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}

/** A decoder in outline, as `build` finishes it. */
function outline(build: (graph: GraphBuilder, past: string) => void, past = 2): Uint8Array {
  const graph = new GraphBuilder();
  graph.input("input_ids", "int64", ["batch_size", "s"]);
  build(graph, graph.input("past_key_values.0.key", "float32", ["batch_size", past, "past", 4]));
  return graph.finish("outline");
}

describe("a file that is no sound model is refused with format", () => {
  test("wherever it ends", async () => {
    const random = seededRandom(1);
    const ends = [0, 1, 2, 10, 1000, whole.length - 1];
    for (let i = 0; i < 30; i++) ends.push(random.below(whole.length));
    for (const end of ends) {
      expect(await failure(whole.subarray(0, end))).toMatchObject({ code: "format" });
    }
  });

  test.for<[string, () => Uint8Array]>([
    ["text", () => Buffer.from("<!DOCTYPE html><html>not found</html>")],
    ["a pointer to the file", () => Buffer.from("version https://git-lfs.github.com/spec/v1\n")],
    ["a field without end", () => Uint8Array.from([0x3a, ...varint(2n ** 62n), 1, 2, 3])],
    ["a varint without end", () => new Uint8Array(100_000).fill(0xff)],
    ["fields of no length", () => new Uint8Array(1_000_000).fill(0x3a)],
    [
      "nodes in a circle",
      () =>
        outline((graph, past) => {
          const sum = graph.node("Add", [past, "frugal/loop"]);
          graph.output("frugal/loop", graph.node("Identity", [sum]), "float32", []);
          graph.output("present.0.key", sum, "float32", []);
        }),
    ],
    [
      "a negative dimension of the cache",
      () => outline((graph, past) => graph.output("present.0.key", past, "float32", []), -2),
    ],
    [
      "rows of the cache that fill the memory",
      () =>
        outline((graph, past) => {
          graph.output("present.0.key", graph.node("Identity", [past]), "float32", []);
          graph.output("logits", graph.node("Cast", ["input_ids"], { to: { int: 1 } }), "float32", [
            "batch_size",
            "s",
            32,
          ]);
        }, 2 ** 50),
    ],
  ])("%s", async ([, bytes]) => {
    const error = await failure(bytes());
    expect(InferenceError.is(error)).toBe(true);
    expect(error).toMatchObject({ code: "format" });
  });

  test("whatever byte of it changes, it loads or gives an error of ours", async () => {
    const random = seededRandom(2);
    for (let i = 0; i < 60; i++) {
      const bytes = Uint8Array.from(whole);
      bytes[random.below(bytes.length)] = random.below(256);
      const error = await failure(bytes);
      expect(error === null || InferenceError.is(error)).toBe(true);
    }
  });

  test("whose external data are not all there, naming the file", async () => {
    const data = join(folder, "onnx/model.onnx_data_1");
    await truncate(data, 100);
    expect(await failure(whole)).toMatchObject({
      code: "format",
      message: expect.stringMatching(
        /^model\.onnx_data_1: expected \d+ bytes, found 100$/,
      ) as string,
    });
    await unlink(data);
    expect(await failure(whole)).toMatchObject({
      code: "format",
      message: expect.stringMatching(/^model\.onnx_data_1: .*no such file$/) as string,
    });
  });

  test("of a vision encoder, too", async () => {
    const only = await mkdtemp(join(tmpdir(), "frugal-hostile-"));
    await writeFile(join(only, "model.onnx"), whole);
    for (const bytes of [Buffer.from("no model"), whole.subarray(0, 1000)]) {
      await writeFile(join(only, "vision_encoder.onnx"), bytes);
      await expect(loadVisionEncoder(only)).rejects.toMatchObject({ code: "format" });
    }
    await rm(only, { recursive: true });
  });
});
