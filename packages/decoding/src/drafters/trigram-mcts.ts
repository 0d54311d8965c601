import { randomStream, type Rng } from "@frugal/core";

import { expectRange } from "../sampling/sampling-options.ts";
import type { Draft, Drafter } from "./drafter.ts";
import { createTrigramSearch, type TrigramSearch } from "./trigram-search.ts";
import type { TrigramTable } from "./trigram-table.ts";

/** Options of {@link trigramMcts}. */
export interface TrigramMctsOptions {
  /** What follows what. The drafter goes on learning into it. */
  readonly table: TrigramTable;
  /** Searches per draft, in [1, 10000]. Default 150. */
  readonly iterations?: number;
  /** Depth of the search, in [1, 64]; drafted paths are one token longer. Default 3. */
  readonly depth?: number;
  /** How many nodes of the search are drafted, in [1, 1024]. Default 24. */
  readonly paths?: number;
  /** The most tokens of a draft, in [1, 1024]. Default 64. */
  readonly budget?: number;
}

/** How many of the text's last tokens are noted before each draft. */
const window = 16;

/**
 * A drafter that searches a table of trigrams for paths that are likely as a whole.
 *
 * Before each draft the trigrams among the last 16 tokens of the text gain weight. Then a Monte
 * Carlo tree search from the last two tokens decides which paths to draft: the nodes visited most
 * often, each extended by its likeliest successor. Where trees are off it is the path of most
 * visits, extended as long as the table knows how. Draws come from the stream `draft` of the
 * position after the text, so that the draft is a function of the text and the table.
 *
 * Cost: O(iterations depth width) per draft; nothing but the draft is allocated.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see `docs/algorithms/trigram-search.md`; Liu et al., "Adaptive Draft-Verification for Efficient
 *   Large Language Model Decoding", arXiv:2407.12021
 */
export function trigramMcts(options: TrigramMctsOptions): Drafter {
  const { table, iterations = 150, depth = 3, paths = 24, budget = 64 } = options;
  expectCount("iterations", iterations, 10_000);
  expectCount("depth", depth, 64);
  expectCount("paths", paths, 1024);
  expectCount("budget", budget, 1024);
  const search = createTrigramSearch(table, iterations, depth);

  return {
    kinds: ["point"],
    trees: true,
    propose({ history, maxTokens, maxDepth, tree, random, stopIds }) {
      const { length } = history;
      for (let i = Math.max(2, length - window + 2); i < length; i++) {
        table.reinforce(history.at(i - 2), history.at(i - 1), history.at(i));
      }
      const none: Draft = { tokens: new Uint32Array(0), runMs: 0 };
      if (length < 2) return none;
      const draws = drawsAt(random, history.start + length);
      search.run(history.at(length - 2), history.at(length - 1), draws);
      const limit = Math.min(maxTokens, budget);
      return tree
        ? treeOf(search, Math.min(paths, limit), limit, maxDepth, stopIds)
        : chainOf(search, Math.min(limit, maxDepth), stopIds);
    },
  };
}

/** One random number after another, all of one position. */
function drawsAt(random: Rng, position: number): () => number {
  let index = 0;
  return () => random.uniform(position, randomStream.draft, index++);
}

/** The nodes of most visits, then their extensions that are not among them, as far as they fit. */
function treeOf(
  search: TrigramSearch,
  paths: number,
  limit: number,
  maxDepth: number,
  stopIds: ReadonlySet<number>,
): Draft {
  const tokens = new Uint32Array(limit);
  const parents = new Int32Array(limit);
  const chosen = search.mostVisited(paths, maxDepth, stopIds);
  const place = new Map<number, number>([[0, -1]]);
  let count = 0;
  for (const node of chosen) {
    place.set(node, count);
    tokens[count] = search.tokenOf(node);
    parents[count++] = place.get(search.parentOf(node))!;
  }
  for (const node of chosen) {
    const next = search.likeliestAfter(node);
    const isUsable = next >= 0 && search.depthOf(node) < maxDepth;
    if (count === limit || !isUsable || stopIds.has(search.tokenOf(node))) continue;
    const child = search.firstChildOf(node);
    // The likeliest successor is the first child, where there are children.
    if (child >= 0 && place.has(child)) continue;
    tokens[count] = next;
    parents[count++] = place.get(node)!;
  }
  return { tokens: tokens.subarray(0, count), parents: parents.subarray(0, count), runMs: 0 };
}

/** The path of most visits, extended by likeliest successors. */
function chainOf(search: TrigramSearch, limit: number, stopIds: ReadonlySet<number>): Draft {
  const tokens = new Uint32Array(limit);
  let count = search.bestPath(tokens);
  const stop = tokens.subarray(0, count).findIndex((token) => stopIds.has(token));
  if (stop >= 0) count = stop + 1;
  while (count > 0 && count < limit && !stopIds.has(tokens[count - 1]!)) {
    const next = search.likeliestAfterPath(tokens, count);
    if (next < 0) break;
    tokens[count++] = next;
  }
  return { tokens: tokens.subarray(0, count), runMs: 0 };
}

function expectCount(name: string, value: number, most: number): void {
  const isCount = Number.isInteger(value) && value >= 1 && value <= most;
  expectRange(name, value, `an integer in [1, ${most}]`, isCount);
}
