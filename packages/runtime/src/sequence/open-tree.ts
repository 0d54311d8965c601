import { isBranching } from "./block.ts";
import { masked } from "./kv-store.ts";

/** Branches that lie in a cache: the rows from slot `start` on and their parents. */
export interface OpenTree {
  readonly start: number;
  /** Relative to `start`; -1 for a child of the slot before. */
  readonly parents: Int32Array;
}

/**
 * What the cache holds after a block of `parents` at `slot`, or null if that is one path.
 *
 * The tree begins after the last slot that all its rows share: a parent before `open.start` moves it
 * there. Cost: O(tree), nothing for a chain on a path.
 */
export function growTree(
  open: OpenTree | null,
  slot: number,
  parents: Int32Array | undefined,
): OpenTree | null {
  if (parents === undefined) return open;
  let start = open?.start ?? slot;
  for (const parent of parents) start = Math.min(start, slot + parent + 1);
  const before = slot - start;
  const shared = (open?.start ?? slot) - start;
  const tree = new Int32Array(before + parents.length);
  for (let row = 0; row < before; row++) {
    tree[row] = row < shared ? row - 1 : shared + Math.max(-1, open!.parents[row - shared]!);
  }
  for (let row = 0; row < parents.length; row++) tree[before + row] = before + parents[row]!;
  return isBranching(tree) ? { start, parents: tree } : null;
}

/**
 * Additive mask of the cache for the rows of a block at `slot`, which are the last of `tree`: 0 where
 * a row sees a slot, {@link masked} elsewhere. `bias` is `[s * group, capacity]` row-major, `group`
 * equal lines per row. Cost: O(s group capacity).
 */
export function fillPastBias(
  { start, parents }: OpenTree,
  slot: number,
  group: number,
  capacity: number,
  bias: Float32Array,
): void {
  const before = slot - start;
  bias.fill(masked);
  for (let row = before; row < parents.length; row++) {
    const at = (row - before) * group * capacity;
    bias.fill(0, at, at + start);
    for (let i = parents[row]!; i >= 0; i = parents[i]!) if (i < before) bias[at + start + i] = 0;
    for (let head = 1; head < group; head++) {
      bias.copyWithin(at + head * capacity, at, at + slot);
    }
  }
}

/**
 * What remains open after all slots but `slots` are dropped: null once it is one path. A row whose
 * parent goes becomes a child of its nearest ancestor that stays.
 */
export function keepOfTree({ start, parents }: OpenTree, slots: Uint32Array): OpenTree | null {
  const kept = slots.filter((slot) => slot >= start);
  // Where a row goes; for one that goes away, where its nearest kept ancestor goes.
  const moved = new Int32Array(parents.length);
  const remaining = new Int32Array(kept.length);
  let next = 0;
  for (let row = 0; row < parents.length; row++) {
    const parent = parents[row]! < 0 ? -1 : moved[parents[row]!]!;
    const stays = kept[next] === start + row;
    if (stays) remaining[next] = parent;
    moved[row] = stays ? next++ : parent;
  }
  return isBranching(remaining) ? { start: slots.length - kept.length, parents: remaining } : null;
}
