import { isBranching } from "./block.ts";

/** Branches that lie in a cache: the rows from slot `start` on and their parents. */
export interface OpenTree {
  readonly start: number;
  /** Relative to `start`; -1 for a child of the slot before. */
  readonly parents: Int32Array;
}

/** The tree that a block of `parents` leaves behind at `start`, or null if it is a path. */
export function openTree(start: number, parents: Int32Array | undefined): OpenTree | null {
  return parents !== undefined && isBranching(parents) ? { start, parents: parents.slice() } : null;
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
  return openTree(slots.length - kept.length, remaining);
}
