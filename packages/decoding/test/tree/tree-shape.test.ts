import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { bestChain, mergeSiblings, pathTo, treeDepths, treeMask } from "../../src/index.ts";

/** The golden tree: root first, six drafted tokens. */
const tokens = Uint32Array.of(0, 1, 2, 3, 4, 5, 2);
const parents = Int32Array.of(-1, 0, 0, 1, 1, 2, 3);

const anyTree = fc
  .array(fc.nat(1000), { minLength: 1, maxLength: 24 })
  .map((draws) => Int32Array.from(draws, (draw, i) => (draw % (i + 1)) - 1));

describe("the golden tree", () => {
  test("has its depths and its mask", () => {
    expect([...treeDepths(parents)]).toEqual([0, 1, 1, 2, 2, 2, 3]);
    const mask = treeMask(parents);
    const rows = Array.from({ length: 7 }, (_, i) => mask.slice(i * 7, i * 7 + 7).join(""));
    expect(rows.join(" ")).toBe("1000000 1100000 1010000 1101000 1100100 1010010 1101001");
  });

  test("has the path of the golden verification", () => {
    expect([...pathTo(parents, 5)]).toEqual([0, 2, 5]);
    expect([...pathTo(parents, -1)]).toEqual([]);
  });

  test("is what its drafted tokens are laid out as", () => {
    const drafted = parents.subarray(1).map((parent) => parent - 1);
    const rows = mergeSiblings(0, tokens.subarray(1), drafted);
    expect([...rows.tokens]).toEqual([...tokens]);
    expect([...rows.parents]).toEqual([...parents]);
    expect([...rows.rowOf]).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe("any tree", () => {
  test("has a mask that is reflexive, transitive, lower triangular, with depth + 1 ones", () => {
    fc.assert(
      fc.property(anyTree, (tree) => {
        const n = tree.length;
        const mask = treeMask(tree);
        const depths = treeDepths(tree);
        for (let i = 0; i < n; i++) {
          const ones = [...mask.subarray(i * n, i * n + n).keys()].filter((j) => mask[i * n + j]);
          expect(ones).toEqual([...pathTo(tree, i)]);
          expect(ones).toHaveLength(depths[i]! + 1);
          expect(ones.at(-1)).toBe(i);
          for (const j of ones) for (const k of pathTo(tree, j)) expect(mask[i * n + k]).toBe(1);
        }
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  test("is merged so that siblings differ and every draw keeps its path", () => {
    const drafts = anyTree.chain((tree) =>
      fc.tuple(
        fc.constant(tree),
        fc.array(fc.nat(2), { minLength: tree.length, maxLength: tree.length }),
      ),
    );
    fc.assert(
      fc.property(drafts, ([tree, ids]) => {
        const draft = Uint32Array.from(ids);
        const rows = mergeSiblings(7, draft, tree);
        const seen = new Set<string>();
        for (let row = 1; row < rows.tokens.length; row++) {
          expect(rows.parents[row]).toBeLessThan(row);
          seen.add(`${rows.parents[row]} ${rows.tokens[row]}`);
        }
        expect(seen.size).toBe(rows.tokens.length - 1);
        for (let i = 0; i < draft.length; i++) {
          const own = Array.from(pathTo(tree, i), (node) => draft[node]!);
          const merged = Array.from(pathTo(rows.parents, rows.rowOf[i]!), (r) => rows.tokens[r]!);
          expect(merged).toEqual([7, ...own]);
        }
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  test("has as its best chain the one with the most expected accepted tokens", () => {
    const scored = anyTree.chain((tree) =>
      fc.tuple(
        fc.constant(tree),
        fc.array(fc.integer({ min: 0, max: 8 }), {
          minLength: tree.length,
          maxLength: tree.length,
        }),
      ),
    );
    fc.assert(
      fc.property(scored, ([tree, eighths]) => {
        const scores = Float32Array.from(eighths, (score) => score / 8);
        const value = (path: Uint32Array): number => {
          let reach = 1;
          let sum = 0;
          for (const node of path) {
            reach *= scores[node]!;
            sum += reach;
          }
          return sum;
        };
        const best = Math.max(...Array.from(tree.keys(), (node) => value(pathTo(tree, node))));
        expect(value(bestChain(tree, scores))).toBeCloseTo(best, 12);
      }),
      { seed: 3, numRuns: 200 },
    );
  });
});

test("without scores the first child is followed, whatever the tokens are", () => {
  expect([...bestChain(Int32Array.of(-1, -1, 0, 1, 0, 2))]).toEqual([0, 2, 5]);
  expect([...bestChain(new Int32Array(0))]).toEqual([]);
  expect([...bestChain(new Int32Array(0), new Float32Array(0))]).toEqual([]);
});

test("a chain is laid out without merging", () => {
  const rows = mergeSiblings(4, Uint32Array.of(4, 4, 5), null);
  expect([...rows.tokens]).toEqual([4, 4, 4, 5]);
  expect([...rows.parents]).toEqual([-1, 0, 1, 2]);
});
