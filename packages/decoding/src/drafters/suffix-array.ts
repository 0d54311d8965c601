/**
 * The starts of all suffixes of `tokens`, in lexicographic order; a suffix comes before those that
 * it begins.
 *
 * Prefix doubling: ranks by the first k tokens give those by the first 2k. A rank is the index of
 * the first suffix of its group, which makes each pass a bucket sort without counting. Cost:
 * O(n log n) time, whatever the repetitions; five arrays of n.
 *
 * @see Manber and Myers, "Suffix arrays" (1993)
 */
export function buildSuffixArray(tokens: Uint32Array): Uint32Array {
  const n = tokens.length;
  const sorted = new Uint32Array(n);
  const bySecond = Uint32Array.from({ length: n }, (_, i) => i);
  const next = new Uint32Array(n);
  let rank: Uint32Array = rankTokens(tokens);
  let other: Uint32Array = new Uint32Array(n);

  const sortByRank = (): void => {
    for (let i = 0; i < n; i++) next[i] = i;
    for (let i = 0; i < n; i++) {
      const start = bySecond[i]!;
      const group = rank[start]!;
      sorted[next[group]!] = start;
      next[group] = next[group]! + 1;
    }
  };

  sortByRank();
  for (let k = 1; k < n; k *= 2) {
    // By the second half: suffixes without one come first, the others in the order of theirs.
    let filled = 0;
    for (let start = n - k; start < n; start++) bySecond[filled++] = start;
    for (let i = 0; i < n; i++) if (sorted[i]! >= k) bySecond[filled++] = sorted[i]! - k;
    sortByRank();
    const groups = rankPairs(sorted, rank, k, other);
    [rank, other] = [other, rank];
    if (groups === n) break;
  }
  return sorted;
}

/** For every token, how many tokens are smaller. */
function rankTokens(tokens: Uint32Array): Uint32Array {
  const ascending = tokens.slice().sort();
  const ranks = new Uint32Array(tokens.length);
  for (let i = 0; i < tokens.length; i++) {
    let low = 0;
    let high = tokens.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ascending[middle]! < tokens[i]!) low = middle + 1;
      else high = middle;
    }
    ranks[i] = low;
  }
  return ranks;
}

/** Ranks by the first 2k tokens, given the order by them and the ranks by the first k. */
function rankPairs(sorted: Uint32Array, rank: Uint32Array, k: number, out: Uint32Array): number {
  const n = sorted.length;
  let groups = 0;
  let group = 0;
  for (let i = 0; i < n; i++) {
    const start = sorted[i]!;
    const before = i === 0 ? -1 : sorted[i - 1]!;
    const isSame =
      before >= 0 &&
      rank[before] === rank[start] &&
      // Past the end there is no rank, and two suffixes of the same first half differ in length.
      before + k < n &&
      start + k < n &&
      rank[before + k] === rank[start + k];
    if (!isSame) {
      group = i;
      groups++;
    }
    out[start] = group;
  }
  return groups;
}
