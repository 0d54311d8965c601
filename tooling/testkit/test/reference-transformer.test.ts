import { InferenceError, type Matrix } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  createReferenceTransformer,
  expectClose,
  randomWeights,
  rowsOf,
  tinyConfig,
  type ReferenceConfig,
  type TensorMap,
} from "../src/index.ts";

const run = async (config: ReferenceConfig, tensors: TensorMap): Promise<readonly Matrix[]> => {
  const sequence = await createReferenceTransformer({ config, tensors }).createSequence();
  const tokens = Uint32Array.of(5, 6, 7);
  const taps = Array.from({ length: config.layers + 1 }, (_, i) => i);
  return (await sequence.step({ tokens }, { logits: "none", taps })).taps;
};

const clear = (tensors: TensorMap, name: string): void => {
  tensors.get(name)!.data.fill(0);
};

describe("createReferenceTransformer", () => {
  test("adds the biases where the architecture has them", async () => {
    const config = { ...tinyConfig, layers: 1, attentionBias: true, mlpBias: true };
    const layer = "model.layers.0";
    const tensors = randomWeights(config, 1);
    // Nothing but the bias is left of the attention, and nothing of the feed-forward part.
    clear(tensors, `${layer}.self_attn.o_proj.weight`);
    clear(tensors, `${layer}.mlp.down_proj.weight`);
    const [before, after] = await run(config, tensors);
    const attention = tensors.get(`${layer}.self_attn.o_proj.bias`)!.data;
    const feedForward = tensors.get(`${layer}.mlp.down_proj.bias`)!.data;
    const d = config.hiddenSize;
    const sum = before!.data.map((x, i) => x + attention[i % d]! + feedForward[i % d]!);
    expectClose(after!, { ...before!, data: sum }, 1e-6);
  });

  test.for(["q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"])(
    "the bias of %s does what a weight on a constant channel does",
    async (projection) => {
      const config = { ...tinyConfig, layers: 1, attentionBias: true, mlpBias: true };
      const biased = randomWeights(config, 2);
      const d = config.hiddenSize;
      // Rows of signs have the root mean square 1, so that channel 0 is the same after the norm.
      const embeddings = biased.get("model.embed_tokens.weight")!.data;
      for (const [i, x] of embeddings.entries()) embeddings[i] = i % d === 0 ? 1 : Math.sign(x);
      const isMlp = projection === "gate_proj" || projection === "up_proj";
      if (isMlp) {
        clear(biased, "model.layers.0.self_attn.o_proj.weight");
        clear(biased, "model.layers.0.self_attn.o_proj.bias");
      }
      const expected = await run(config, biased);

      const moved = structuredClone(biased);
      const name = [...moved.keys()].find((key) => key.endsWith(`${projection}.bias`))!;
      const norm = isMlp ? "post_attention_layernorm" : "input_layernorm";
      const scale = moved.get(`model.layers.0.${norm}.weight`)!.data[0]! / Math.sqrt(1 + 1e-5);
      const weight = moved.get(name.replace("bias", "weight"))!.data;
      for (const [o, bias] of moved.get(name)!.data.entries()) weight[o * d]! += bias / scale;
      clear(moved, name);
      expectClose((await run(config, moved))[1]!, expected[1]!, 1e-5);
    },
  );

  test("one position attends to itself with weight one", async () => {
    const config = { ...tinyConfig, layers: 1 };
    const tensors = randomWeights(config, 3);
    clear(tensors, "model.layers.0.mlp.down_proj.weight");
    const [before, after] = await run(config, tensors);
    const [x, y] = [rowsOf(before!, 0).data, rowsOf(after!, 0).data];
    const meanSquare = x.reduce((sum, value) => sum + value ** 2, 0) / x.length;
    const norm = tensors.get("model.layers.0.input_layernorm.weight")!.data;
    const normed = x.map((value, i) => (value * norm[i]!) / Math.sqrt(meanSquare + 1e-5));
    const value = multiply(tensors.get("model.layers.0.self_attn.v_proj.weight")!, normed);
    // Both query heads share the one key-value head.
    const mixed = Float32Array.of(...value, ...value);
    const out = multiply(tensors.get("model.layers.0.self_attn.o_proj.weight")!, mixed);
    const expected = x.map((input, i) => input + out[i]!);
    expectClose(
      { data: y, rows: 1, cols: y.length },
      { data: expected, rows: 1, cols: y.length },
      1e-5,
    );
  });

  test("an abort between two chunks ends a long step", async () => {
    const model = createReferenceTransformer({ seed: 1, config: tinyConfig }, { chunkRows: 4 });
    const sequence = await model.createSequence();
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason));
    const step = sequence.step(
      { tokens: new Uint32Array(100) },
      { logits: "last", signal: controller.signal },
    );
    await expect(step).rejects.toBe(reason);
    expect(sequence.length).toBe(0);
  });

  test("equal logits are listed by ascending id", async () => {
    const tensors = randomWeights(tinyConfig, 4);
    const { data } = tensors.get("model.embed_tokens.weight")!;
    const d = tinyConfig.hiddenSize;
    for (const copy of [9, 30]) data.copyWithin(copy * d, 2 * d, 3 * d);
    const model = createReferenceTransformer({ config: tinyConfig, tensors });
    const sequence = await model.createSequence();
    const { top } = await sequence.step({ tokens: Uint32Array.of(1) }, { logits: { top: 32 } });
    const ids = [...top!.ids];
    const at = ids.indexOf(2);
    expect(ids.slice(at, at + 3)).toEqual([2, 9, 30]);
  });

  test("refuses tensors that are missing or of another shape", () => {
    const missing = randomWeights(tinyConfig, 5);
    missing.delete("model.norm.weight");
    const wrong = randomWeights({ ...tinyConfig, kvHeads: 2 }, 5);
    for (const [tensors, code] of [
      [missing, "format"],
      [wrong, "shape"],
    ] as const) {
      expect(() => createReferenceTransformer({ config: tinyConfig, tensors })).toThrow(
        expect.toSatisfy((error: unknown) => InferenceError.is(error, code)),
      );
    }
  });
});

/** `W x` for a row-major matrix. */
function multiply(
  { shape, data }: { shape: number[]; data: Float32Array },
  x: Float32Array,
): number[] {
  const [rows, cols] = shape as [number, number];
  return Array.from({ length: rows }, (_, r) => {
    let sum = 0;
    for (let c = 0; c < cols; c++) sum += data[r * cols + c]! * x[c]!;
    return sum;
  });
}
