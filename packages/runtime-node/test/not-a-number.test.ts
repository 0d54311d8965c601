import { tinyConfig } from "@frugal/testkit";
import { afterAll, expect, test } from "vitest";

import { loadModel } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

const random = await writeRandomModel();
const model = await loadModel(random.folder, { inline: true });
afterAll(async () => {
  await model.dispose();
  await random.remove();
});

// Top-k of a row with NaN looks like any other; decoders find out from the log-sum-exp.
test("NaN in a row shows in its log-sum-exp", async () => {
  const sequence = await model.createSequence();
  const cols = tinyConfig.hiddenSize;
  const data = new Float32Array(2 * cols).fill(0.1);
  data[cols + 3] = Number.NaN;
  const block = { embeddings: { data, rows: 2, cols } };
  const { top } = await sequence.step(block, { logits: { top: 3 } });
  expect([...top!.logSumExp].map(Number.isNaN)).toEqual([false, true]);
  await sequence.dispose();
});
