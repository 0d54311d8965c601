import {
  createReferenceTransformer,
  randomWeights,
  type ReferenceConfig,
  testLanguageModel,
  tinyConfig,
} from "@frugal/testkit";
import { type ExportStyle, writeExport } from "@frugal/testkit/export-decoder";
import { afterAll } from "vitest";

import { loadModel } from "../../src/index.ts";

// Heads of 16: the grouped operator takes multiples of it alone.
const config: ReferenceConfig = { ...tinyConfig, heads: 4, kvHeads: 2, headDim: 16 };
const tensors = randomWeights(config, 1);

const cases: readonly (readonly [string, ExportStyle])[] = [
  ["an export in single operators", { attention: "concat", logitCount: true }],
  ["an export with a mask as input", { attention: "bias" }],
  ["an export with its attention in one operator", { attention: "grouped", dataFile: "x" }],
  ["an export whose embeddings are a graph of their own", { attention: "concat", split: true }],
];

for (const [name, style] of cases) {
  const { folder, remove } = await writeExport(config, tensors, style);
  afterAll(remove);
  const load = () => loadModel(folder, { inline: true, chunk: 16 });
  testLanguageModel(name, load, {
    reference: async () => createReferenceTransformer({ config, tensors }),
    // The operator counts positions itself: rows cannot keep those that they were written at.
    ...(style.attention === "grouped" && { positions: ["cache-relative"] }),
  });
}
