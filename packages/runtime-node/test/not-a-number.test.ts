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
  const logSumExp = async (value: number): Promise<number> => {
    const sequence = await model.createSequence();
    const cols = tinyConfig.hiddenSize;
    const data = new Float32Array(cols).fill(0.1);
    data[3] = value;
    const { top } = await sequence.step(
      { embeddings: { data, rows: 1, cols } },
      { logits: { top: 3 } },
    );
    await sequence.dispose();
    return top!.logSumExp[0]!;
  };
  expect(await logSumExp(0.2)).toBeGreaterThan(-100);
  expect(await logSumExp(Number.NaN)).toBeNaN();
});
