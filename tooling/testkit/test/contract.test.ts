import { philox } from "@frugal/core";

import {
  createReferenceTransformer,
  markovModel,
  randomWeights,
  testLanguageModel,
  testLayerRanges,
  tinyConfig,
  type ReferenceConfig,
} from "../src/index.ts";

const untied: ReferenceConfig = {
  ...tinyConfig,
  heads: 4,
  kvHeads: 2,
  headDim: 6,
  layers: 1,
  tieWordEmbeddings: false,
  attentionBias: true,
  mlpBias: true,
};

// Chunks of another size exercise another order of sums.
for (const [name, config] of Object.entries({ tiny: tinyConfig, untied })) {
  testLanguageModel(
    `the reference transformer (${name})`,
    async () => createReferenceTransformer({ seed: 1, config }, { chunkRows: 3 }),
    { reference: async () => createReferenceTransformer({ seed: 1, config }), tolerance: 1e-6 },
  );
}

const random = philox(2);
const data = Float32Array.from({ length: 36 }, (_, i) => random.uniform(i));
testLanguageModel("markovModel", async () => markovModel({ data, rows: 6, cols: 6 }), {
  tolerance: 0,
});

const three: ReferenceConfig = { ...tinyConfig, layers: 3 };
const weights = { config: three, tensors: randomWeights(three, 5) };
testLayerRanges(
  "the reference transformer",
  async (layers) => createReferenceTransformer(weights, { layers, chunkRows: 3 }),
  {
    reference: async (layers) => createReferenceTransformer(weights, { ...(layers && { layers }) }),
    tolerance: 1e-5,
  },
);
