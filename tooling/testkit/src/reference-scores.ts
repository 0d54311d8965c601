import type { Matrix, ScoreKind } from "@frugal/core";

import type { AttentionListener } from "./run-layers.ts";

/** Collects `StepOutput.scores` of the rows `wanted` of a block, over `slots` slots. */
export function createScores(
  kind: ScoreKind,
  wanted: Uint32Array,
  slots: number,
  heads: number,
): { readonly matrix: Matrix; readonly listen: AttentionListener } {
  const rows = kind === "logits" ? heads * wanted.length : wanted.length;
  const matrix: Matrix = { data: new Float32Array(rows * slots), rows, cols: slots };
  if (kind === "logits") matrix.data.fill(-1e30);
  const listen: AttentionListener = (row, head, seen, scores, weights) => {
    const index = wanted.indexOf(row);
    if (index < 0) return;
    const line = kind === "logits" ? head * wanted.length + index : index;
    for (const [j, slot] of seen.entries()) {
      const at = line * slots + slot;
      if (kind === "logits") matrix.data[at] = scores[j]!;
      else matrix.data[at]! += weights[j]! / heads;
    }
  };
  return { matrix, listen };
}
