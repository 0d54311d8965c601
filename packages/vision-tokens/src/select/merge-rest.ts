import type { Matrix } from "@frugal/core";

import { expectFinite, expectInteger, expectLength } from "../expect.ts";
import { createReduction, type Reduction, type WeightedSum } from "./reduction.ts";
import { RowProducts } from "./row-products.ts";
import { selectByAttention } from "./select-by-attention.ts";

/** Options of {@link mergeRest}. */
export interface MergeRestOptions {
  /** How many rows stay as they are. */
  readonly dominant: number;
  /** Into how many rows the rest is merged. */
  readonly contextual: number;
  /**
   * `target-plus-mean`, as published: the target and the mean of its members are added, which about
   * doubles the norm. `mean`: the mean of all of them. Default `target-plus-mean`.
   */
  readonly merge?: "target-plus-mean" | "mean";
  /** Products of all pairs of rows of `unitRows(keys)`, if they are at hand: `Kernels.gram`. */
  readonly gram?: Matrix;
}

/**
 * VisionZip: keeps the rows that the class token attends to most and merges the rest. Targets are
 * taken from the rest at equal steps; every other row joins the target whose key is most similar, of
 * equal ones the first.
 *
 * _Shapes_: `attention` n, `keys` n × d. _Cost_: O(n · contextual · d). Deviation: rows come out in
 * the order of the image, where the reference puts merged ones last.
 *
 * @throws `InferenceError` `shape` if attention and keys differ in rows; `range` for numbers that are
 *   not finite, or more rows wanted than there are.
 * @see VisionZip (Yang et al.), arXiv:2412.04467; `docs/algorithms/dominant-tokens.md`
 */
export function mergeRest(
  attention: Float32Array,
  keys: Matrix,
  { dominant, contextual, merge = "target-plus-mean", gram }: MergeRestOptions,
): Reduction {
  const n = keys.rows;
  expectFinite("keys", keys);
  expectLength("attention", attention, n);
  expectInteger("contextual", contextual, 0, n);
  expectInteger("dominant", dominant, 0, n - contextual);
  const kept = selectByAttention(attention, dominant);
  const rest = complement(kept, n);
  const step = Math.max(1, Math.floor(rest.length / Math.max(1, contextual)));
  const targets = rest.filter((_, i) => i % step === 0).slice(0, contextual);
  const members = assignMembers(new RowProducts(keys, gram), rest, targets);
  const sums: WeightedSum[] = [...kept].map((row) => ({ anchor: row, terms: [[row, 1]] }));
  for (const [i, target] of targets.entries()) {
    const list = members[i]!;
    const weight = 1 / (list.length + (merge === "mean" ? 1 : 0));
    const own = merge === "mean" ? weight : 1;
    sums.push({
      anchor: target,
      terms: [[target, own], ...list.map((row): [number, number] => [row, weight])],
    });
  }
  return createReduction(n, sums);
}

function complement(kept: Uint32Array, n: number): number[] {
  const isKept = new Set(kept);
  return Array.from({ length: n }, (_, i) => i).filter((i) => !isKept.has(i));
}

function assignMembers(products: RowProducts, rest: number[], targets: number[]): number[][] {
  const members = targets.map((): number[] => []);
  if (targets.length === 0) return members;
  const isTarget = new Set(targets);
  for (const row of rest) {
    if (!isTarget.has(row)) members[products.mostSimilar(row, targets)]!.push(row);
  }
  return members;
}
