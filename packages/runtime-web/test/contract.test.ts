import { testLanguageModel, tinyConfig, type ReferenceConfig } from "@frugal/testkit";

import { loadModel, type LoadOptions } from "../src/index.ts";
import { randomModel } from "./random-model.ts";

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
  ["a model with grouped queries in a worker", grouped, { chunk: 7 }],
];

for (const [name, config, options] of cases) {
  const { files, reference } = randomModel(config);
  testLanguageModel(name, () => loadModel(files, options), { reference });
}
