import { readFile } from "node:fs/promises";

import {
  buildDecoder,
  type LayerRange,
  readModelFolder,
  segmentedAttention,
} from "@frugal/runtime";
import { expectClose, seededRandom, tinyConfig } from "@frugal/testkit";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";

import { FolderFiles } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

const random = await writeRandomModel({ ...tinyConfig, layers: 3, heads: 6, kvHeads: 2 });
afterAll(random.remove);
const { config, weights } = await readModelFolder(new FolderFiles(random.folder));
const bytes = await readFile(`${random.folder}/model.safetensors`);
const tokens = seededRandom(1).tokens(5, config.vocabSize);

type Outputs = Awaited<ReturnType<ort.InferenceSession["run"]>>;

function float(data: Float32Array, dims: readonly number[]): ort.Tensor {
  return new ort.Tensor("float32", data, dims);
}

/** Runs a range of layers over an empty cache: on the tokens, or on hidden states from below. */
async function runRange(range: LayerRange, hidden: Float32Array | null): Promise<Outputs> {
  const graph = buildDecoder(config, { weights, quantization: null }, segmentedAttention, range);
  const session = await ort.InferenceSession.create(graph, {
    externalData: [{ path: "model.safetensors", data: bytes }],
  });
  const { hiddenSize, headDim, heads, kvHeads } = config;
  const [rows, group, half] = [tokens.length, heads / kvHeads, headDim / 2];
  const { theta } = config.attentionKinds[0]!.rotary!;
  const angles = Float32Array.from({ length: rows * half }, (_, i) => {
    return Math.floor(i / half) * theta ** ((-2 * (i % half)) / headDim);
  });
  const bias = Float32Array.from({ length: rows * group * rows }, (_, i) => {
    return i % rows <= Math.floor(i / rows / group) ? 0 : -1e30;
  });
  const feeds: Record<string, ort.Tensor> = {
    input_embeddings: float(hidden ?? new Float32Array(0), [hidden ? rows : 0, hiddenSize]),
    "cos.0": float(angles.map(Math.cos), [rows, half]),
    "sin.0": float(angles.map(Math.sin), [rows, half]),
    "past_bias.0": float(Float32Array.of(-1e30), [1, 1, 1, 1]),
    "block_bias.0": float(bias, [1, 1, rows * group, rows]),
    logit_rows: new ort.Tensor("int32", Int32Array.of(0, 1, 2, 3, 4), [rows]),
    top_extent: new ort.Tensor("int64", BigInt64Array.of(1n, 1n), [2]),
    top_k: new ort.Tensor("int64", BigInt64Array.of(1n), [1]),
  };
  if (hidden === null) feeds["input_ids"] = new ort.Tensor("int32", Int32Array.from(tokens));
  for (let layer = range.from; layer < range.to; layer++) {
    for (const side of ["key", "value"]) {
      const past = new Float32Array(kvHeads * headDim);
      feeds[`past.${layer}.${side}`] = float(past, [kvHeads, 1, 1, headDim]);
    }
  }
  const outputs = await session.run(feeds);
  await session.release();
  return outputs;
}

function expectSame(actual: Outputs, expected: Outputs, name: string): void {
  const matrix = ({ data, dims }: ort.Tensor) => ({
    data: data as Float32Array,
    rows: tokens.length,
    cols: dims.at(-1)!,
  });
  expectClose(matrix(actual[name]!), matrix(expected[name]!), 1e-5);
}

describe("a range of layers", () => {
  test("gives what all of them give, when it runs after those below", async () => {
    const whole = await runRange({ from: 0, to: 3 }, null);
    for (const cut of [1, 2]) {
      const below = await runRange({ from: 0, to: cut }, null);
      const hidden = below[`hidden.${cut}`]!.data as Float32Array;
      const above = await runRange({ from: cut, to: 3 }, hidden);
      expectSame(below, whole, `hidden.${cut}`);
      for (const name of [`hidden.${cut}`, "hidden.3", "hidden.final", "logits"]) {
        expectSame(above, whole, name);
      }
      for (let layer = 0; layer < 3; layer++) {
        const side = layer < cut ? below : above;
        for (const name of [`new.${layer}.key`, `new.${layer}.value`]) {
          expect(side[name]!.data).toHaveLength((whole[name]!.data as Float32Array).length);
        }
      }
    }
  });

  test("ends with the head: logits are those of the normalized hidden states", async () => {
    const { logits, "hidden.final": final } = await runRange({ from: 0, to: 2 }, null);
    const head = new Map(weights).get("model.embed_tokens.weight")!;
    const table = new Float32Array(
      bytes.buffer.slice(
        bytes.byteOffset + head.offset,
        bytes.byteOffset + head.offset + head.length,
      ),
    );
    const { hiddenSize, vocabSize } = config;
    const rows = final!.data as Float32Array;
    const expected = Float32Array.from({ length: tokens.length * vocabSize }, (_, i) => {
      const [row, id] = [Math.floor(i / vocabSize), i % vocabSize];
      let sum = 0;
      for (let c = 0; c < hiddenSize; c++) {
        sum += rows[row * hiddenSize + c]! * table[id * hiddenSize + c]!;
      }
      return sum;
    });
    const shape = { rows: tokens.length, cols: vocabSize };
    expectClose(
      { data: logits!.data as Float32Array, ...shape },
      { data: expected, ...shape },
      1e-5,
    );
  });

  test.for([
    [0, 4],
    [2, 2],
    [-1, 2],
    [0.5, 2],
    [1, NaN],
  ] as const)("is refused where it is empty or outside the model: %o", ([from, to]) => {
    expect(() =>
      buildDecoder(config, { weights, quantization: null }, segmentedAttention, { from, to }),
    ).toThrow(expect.objectContaining({ name: "InferenceError", code: "range" }));
  });
});
