import { InferenceError, philox } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { CandidateTree } from "../../src/index.ts";

/** Rows of probabilities as reduced logits, likeliest first. */
function rowsOf(rows: readonly (readonly number[])[], k: number) {
  const order = rows.map((row) =>
    Array.from(row.keys()).toSorted((a, b) => row[b]! - row[a]! || a - b),
  );
  return {
    rows: rows.length,
    k,
    ids: Uint32Array.from(order.flatMap((ids) => ids.slice(0, k))),
    values: Float32Array.from(
      order.flatMap((ids, i) => ids.slice(0, k).map((id) => Math.log(rows[i]![id]!))),
    ),
    logSumExp: new Float32Array(rows.length),
  };
}

const none: ReadonlySet<number> = new Set();

describe("CandidateTree", () => {
  const q = [
    [0.6, 0.3, 0.1],
    [0.2, 0.7, 0.1],
    [0.1, 0.2, 0.7],
  ];

  test("the golden tree: two of three tokens, two levels more, four nodes", () => {
    const tree = new CandidateTree();
    tree.grow([-1], rowsOf([q[0]!], 2));
    for (let level = 0; level < 2; level++) {
      const nodes = tree.frontier(2, none);
      tree.grow(
        nodes,
        rowsOf(
          Array.from(nodes, (node) => q[tree.token(node)]!),
          2,
        ),
      );
    }
    const { tokens, parents, scores } = tree.rerank(4);
    expect([...tokens]).toEqual([0, 1, 0, 0]);
    expect([...parents]).toEqual([-1, -1, 0, 2]);
    const reach: number[] = [];
    for (const [i, score] of scores.entries()) reach.push(score * (reach[parents[i]!] ?? 1));
    expect(reach.map((value) => value.toFixed(3))).toEqual(["0.600", "0.300", "0.360", "0.216"]);
    expect(1 + reach.reduce((a, b) => a + b)).toBeCloseTo(2.476, 5);
  });

  test("has the ancestors of every node, ties and certain tokens included", () => {
    const random = philox(9);
    const levels = [0, 0.25, 0.5, 1];
    for (let run = 0; run < 200; run++) {
      const k = 1 + (run % 4);
      const tree = new CandidateTree();
      const draw = (level: number, node: number) =>
        Array.from(
          { length: 4 },
          (_, i) => levels[Math.floor(4 * random.uniform(run, level, 4 * node + i))]!,
        );
      tree.grow([-1], rowsOf([draw(0, 0)], k));
      for (let level = 1; level < 4; level++) {
        const nodes = tree.frontier(3, none);
        tree.grow(
          nodes,
          rowsOf(
            Array.from(nodes, (node) => draw(level, node)),
            k,
          ),
        );
      }
      for (let count = 1; count <= tree.size; count++) {
        const { tokens, parents, scores } = tree.rerank(count);
        expect(tokens).toHaveLength(count);
        expect(parents.every((parent, i) => parent >= -1 && parent < i)).toBe(true);
        expect(scores.every((score) => score > 0 && score <= 1)).toBe(true);
      }
    }
  });

  test("gives ties to the node that came first, and goes on from none that ends the text", () => {
    const tree = new CandidateTree();
    tree.grow([-1], rowsOf([[0.25, 0.25, 0.25, 0.25]], 4));
    expect([...tree.rerank(2).tokens]).toEqual([0, 1]);
    expect([...tree.frontier(2, new Set([0]))]).toEqual([1, 2]);
    tree.grow([1], rowsOf([[1, 0, 0, 0]], 2));
    expect(tree.size).toBe(5);
    expect([...tree.rerank(3).parents]).toEqual([-1, -1, -1]);
  });

  test("refuses NaN", () => {
    const rows = { ...rowsOf([q[0]!], 2), logSumExp: Float32Array.of(Number.NaN) };
    expect(() => new CandidateTree().grow([-1], rows)).toThrow(
      expect.toSatisfy((error: unknown) => InferenceError.is(error, "backend")),
    );
  });
});
