import { describe, expect, test } from "vitest";

import { chooseTree, estimateAcceptance, expectedYield, likelyTemplate } from "../../src/index.ts";

/** `T[n][d]`, the published recurrence: n nodes with the root, at most d levels, the best yield. */
function bestByRecurrence(acceptance: readonly number[], nodes: number, levels: number): number {
  const memo = new Map<string, number>();
  const best = (n: number, d: number): number =>
    Math.max(...Array.from({ length: acceptance.length + 1 }, (_, b) => withChildren(n, d, b)));
  const withChildren = (n: number, d: number, b: number): number => {
    if (n < 1 || d < 1) return -Infinity;
    if (b === 0) return n === 1 ? 1 : -Infinity;
    const key = `${n} ${d} ${b}`;
    let most = memo.get(key);
    if (most !== undefined) return most;
    most = -Infinity;
    for (let y = 1; y < n; y++) {
      const below = best(n - y, d - 1);
      most = Math.max(most, withChildren(y, d, b - 1) + acceptance[b - 1]! * below);
    }
    memo.set(key, most);
    return most;
  };
  return best(nodes, levels);
}

describe("the likeliest template is the best tree", () => {
  const golden = [0.6, 0.2, 0.1];

  test.for([
    [4, [1.6, 1.96, 2.176, 2.376, 2.496]],
    [3, [1.6, 1.96, 2.16, 2.28, 2.4]],
    [2, [1.6, 1.8, 1.9]],
  ] as const)("%i levels, the published numbers", ([levels, yields]) => {
    for (const [i, expected] of yields.entries()) {
      const tree = likelyTemplate(golden, i + 1, levels - 1);
      expect(tree).toHaveLength(i + 1);
      expect(expectedYield(tree, golden)).toBeCloseTo(expected, 12);
    }
  });

  test("and by the recurrence, for other acceptances", () => {
    for (const acceptance of [golden, [0.5, 0.5], [0.9], [0.3, 0.29, 0.28, 0.01], [0.7, 0.01]]) {
      for (let nodes = 2; nodes <= 9; nodes++) {
        for (const levels of [2, 3, 5]) {
          const tree = likelyTemplate(acceptance, nodes - 1, levels - 1);
          const expected = bestByRecurrence(acceptance, tree.length + 1, levels);
          expect(expectedYield(tree, acceptance)).toBeCloseTo(expected, 12);
        }
      }
    }
  });

  test("of five nodes has the known paths", () => {
    expect(likelyTemplate(golden, 4, 3)).toEqual([[0], [0, 0], [0, 0, 0], [1]]);
  });
});

describe("chooseTree", () => {
  const acceptance = [0.7, 0.15, 0.05];

  test("takes the most tokens per time, by comparison with every size and depth", () => {
    for (const slope of [0.01, 0.1, 0.3]) {
      for (const draft of [0, 0.1, 0.4]) {
        const target = (rows: number): number => 1 + slope * (rows - 1);
        const chosen = chooseTree(acceptance, { draft, target }, 10, 6);
        let most = 1;
        for (let nodes = 1; nodes <= 10; nodes++) {
          for (let depth = 1; depth <= 6; depth++) {
            const tree = likelyTemplate(acceptance, nodes, depth);
            const levels = Math.max(...tree.map((path) => path.length));
            const cost = levels * draft + target(tree.length + 1);
            most = Math.max(most, expectedYield(tree, acceptance) / cost);
          }
        }
        expect(chosen.ratio).toBeCloseTo(most, 12);
        expect(chosen.tokens).toBeCloseTo(expectedYield(chosen.tree, acceptance), 12);
      }
    }
  });

  test("takes none where rows cost as much as steps", () => {
    const dear = chooseTree(acceptance, { draft: 0.1, target: (rows) => rows });
    expect(dear).toEqual({ tree: [], tokens: 1, ratio: 1 });
  });

  test("refuses costs that are none", () => {
    expect(() => chooseTree(acceptance, { draft: -1, target: () => 1 })).toThrow("costs.draft");
    expect(() => chooseTree(acceptance, { draft: 0, target: () => 0 })).toThrow("costs.target(1)");
  });
});

describe("estimateAcceptance", () => {
  test("counts, and pools what is out of order", () => {
    expect(estimateAcceptance([0, 0, 1, -1, 2, 0, -1, -1], 3)).toEqual([0.375, 0.125, 0.125]);
    expect(estimateAcceptance([0, 1, 1, 1, -1, -1, -1, -1], 2)).toEqual([0.25, 0.25]);
    expect(() => estimateAcceptance([3], 3)).toThrow("outcomes[0]: expected");
    expect(() => estimateAcceptance([], 3)).toThrow("outcomes: expected");
  });
});
