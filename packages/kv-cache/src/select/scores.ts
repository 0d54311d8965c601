import type { Geometry, LayerView } from "./row-selector.ts";

/**
 * Scaled dot products of the queries of one KV head with its keys.
 *
 * _Shapes_: `out` `[rows * R, to - from]`, `R` query heads per KV head, ordered by row, then by
 * head. Each key is read once. Sums in float64.
 */
export function scoresOfHead(
  { kvHeads, heads, headDim }: Geometry,
  { queries, rows, keys, capacity }: LayerView,
  kvHead: number,
  from: number,
  to: number,
  out: Float64Array,
): void {
  const group = heads / kvHeads;
  const count = to - from;
  const scale = 1 / Math.sqrt(headDim);
  for (let slot = from; slot < to; slot++) {
    const key = (kvHead * capacity + slot) * headDim;
    for (let i = 0; i < rows * group; i++) {
      const head = kvHead * group + (i % group);
      const query = (Math.floor(i / group) * heads + head) * headDim;
      let sum = 0;
      for (let c = 0; c < headDim; c++) sum += queries[query + c]! * keys[key + c]!;
      out[i * count + slot - from] = sum * scale;
    }
  }
}

/**
 * Adds the softmax of `n` scores from `offset` to `votes`. NaN counts as `-Infinity`; scores
 * without a finite one add nothing.
 */
export function addSoftmax(
  scores: Float64Array,
  offset: number,
  n: number,
  votes: Float64Array,
): void {
  let max = -Infinity;
  for (let i = 0; i < n; i++) if (scores[offset + i]! > max) max = scores[offset + i]!;
  if (!Number.isFinite(max)) return;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += weight(scores[offset + i]!, max);
  for (let i = 0; i < n; i++) votes[i]! += weight(scores[offset + i]!, max) / sum;
}

/** Puts the entries of slots in `[from, from + scores.length)` before all others. */
export function forceSlots(scores: Float64Array, from: number, slots: readonly number[]): void {
  for (const slot of slots) {
    if (slot >= from && slot - from < scores.length) scores[slot - from] = Infinity;
  }
}

function weight(score: number, max: number): number {
  return Number.isNaN(score) ? 0 : Math.exp(score - max);
}
