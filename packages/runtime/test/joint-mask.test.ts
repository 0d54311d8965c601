import { seededRandom } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { jointMask } from "../src/sequence/joint-mask.ts";
import { growTree, type OpenTree } from "../src/sequence/open-tree.ts";

const range = (from: number, to: number) =>
  Int32Array.from({ length: to - from }, (_, i) => from + i);

/** For every row of the block the slots that it sees: its ancestors, less than `window` before it. */
function seen(
  parents: readonly number[],
  positions: readonly number[],
  rows: number,
  window: number,
): number[][] {
  const total = parents.length;
  return Array.from({ length: rows }, (_, i) => {
    const row = total - rows + i;
    const slots: number[] = [];
    for (let slot = row; slot >= 0; slot = parents[slot]!) {
      if (positions[row]! - positions[slot]! < window) slots.unshift(slot);
    }
    return slots;
  });
}

function open(mask: Float32Array, rows: number): number[][] {
  const total = mask.length / rows;
  return Array.from({ length: rows }, (_, row) =>
    [...range(0, total)].filter((slot) => mask[row * total + slot] === 0),
  );
}

describe("jointMask", () => {
  test("is none for chains that see everything before them", () => {
    const past = { length: 4, positions: range(0, 4) };
    const rows = { highs: range(4, 7), lows: null, parents: undefined, tree: null };
    expect(jointMask(past, rows, null)).toBeNull();
    expect(jointMask(past, rows, 7)).toBeNull();
    expect(jointMask(past, rows, 6)).not.toBeNull();
    const alone = { ...rows, highs: range(0, 9) };
    expect(jointMask({ length: 0, positions: range(0, 0) }, alone, 8)).not.toBeNull();
  });

  test("shows every row its ancestors within the window, in trees that grow", () => {
    const random = seededRandom(5);
    for (let trial = 0; trial < 50; trial++) {
      const window = [null, 3, 5][trial % 3]!;
      const parents = [...range(-1, random.below(6))];
      const positions = [...range(0, parents.length)];
      let tree: OpenTree | null = null;
      for (let step = 0; step < 3; step++) {
        const length = parents.length;
        const block = Int32Array.from({ length: 1 + random.below(5) }, (_, row) => {
          const parent = random.below(row + length + 1) - length - 1;
          return Math.max(parent, -1 - length);
        });
        tree = growTree(tree, length, block);
        for (const parent of block) {
          parents.push(length + parent);
          positions.push(length + parent < 0 ? 0 : positions[length + parent]! + 1);
        }
        const past = { length, positions: Int32Array.from(positions.slice(0, length)) };
        const highs = Int32Array.from(positions.slice(length));
        const mask = jointMask(past, { highs, lows: null, parents: block, tree }, window);
        const rows = block.length;
        const expected = seen(parents, positions, rows, window ?? Infinity);
        const causal = Array.from({ length: rows }, (_, i) => [...range(0, length + i + 1)]);
        expect(mask === null ? causal : open(mask, rows)).toEqual(expected);
      }
    }
  });
});
