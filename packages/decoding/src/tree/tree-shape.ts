import { InferenceError } from "@frugal/core";

/**
 * Checks that `parents` describes a forest in topological order: `-1 <= parents[i] < i`.
 *
 * @throws {@link InferenceError} `shape` unless it has `count` entries; `range` for one that does
 *   not precede its child.
 */
export function expectTree(parents: Int32Array, count: number): void {
  if (parents.length !== count) {
    const message = `parents: expected ${count} entries, got ${parents.length}`;
    throw new InferenceError("shape", message);
  }
  for (let i = 0; i < count; i++) {
    const parent = parents[i]!;
    if (parent >= -1 && parent < i) continue;
    const message = `parent of token ${i}: expected an integer in [-1, ${i}), got ${parent}`;
    throw new InferenceError("range", message);
  }
}

/**
 * The depth of each node: 0 where the parent is -1, else one more than the parent's.
 *
 * Shapes: `parents` `[n]`, the result `[n]`. Unchecked. Cost: O(n).
 */
export function treeDepths(parents: Int32Array): Uint32Array {
  const depths = new Uint32Array(parents.length);
  for (let i = 0; i < parents.length; i++) {
    const parent = parents[i]!;
    depths[i] = parent < 0 ? 0 : depths[parent]! + 1;
  }
  return depths;
}

/**
 * Which nodes each node attends to: entry `[i, j]` is 1 where `j` is `i` or an ancestor of it.
 *
 * Shapes: `parents` `[n]`, the result `[n, n]`, row-major. Unchecked. Cost: O(n²). Row `i` is the
 * row of its parent and bit `i`, so the mask is reflexive, transitive and lower triangular, and row
 * `i` sums to its depth plus one.
 */
export function treeMask(parents: Int32Array): Uint8Array {
  const n = parents.length;
  const mask = new Uint8Array(n * n);
  for (let i = 0; i < n; i++) {
    const parent = parents[i]!;
    if (parent >= 0) mask.copyWithin(i * n, parent * n, parent * n + n);
    mask[i * n + i] = 1;
  }
  return mask;
}

/** The nodes from the top to `node`, ascending; empty for -1. Unchecked. Cost: O(depth). */
export function pathTo(parents: Int32Array, node: number): Uint32Array {
  let length = 0;
  for (let i = node; i >= 0; i = parents[i]!) length++;
  const path = new Uint32Array(length);
  for (let i = node; i >= 0; i = parents[i]!) path[--length] = i;
  return path;
}

/** Whether some node is not the child of the one before it, so that attention needs the parents. */
export function isBranching(parents: Int32Array): boolean {
  return parents.some((parent, i) => parent !== i - 1);
}
