import { type Block, InferenceError, type Matrix } from "@frugal/core";

import type { SequencePlan } from "./plan-sequence.ts";

/**
 * A planned prompt as the blocks that a sequence takes one after the other: runs of text as tokens, runs
 * of visual rows as embeddings, each with its positions.
 *
 * The sequence must leave positions as they are (`positions: "absolute"`) where rows were removed.
 *
 * @param features the rows that stay of all images, one after the other, `[rows, hiddenSize]`
 * @returns blocks whose tokens and embeddings are views of the plan's and of `features`
 * @throws {@link InferenceError} `shape` if the plan has another number of visual rows; `unsupported`
 *   for positions in fractions, which no block can carry.
 * @see `docs/algorithms/sequence-plans.md`
 */
export function planBlocks(plan: SequencePlan, features: Matrix): Block[] {
  const { ids, featureRow, positions, axes, unitsPerPosition } = plan;
  if (unitsPerPosition !== 1) {
    throw new InferenceError("unsupported", `plan: positions in units of 1 / ${unitsPerPosition}`);
  }
  const rows = featureRow.reduce((count, row) => count + (row < 0 ? 0 : 1), 0);
  if (rows !== features.rows) {
    throw new InferenceError("shape", `features: expected ${rows} rows, got ${features.rows}`);
  }
  const { data, cols } = features;
  const length = ids.length;
  const blocks: Block[] = [];
  for (let from = 0, to = 0; from < length; from = to) {
    const first = featureRow[from]!;
    while (to < length && featureRow[to]! < 0 === first < 0) to++;
    const count = to - from;
    const places = new Int32Array(axes * count);
    for (let axis = 0; axis < axes; axis++) {
      places.set(positions.subarray(axis * length + from, axis * length + to), axis * count);
    }
    const view = data.subarray(first * cols, (first + count) * cols);
    blocks.push({
      ...(first < 0
        ? { tokens: ids.subarray(from, to) }
        : { embeddings: { data: view, rows: count, cols } }),
      positions: places,
    });
  }
  return blocks;
}
