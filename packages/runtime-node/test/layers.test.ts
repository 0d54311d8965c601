import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { InferenceError } from "@frugal/core";
import {
  randomWeights,
  type ReferenceConfig,
  testLayerRanges,
  tinyConfig,
  writeSafetensors,
} from "@frugal/testkit";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel, type LoadOptions } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

const tied: ReferenceConfig = { ...tinyConfig, layers: 4 };
const untied: ReferenceConfig = {
  ...tied,
  layers: 3,
  heads: 6,
  kvHeads: 2,
  tieWordEmbeddings: false,
  attentionBias: true,
  mlpBias: true,
};
const cases: readonly (readonly [string, ReferenceConfig, LoadOptions])[] = [
  ["a small model", tied, { inline: true, chunk: 16 }],
  ["a model with a head of its own, in workers", untied, {}],
];

for (const [name, config, options] of cases) {
  const random = await writeRandomModel(config);
  afterAll(random.remove);
  testLayerRanges(name, (layers) => loadModel(random.folder, { ...options, layers }), {
    reference: (layers) => random.reference({ ...(layers && { layers }) }),
  });
}

describe("the option layers", () => {
  test("is refused where it is no range of the model's layers", async () => {
    const random = await writeRandomModel(tied);
    for (const layers of [[0, 5], [2, 2], [-1, 2], [0.5, 2], [], ["0", 2]]) {
      const load = loadModel(random.folder, { inline: true, layers: layers as never });
      await expect(load).rejects.toThrow(InferenceError);
      await expect(load).rejects.toMatchObject({ code: "range" });
    }
    await random.remove();
  });

  test("needs the weights of its layers only", async () => {
    const random = await writeRandomModel(tied);
    const tensors = randomWeights(tied, 1);
    for (const name of tensors.keys()) {
      if (/layers\.[03]\./.test(name)) tensors.delete(name);
    }
    const file = join(random.folder, "model.safetensors");
    await writeFile(file, writeSafetensors(tensors, { dtype: "F32" }));
    const middle = await loadModel(random.folder, { inline: true, layers: [1, 3] });
    expect(middle.info.layers).toBe(2);
    await middle.dispose();
    const whole = loadModel(random.folder, { inline: true });
    await expect(whole).rejects.toThrow(/model\.layers\.0\..*no such tensor/);
    await random.remove();
  });

  test("reads the same quantized weights as the whole model", async () => {
    const random = await writeRandomModel(tied);
    const options = {
      inline: true,
      quantize: { bits: 8, blockSize: 16 },
      accuracyLevel: 1,
      cacheFolder: random.folder,
    } as const;
    const whole = await loadModel(random.folder, options);
    const first = await loadModel(random.folder, { ...options, layers: [0, 1] });
    const second = await loadModel(random.folder, { ...options, layers: [1] });
    const tokens = Uint32Array.of(3, 1, 4, 1, 5);
    const [a, b, c] = [
      await whole.createSequence(),
      await first.createSequence(),
      await second.createSequence(),
    ];
    const expected = (await a.step({ tokens }, { logits: "last" })).logits!;
    const hidden = (await b.step({ tokens }, { logits: "none", taps: [1] })).taps[0]!;
    const actual = (await c.step({ embeddings: hidden }, { logits: "last" })).logits!;
    for (const [i, logit] of actual.data.entries()) expect(logit).toBeCloseTo(expected.data[i]!, 4);
    for (const model of [whole, first, second]) await model.dispose();
    await random.remove();
  });
});
