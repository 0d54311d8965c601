import { readFile } from "node:fs/promises";

import {
  buildDecoder,
  createLanguageModel,
  groupedQueryAttention,
  readModelFolder,
  segmentedAttention,
} from "@frugal/runtime";
import { expectClose, seededRandom, tinyConfig } from "@frugal/testkit";
import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";

import { FolderFiles } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

test("both attention profiles give the same logits", async () => {
  const random = await writeRandomModel({ ...tinyConfig, heads: 6, kvHeads: 2 });
  const { config, weights } = await readModelFolder(new FolderFiles(random.folder));
  const bytes = await readFile(`${random.folder}/model.safetensors`);
  const open = (profile: typeof segmentedAttention) =>
    ort.InferenceSession.create(buildDecoder(config, { weights, quantization: null }, profile), {
      // The other way to hand the weights over: as bytes.
      externalData: [{ path: "model.safetensors", data: bytes }],
    });
  const model = createLanguageModel(ort, await open(segmentedAttention), config, {
    clock: () => 0,
    pause: async () => {},
  });
  const peer = await open(groupedQueryAttention);

  const { layers, kvHeads, headDim, hiddenSize, vocabSize } = config;
  const { theta } = config.attentionKinds[0]!.rotary!;
  const [capacity, half] = [24, headDim / 2];
  const tensor = (data: Float32Array | Int32Array, dims: number[]) =>
    new ort.Tensor(data instanceof Int32Array ? "int32" : "float32", data, dims);
  const cache: Record<string, ort.Tensor> = {};
  for (let layer = 0; layer < layers; layer++) {
    for (const side of ["key", "value"]) {
      const data = new Float32Array(kvHeads * capacity * headDim);
      cache[`${layer}.${side}`] = tensor(data, [1, kvHeads, capacity, headDim]);
    }
  }
  const sequence = await model.createSequence();
  for (const rows of [9, 1, 1, 5]) {
    const start = sequence.length;
    const tokens = seededRandom(start).tokens(rows, vocabSize);
    const angles = Float32Array.from({ length: rows * half }, (_, i) => {
      return (start + Math.floor(i / half)) * theta ** ((-2 * (i % half)) / headDim);
    });
    const total = start + rows;
    const feeds: Record<string, ort.Tensor> = {
      input_ids: tensor(Int32Array.from(tokens), [rows]),
      input_embeddings: tensor(new Float32Array(0), [0, hiddenSize]),
      "cos.0": tensor(angles.map(Math.cos), [rows, half]),
      "sin.0": tensor(angles.map(Math.sin), [rows, half]),
      seqlens_k: tensor(Int32Array.of(total - 1), [1]),
      total_length: tensor(Int32Array.of(total), [1]),
      logit_rows: tensor(
        Int32Array.from({ length: rows }, (_, i) => i),
        [rows],
      ),
      top_extent: new ort.Tensor("int64", BigInt64Array.of(1n, 1n), [2]),
      top_k: new ort.Tensor("int64", BigInt64Array.of(1n), [1]),
    };
    for (const [name, past] of Object.entries(cache)) feeds[`past.${name}`] = past;
    const outputs = await peer.run(feeds);
    for (const name of Object.keys(cache)) cache[name] = outputs[`present.${name}`]!;
    const { logits } = await sequence.step({ tokens }, { logits: "all" });
    const data = outputs["logits"]!.data as Float32Array;
    expectClose(logits!, { data, rows, cols: vocabSize }, 1e-4);
    expect(sequence.length).toBe(total);
  }
  await model.dispose();
  await peer.release();
  await random.remove();
});
