import { loadModel } from "@frugal/runtime-node";

import { random135M, scratch, tiny } from "./models.ts";
import { median, type Table } from "./results.ts";
import type { Effort } from "./step-cost.ts";

/** Tokens per second while a prompt is read, by its length and the rows per chunk. */
export async function measurePrefill(effort: Effort): Promise<Table[]> {
  const rows = [];
  for (const chunk of [64, 256, 1024]) {
    rows.push(...(await measure("frugal-tiny", tiny, "none", chunk, [256, 1000], effort)));
  }
  if (effort.large) {
    const folder = await random135M();
    for (const chunk of [64, 256]) {
      rows.push(...(await measure("random 135M", folder, "q4", chunk, [256, 1024], effort)));
    }
  }
  const notes = ["Tokens per second inside the model, median, no logits."];
  return [{ title: "Prefill", notes, rows }];
}

async function measure(
  name: string,
  folder: string,
  quantize: "none" | "q4",
  chunk: number,
  lengths: readonly number[],
  { repetitions }: Effort,
): Promise<Table["rows"][number][]> {
  const model = await loadModel(folder, { inline: true, quantize, chunk, cacheFolder: scratch });
  const rows = [];
  for (const length of lengths) {
    const tokens = Uint32Array.from({ length }, (_, i) => (i * 7919) % model.info.vocabSize);
    const speeds: number[] = [];
    for (let i = -1; i < Math.min(5, repetitions); i++) {
      const sequence = await model.createSequence();
      const { runMs } = await sequence.step({ tokens }, { logits: "none" });
      await sequence.dispose();
      if (i >= 0) speeds.push((length * 1000) / runMs);
    }
    rows.push({ model: name, weights: quantize, chunk, length, "tokens/s": median(speeds) });
  }
  await model.dispose();
  return rows;
}
