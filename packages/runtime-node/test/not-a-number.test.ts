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

test("a row of NaN that is rolled back leaves nothing behind", async () => {
  const sequence = await model.createSequence();
  const last = async (): Promise<Float32Array> => {
    const { logits } = await sequence.step({ tokens: Uint32Array.of(5) }, { logits: "last" });
    await sequence.keep(Uint32Array.of(0, 1));
    return logits!.data;
  };
  await sequence.step({ tokens: Uint32Array.of(1, 2) }, { logits: "none" });
  const before = await last();
  const cols = tinyConfig.hiddenSize;
  const embeddings = { data: new Float32Array(cols).fill(Number.NaN), rows: 1, cols };
  await sequence.step({ embeddings }, { logits: "none" });
  const fork = await sequence.fork();
  await fork.keep(Uint32Array.of(0, 1));
  await sequence.keep(Uint32Array.of(0, 1));
  expect(await last()).toEqual(before);
  const { logits } = await fork.step({ tokens: Uint32Array.of(5) }, { logits: "last" });
  expect(logits!.data).toEqual(before);
  await fork.dispose();
  await sequence.dispose();
});
