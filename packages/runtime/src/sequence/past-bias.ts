import { type KvStore, masked } from "./kv-store.ts";
import { fillPastBias, type OpenTree } from "./open-tree.ts";

/**
 * Additive mask of the cache for every row of a block, `[s * group, capacity]`, or null where all
 * rows see all of it, so that the mask of the store serves them all.
 *
 * A row sees what its place in `tree` allows, and of that the slots less than `window` positions
 * before it. Cost: O(s group capacity).
 */
export function pastBias(
  store: Pick<KvStore, "capacity" | "length" | "positions" | "bias">,
  tree: OpenTree | null,
  positions: Int32Array,
  window: number | null,
  group: number,
): Float32Array | null {
  const { capacity, length } = store;
  const branches = tree !== null && tree.start < length;
  const narrow = window !== null && !covers(window, store.positions, positions);
  if (!branches && !narrow) return null;
  const bias = new Float32Array(positions.length * group * capacity);
  if (branches) fillPastBias(tree, length, group, capacity, bias);
  else for (let at = 0; at < bias.length; at += capacity) bias.set(store.bias, at);
  if (narrow) narrowPastBias(store.positions, positions, window, capacity, bias);
  return bias;
}

/** Masks the slots that are `window` or more positions before a row. */
function narrowPastBias(
  past: Int32Array,
  positions: Int32Array,
  window: number,
  capacity: number,
  bias: Float32Array,
): void {
  const stride = bias.length / positions.length;
  for (let row = 0; row < positions.length; row++) {
    for (let slot = 0; slot < past.length; slot++) {
      if (positions[row]! - past[slot]! < window) continue;
      for (let at = row * stride + slot; at < (row + 1) * stride; at += capacity) bias[at] = masked;
    }
  }
}

/** Whether every row is near enough to every slot. */
function covers(window: number, past: Int32Array, positions: Int32Array): boolean {
  let [oldest, newest] = [Infinity, -Infinity];
  for (const position of past) oldest = Math.min(oldest, position);
  for (const position of positions) newest = Math.max(newest, position);
  return newest - oldest < window;
}
