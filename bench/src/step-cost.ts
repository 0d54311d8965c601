import type { LanguageModel, Sequence } from "@frugal/core";
import { loadModel } from "@frugal/runtime-node";

import { random135M, scratch, tiny } from "./models.ts";
import { median, type Table } from "./results.ts";

/** How thorough a measurement is. */
export interface Effort {
  readonly repetitions: number;
  /** Also the random-weight model of 135 million parameters. */
  readonly large: boolean;
}

const blocks = [1, 2, 3, 5, 9, 17] as const;

/** Milliseconds inside the model for a block of rows, by its size and the rows in the cache. */
export async function measureStepCost(effort: Effort): Promise<Table[]> {
  const rows = [];
  for (const quantize of ["none", "q8", "q4"] as const) {
    rows.push(...(await measureModel("frugal-tiny", tiny, quantize, [64, 512, 960], effort)));
  }
  if (effort.large) {
    rows.push(
      ...(await measureModel("random 135M", await random135M(), "q4", [256, 2048], effort)),
    );
  }
  const notes = [
    "Milliseconds inside the model, median; the columns are rows per step (1 is plain decoding, " +
      "5 checks a draft of 4). Top-1 logits of every row, on this thread.",
    `${effort.repetitions} repetitions after 5 to warm up.`,
  ];
  return [{ title: "Step cost", notes, rows }];
}

async function measureModel(
  name: string,
  folder: string,
  quantize: "none" | "q8" | "q4",
  contexts: readonly number[],
  effort: Effort,
): Promise<Table["rows"][number][]> {
  const model = await loadModel(folder, { inline: true, quantize, cacheFolder: scratch });
  const rows = [];
  for (const context of contexts) {
    const sequence = await fill(model, context);
    const row: Record<string, string | number> = {
      model: name,
      weights: quantize,
      context,
    };
    for (const size of blocks) row[`${size} rows`] = await timeBlock(sequence, size, effort);
    rows.push(row);
    await sequence.dispose();
  }
  await model.dispose();
  return rows;
}

/** A sequence with that many cached rows. */
export async function fill(model: LanguageModel, length: number): Promise<Sequence> {
  const sequence = await model.createSequence();
  const { vocabSize } = model.info;
  const tokens = Uint32Array.from({ length }, (_, i) => (i * 7919 + 17) % vocabSize);
  await sequence.step({ tokens }, { logits: "none" });
  return sequence;
}

async function timeBlock(
  sequence: Sequence,
  size: number,
  { repetitions }: Effort,
): Promise<number> {
  const base = Uint32Array.from({ length: sequence.length }, (_, i) => i);
  const tokens = Uint32Array.from({ length: size }, (_, i) => 100 + i);
  const times: number[] = [];
  for (let i = -5; i < repetitions; i++) {
    const { runMs } = await sequence.step({ tokens }, { logits: { top: 1 } });
    await sequence.keep(base);
    if (i >= 0) times.push(runMs);
  }
  return median(times);
}
