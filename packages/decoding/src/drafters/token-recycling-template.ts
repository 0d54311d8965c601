import { InferenceError } from "@frugal/core";

import { expectRange, isIn } from "../sampling/sampling-options.ts";

/**
 * The shape of a draft tree over ranked guesses: one path of ranks per node, `[0]` for the likeliest
 * successor of the last token, `[0, 2]` for the third likeliest of that. A node comes after its
 * parent, and the more useful ones come first where not all fit.
 */
export type RankTemplate = readonly (readonly number[])[];

/** A {@link RankTemplate} as flat arrays, `[n]` each. */
export interface FlatTemplate {
  /** Index of the parent, or -1. */
  readonly parents: Int32Array;
  readonly ranks: Uint8Array;
  readonly depths: Uint8Array;
}

/**
 * The `nodes` likeliest paths if a guess of rank `r` is right with probability `acceptance[r]`, the
 * likeliest first: what yields most accepted tokens for its size. Ties go to the earlier parent.
 *
 * Cost: O(nodes²).
 *
 * @throws {@link InferenceError} `range` unless 1 to 64 probabilities are given, of which none is
 *   larger than the one before it, `nodes` is in [1, 1024] and `maxDepth` in [1, 64].
 */
export function likelyTemplate(
  acceptance: readonly number[],
  nodes: number,
  maxDepth: number = 64,
): RankTemplate {
  const { length } = acceptance;
  expectRange("acceptance", length, "1 to 64 numbers", length >= 1 && length <= 64);
  for (const [i, probability] of acceptance.entries()) {
    const most = acceptance[i - 1] ?? 1;
    const isFalling = probability >= 0 && probability <= most;
    expectRange("acceptance", probability, `a number in [0, ${most}]`, isFalling);
  }
  expectRange("nodes", nodes, "an integer in [1, 1024]", isIn(nodes, 1, 1024));
  expectRange("maxDepth", maxDepth, "an integer in [1, 64]", isIn(maxDepth, 1, 64));
  const found: { path: readonly number[]; reach: number; children: number }[] = [
    { path: [], reach: 1, children: 0 },
  ];
  while (found.length <= nodes) {
    let best: (typeof found)[number] | null = null;
    let most = -1;
    for (const node of found) {
      if (node.children === length || node.path.length === maxDepth) continue;
      const reach = node.reach * acceptance[node.children]!;
      if (reach <= most) continue;
      most = reach;
      best = node;
    }
    if (best === null) break;
    found.push({ path: [...best.path, best.children], reach: most, children: 0 });
    best.children++;
  }
  return found.slice(1).map(({ path }) => path);
}

/**
 * The tree from numbers of children: `levels[d]` has one for each node of depth `d`, the root's
 * alone first. The children of a node have the ranks from 0 on. Nodes are in breadth-first order.
 *
 * @throws {@link InferenceError} `shape` if a level has not as many entries as there are nodes.
 */
export function levelTemplate(levels: readonly (readonly number[])[]): RankTemplate {
  const paths: (readonly number[])[] = [];
  let parents: (readonly number[])[] = [[]];
  for (const counts of levels) {
    if (counts.length !== parents.length) {
      const got = `${parents.length}, got ${counts.length}`;
      throw new InferenceError("shape", `levels: expected one number per node, ${got}`);
    }
    parents = parents.flatMap((path, i) =>
      Array.from({ length: counts[i]! }, (_, rank) => [...path, rank]),
    );
    paths.push(...parents);
  }
  return paths;
}

/**
 * The tree of 80 nodes that Token Recycling was published with, of 8 ranks and depth 6. Made for
 * devices on which a block of 81 rows takes little longer than one row.
 *
 * @see Luo et al., arXiv:2408.08696
 */
export function recyclingTemplate(): RankTemplate {
  const none = (count: number): number[] => Array.from({ length: count }, () => 0);
  return levelTemplate([
    [8],
    [8, 4, 3, 2, 1, 1, 1, 1],
    [8, 3, 2, 1, 1, 1, 1, 1, 2, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0],
    [5, 2, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, ...none(6), 1, 0, 0, 1, 1, 0, 0],
    [3, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0],
    [2, 0, 0, 1, ...none(4)],
  ]);
}

/**
 * Checks a template and lays it out.
 *
 * @throws {@link InferenceError} `range` for an empty template, a rank outside `[0, k)`, a path
 *   longer than 64, one given twice, or one whose parent does not come before it.
 */
export function flattenTemplate(template: RankTemplate, k: number): FlatTemplate {
  const count = template.length;
  expectRange("template", count, "1 to 1024 nodes", count >= 1 && count <= 1024);
  const indices = new Map<string, number>([["", -1]]);
  const parents = new Int32Array(count);
  const ranks = new Uint8Array(count);
  const depths = new Uint8Array(count);
  for (const [i, path] of template.entries()) {
    const rank = path.at(-1) ?? -1;
    const subject = `template[${i}]`;
    expectRange(subject, rank, `ranks in [0, ${k})`, isIn(rank, 0, k - 1));
    expectRange(subject, path.length, "at most 64 ranks", path.length <= 64);
    const parent = indices.get(path.slice(0, -1).join());
    expectRange(subject, path.join(), "a parent before it", parent !== undefined);
    expectRange(subject, path.join(), "no path twice", !indices.has(path.join()));
    indices.set(path.join(), i);
    parents[i] = parent!;
    ranks[i] = rank;
    depths[i] = path.length;
  }
  return { parents, ranks, depths };
}
