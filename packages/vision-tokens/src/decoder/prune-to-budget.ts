import { InferenceError } from "@frugal/core";

import { expectInteger, expectNumber } from "../expect.ts";
import type { PlannedStage } from "./planned-stage.ts";
import { attentionStage } from "./prune-by-attention.ts";

/**
 * The part of the remaining rows that has to go so that the layers together see `cost` of what they
 * would see unpruned, when the first of them merged the parts `merged` of their rows away, one layer
 * each: `1 - (L cost - sum s) / ((L - l) s_l)`, with `s_i` what is left after `i` merges.
 *
 * @returns at most 1; 0 where the budget is not used up.
 * @throws `InferenceError` `range` for parts outside `[0, 1]`, or as many merges as layers.
 * @see FrameFusion (Fu et al.), arXiv:2501.01986, thu-nics/FrameFusion: framefusion/main.py
 */
export function ratioForBudget(layers: number, cost: number, merged: readonly number[]): number {
  expectInteger("layers", layers, 1);
  expectNumber("cost", cost, 0, 1);
  expectInteger("merged.length", merged.length, 0, layers - 1);
  let left = 1;
  let seen = 0;
  for (const [i, part] of merged.entries()) {
    expectNumber(`merged[${i}]`, part, 0, 1);
    left *= 1 - part;
    seen += left;
  }
  if (left === 0) return 0;
  const ratio = 1 - (layers * cost - seen) / ((layers - merged.length) * left);
  return Math.min(1, Math.max(0, ratio));
}

/** Options of {@link pruneToBudget}. */
export interface PruneToBudgetOptions {
  /** Layers of the model. */
  readonly layers: number;
  /** The part of rows, summed over layers, that all of them may see. Default 0.3. */
  readonly cost?: number;
  /** Parts that stages of this model merged away in the layers before, one per layer. Default none. */
  readonly merged?: readonly number[];
  /** The first layer that sees fewer rows: default the one after the merges, at least 1. */
  readonly layer?: number;
}

/**
 * The second stage of FrameFusion: one cut by the attention of the last row, of the size that a budget
 * leaves. Ties go to the lower index.
 *
 * @throws `InferenceError` `range` as {@link ratioForBudget}, or for a budget that is spent already.
 * @see `docs/algorithms/pruning-inside-the-decoder.md`
 */
export function pruneToBudget(options: PruneToBudgetOptions): PlannedStage[] {
  const { layers, cost = 0.3, merged = [], layer = Math.max(1, merged.length) } = options;
  const ratio = ratioForBudget(layers, cost, merged);
  if (ratio === 1) {
    throw new InferenceError("range", `cost: expected more than the merges use, got ${cost}`);
  }
  const left = merged.reduce((part, gone) => part * (1 - gone), 1);
  const count = (total: number): number => Math.trunc(Math.trunc(total * left) * (1 - ratio));
  return [attentionStage(layer, count, "last")];
}
