import type { TrigramTable } from "./trigram-table.ts";

/** A Monte Carlo tree search over a {@link TrigramTable}; node 0 is the root. */
export interface TrigramSearch {
  /** Searches anew from a pair of tokens; `draw` returns numbers in (0, 1). */
  run(a: number, b: number, draw: () => number): void;
  tokenOf(node: number): number;
  parentOf(node: number): number;
  /** 0 for the root. */
  depthOf(node: number): number;
  visitsOf(node: number): number;
  /** The heaviest successor that was expanded, or -1. */
  firstChildOf(node: number): number;
  /** The heaviest successor in the table, or -1. */
  likeliestAfter(node: number): number;
  /** The same after the root and `count` tokens, at least one. */
  likeliestAfterPath(tokens: Uint32Array, count: number): number;
  /**
   * At most `count` visited nodes other than the root, by descending visits (the older of equals),
   * none deeper than `maxDepth` or below a stop id; parents before children.
   */
  mostVisited(count: number, maxDepth: number, stopIds: ReadonlySet<number>): number[];
  /** Writes the path of most visits into `out`; its length. */
  bestPath(out: Uint32Array): number;
}

/** Constants of the selection rule. */
const c1 = 32;
const c2 = 8;

/**
 * What a child is worth to the selection: its mean score, and a bonus for its prior that shrinks
 * with its visits.
 *
 * @see the PUCT rule of Silver et al., "Mastering the game of Go without human knowledge" (2017)
 */
export function selectionValue(
  score: number,
  visits: number,
  parentVisits: number,
  prior: number,
): number {
  if (visits === 0) return Infinity;
  const explore = c1 + Math.log((parentVisits + c2 + 1) / c2);
  return score / visits + (explore * prior * Math.sqrt(parentVisits)) / (1 + visits);
}

/**
 * A search of `iterations` rounds, to `depth` tokens after the root.
 *
 * A round descends to the child of the largest {@link selectionValue} (the heavier of equals) until
 * it comes to a node without children, gives it one for each successor in the table, descends once
 * more, draws the rest of the path by weight, and adds `1 + sum of weights` along the path to the
 * nodes it visited. The pool of nodes is allocated once, of `iterations + 1` times the table's width.
 */
export function createTrigramSearch(
  table: TrigramTable,
  iterations: number,
  depth: number,
): TrigramSearch {
  const capacity = (iterations + 1) * table.width + 1;
  const tokens = new Uint32Array(capacity);
  const parents = new Int32Array(capacity);
  const depths = new Uint8Array(capacity);
  const priors = new Float64Array(capacity);
  const visits = new Uint32Array(capacity);
  const scores = new Float64Array(capacity);
  /** Children are consecutive; a count of -1 says that the node was not expanded. */
  const firsts = new Int32Array(capacity);
  const counts = new Int32Array(capacity);
  let size = 0;
  /** The token before the root's. */
  let before = 0;

  const add = (parent: number, token: number, prior: number): void => {
    tokens[size] = token;
    parents[size] = parent;
    depths[size] = parent < 0 ? 0 : depths[parent]! + 1;
    priors[size] = prior;
    visits[size] = 0;
    scores[size] = 0;
    firsts[size] = -1;
    counts[size++] = -1;
  };
  /** The row of what follows a node. */
  const rowAfter = (node: number): number =>
    table.rowOf(node === 0 ? before : tokens[parents[node]!]!, tokens[node]!);

  const expand = (node: number): void => {
    counts[node] = 0;
    if (depths[node] === depth) return;
    const row = rowAfter(node);
    if (row < 0) return;
    const first = size;
    for (let i = 0; table.tokenAt(row, i) >= 0; i++) {
      add(node, table.tokenAt(row, i), table.weightAt(row, i));
    }
    firsts[node] = first;
    counts[node] = size - first;
  };

  const select = (node: number): number => {
    let best = -1;
    let most = -1;
    for (let child = firsts[node]!, end = child + counts[node]!; child < end; child++) {
      const value = selectionValue(scores[child]!, visits[child]!, visits[node]!, priors[child]!);
      if (value <= most) continue;
      most = value;
      best = child;
    }
    return best;
  };

  /** The sum of weights of a path drawn from a node to the full depth. */
  const rollOut = (node: number, draw: () => number): number => {
    let sum = 0;
    let a = node === 0 ? before : tokens[parents[node]!]!;
    let b = tokens[node]!;
    for (let d = depths[node]!; d < depth; d++) {
      const row = table.rowOf(a, b);
      if (row < 0) break;
      let total = 0;
      for (let i = 0; table.tokenAt(row, i) >= 0; i++) total += table.weightAt(row, i);
      let rest = draw() * total;
      let i = 0;
      while (rest >= table.weightAt(row, i) && table.tokenAt(row, i + 1) >= 0) {
        rest -= table.weightAt(row, i++);
      }
      sum += table.weightAt(row, i);
      a = b;
      b = table.tokenAt(row, i);
    }
    return sum;
  };

  const descend = (draw: () => number): void => {
    let node = 0;
    let score = 1;
    for (;;) {
      const isNew = counts[node]! < 0;
      if (isNew) expand(node);
      if (counts[node] === 0) break;
      node = select(node);
      score += priors[node]!;
      if (isNew) break;
    }
    score += rollOut(node, draw);
    for (let at = node; at >= 0; at = parents[at]!) {
      visits[at]!++;
      scores[at]! += score;
    }
  };

  return {
    run(a, b, draw) {
      size = 0;
      before = a;
      add(-1, b, 1);
      for (let i = 0; i < iterations; i++) descend(draw);
    },
    tokenOf: (node) => tokens[node]!,
    parentOf: (node) => parents[node]!,
    depthOf: (node) => depths[node]!,
    visitsOf: (node) => visits[node]!,
    firstChildOf: (node) => firsts[node]!,
    likeliestAfter(node) {
      const row = rowAfter(node);
      return row < 0 ? -1 : table.tokenAt(row, 0);
    },
    likeliestAfterPath(path, count) {
      const a = count > 1 ? path[count - 2]! : tokens[0]!;
      const row = table.rowOf(a, path[count - 1]!);
      return row < 0 ? -1 : table.tokenAt(row, 0);
    },
    mostVisited(count, maxDepth, stopIds) {
      const usable = new Uint8Array(size);
      usable[0] = 1;
      const found: number[] = [];
      for (let node = 1; node < size; node++) {
        const parent = parents[node]!;
        const isBelowStop = parent > 0 && stopIds.has(tokens[parent]!);
        if (usable[parent] === 0 || isBelowStop || depths[node]! > maxDepth) continue;
        if (visits[node] === 0) continue;
        usable[node] = 1;
        found.push(node);
      }
      return found.sort((a, b) => visits[b]! - visits[a]! || a - b).slice(0, count);
    },
    bestPath(out) {
      let node = 0;
      let length = 0;
      while (length < out.length && counts[node]! > 0) {
        const first = firsts[node]!;
        let best = first;
        for (let child = first + 1; child < first + counts[node]!; child++) {
          if (visits[child]! > visits[best]!) best = child;
        }
        if (visits[best] === 0) break;
        out[length++] = tokens[best]!;
        node = best;
      }
      return length;
    },
  };
}
