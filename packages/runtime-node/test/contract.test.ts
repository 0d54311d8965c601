import { testLanguageModel, tinyConfig, type ReferenceConfig } from "@frugal/testkit";
import { afterAll } from "vitest";

import { loadModel, type LoadOptions } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

// Grouped queries, a head of its own, biases, odd sizes: what the embedded models do not have.
const grouped: ReferenceConfig = {
  ...tinyConfig,
  heads: 6,
  kvHeads: 2,
  tieWordEmbeddings: false,
  attentionBias: true,
  mlpBias: true,
};

const cases: readonly (readonly [string, ReferenceConfig, LoadOptions])[] = [
  ["a small model on this thread", tinyConfig, { inline: true, chunk: 16 }],
  ["a model with grouped queries on this thread", grouped, { inline: true, chunk: 7 }],
  ["a small model in a worker", tinyConfig, { chunk: 16 }],
];

for (const [name, config, options] of cases) {
  const random = await writeRandomModel(config);
  afterAll(random.remove);
  testLanguageModel(name, () => loadModel(random.folder, options), {
    reference: random.reference,
  });
}
