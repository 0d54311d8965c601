import { seededRandom } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { KvStore, masked } from "../src/sequence/kv-store.ts";
import { growTree } from "../src/sequence/open-tree.ts";
import { pastBias } from "../src/sequence/past-bias.ts";

const shape = { layers: 1, kvHeads: 1, headDim: 2 };

function storeAt(positions: readonly number[]): KvStore {
  const store = new KvStore(shape);
  const rows = [new Float32Array(2 * positions.length)];
  store.append(rows, rows, Int32Array.from(positions));
  return store;
}

/** The mask of the used slots as text, one word per line. */
function seen(bias: Float32Array, { capacity, length }: KvStore): string[] {
  return Array.from({ length: bias.length / capacity }, (_, i) => {
    const line = bias.subarray(i * capacity, (i + 1) * capacity);
    expect(line.subarray(length).every((x) => x === Math.fround(masked))).toBe(true);
    return Array.from(line.subarray(0, length), (x) => (x === 0 ? "1" : "0")).join("");
  });
}

describe("pastBias", () => {
  test("is not needed where every row sees everything", () => {
    const store = storeAt([0, 1, 2, 3]);
    expect(pastBias(store, null, Int32Array.of(4, 5), null, 3)).toBeNull();
    expect(pastBias(store, null, Int32Array.of(4, 5), 6, 3)).toBeNull();
    expect(pastBias(new KvStore(shape), null, Int32Array.of(0, 1, 2), 1, 3)).toBeNull();
  });

  test("hides the slots that are too far back, by their positions", () => {
    const store = storeAt([0, 3, 7, 8]);
    const bias = pastBias(store, null, Int32Array.of(9, 11), 4, 2)!;
    expect(seen(bias, store)).toEqual(["0011", "0011", "0001", "0001"]);
  });

  test("hides other branches, and what is too far back on the row's own", () => {
    const random = seededRandom(1);
    for (let trial = 0; trial < 200; trial++) {
      const prefix = 1 + random.below(5);
      const first = random.parents(1 + random.below(6));
      const open = growTree(null, prefix, first);
      const cached = Array.from({ length: prefix }, (_, i) => i - 1).concat(
        Array.from(first, (parent) => prefix + parent),
      );
      const rows = 1 + random.below(4);
      const parents = Array.from({ length: rows }, (_, i) => random.below(cached.length + i));
      const block = Int32Array.from(parents, (parent) => parent - cached.length);
      const all = [...cached, ...parents];
      const depth = all.map((_, row) => above(all, row).length);
      const store = storeAt(depth.slice(0, cached.length));
      const positions = Int32Array.from(depth.slice(cached.length));
      const tree = growTree(open, cached.length, block);
      const window = random.below(2) === 0 ? null : 1 + random.below(6);
      const bias = pastBias(store, tree, positions, window, 1);
      const expected = parents.map((_, row) => {
        const path = above(all, cached.length + row);
        const near = path.slice(0, window === null ? path.length : window - 1);
        return cached.map((__, slot) => (near.includes(slot) ? "1" : "0")).join("");
      });
      const everything = parents.map(() => "1".repeat(cached.length));
      expect(bias === null ? everything : seen(bias, store)).toEqual(expected);
    }
  });
});

/** Ancestors of a row, nearest first. */
function above(parents: readonly number[], row: number): number[] {
  const path: number[] = [];
  for (let at = parents[row]!; at >= 0; at = parents[at]!) path.push(at);
  return path;
}
