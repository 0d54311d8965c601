import { fillBlockBias, isBranching, narrowBlockBias } from "./block.ts";
import { pastBias } from "./past-bias.ts";
import type { NewRows, SequenceCache } from "./sequence-cache.ts";

/**
 * Additive mask of the cache and a block after it, `[s, length + s]`, or null where every row sees
 * all slots and rows before it.
 *
 * A row sees what its place in the tree allows, and of that what is less than `window` positions
 * before it. Cost: O(s (length + s)).
 */
export function jointMask(
  { length, positions: past }: Pick<SequenceCache, "length" | "positions">,
  { highs: positions, parents, tree }: NewRows,
  window: number | null,
): Float32Array | null {
  const rows = positions.length;
  const branches = tree !== null && (tree.start < length || isBranching(parents!));
  const narrow = window !== null && spanOf(past, positions) >= window;
  if (!branches && !narrow) return null;
  const block = new Float32Array(rows * rows);
  fillBlockBias(parents, rows, block);
  if (narrow) narrowBlockBias(positions, window, block);
  const store = { length, capacity: length, positions: past, bias: new Float32Array(length) };
  const cached = pastBias(store, tree, positions, window, 1);
  const total = length + rows;
  const mask = new Float32Array(rows * total);
  for (let row = 0; row < rows; row++) {
    if (cached !== null) mask.set(cached.subarray(row * length, (row + 1) * length), row * total);
    mask.set(block.subarray(row * rows, (row + 1) * rows), row * total + length);
  }
  return mask;
}

/** How many positions the newest row is after the oldest. */
function spanOf(past: Int32Array, positions: Int32Array): number {
  let [oldest, newest] = [Infinity, -Infinity];
  for (const position of past) oldest = Math.min(oldest, position);
  for (const position of positions) {
    oldest = Math.min(oldest, position);
    newest = Math.max(newest, position);
  }
  return newest - oldest;
}
