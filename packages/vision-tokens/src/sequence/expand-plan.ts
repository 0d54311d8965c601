import { InferenceError, type Matrix } from "@frugal/core";

import type { SequencePlan } from "./plan-sequence.ts";

/** The unpruned prompt of a plan. _Cost_: O(ids). */
export function expandIds({ ids, source, removed }: SequencePlan): Uint32Array {
  const out = new Uint32Array(ids.length + removed.length);
  let [kept, gone] = [0, 0];
  for (let i = 0; i < out.length; i++) {
    out[i] = source[kept] === i ? ids[kept++]! : removed[gone++]!;
  }
  return out;
}

/**
 * Puts rows of the pruned prompt, such as hidden states, where they were in the unpruned one, for what
 * wants the whole grid of an image. Rows that were removed become `fill`.
 *
 * _Shapes_: `rows` kept ids × d to unpruned ids × d. _Cost_: one copy.
 *
 * @throws {@link InferenceError} `shape` if there is another number of rows than ids stay.
 * @see `docs/algorithms/sequence-plans.md`
 */
export function expandRows(plan: SequencePlan, rows: Matrix, fill: number = 0): Matrix {
  const { source, removed } = plan;
  const { data, cols } = rows;
  if (rows.rows !== source.length) {
    throw new InferenceError("shape", `rows: expected ${source.length}, got ${rows.rows}`);
  }
  const length = source.length + removed.length;
  const out = new Float32Array(length * cols).fill(fill);
  for (const [i, place] of source.entries()) {
    out.set(data.subarray(i * cols, (i + 1) * cols), place * cols);
  }
  return { data: out, rows: length, cols };
}
