/** The rows of a block for a draft: the root first, then every distinct path of the draft once. */
export interface DraftRows {
  /** `[s]`; the root is row 0. */
  readonly tokens: Uint32Array;
  /** `[s]`: -1 for the root, else the row of the parent. */
  readonly parents: Int32Array;
  /** `[n]`: the row of each drafted token. Non-decreasing only where nothing was merged. */
  readonly rowOf: Uint32Array;
}

/**
 * Lays a draft out as the rows of a block, equal tokens after the same path as one row.
 *
 * Independent draws repeat themselves, and a repeated token would be computed twice; verifiers
 * still see every draw, because `rowOf` maps drafted tokens to rows. Rows are in the order of their
 * first draws, so the result is in topological order if the draft is.
 *
 * Shapes: `tokens` `[n]`, `parents` `[n]` with -1 for children of `root`, or null for a chain.
 * Unchecked. Cost: O(n²) comparisons of integers for a tree, O(n) for a chain.
 */
export function mergeSiblings(
  root: number,
  tokens: Uint32Array,
  parents: Int32Array | null,
): DraftRows {
  const n = tokens.length;
  const rowTokens = new Uint32Array(n + 1);
  const rowParents = new Int32Array(n + 1);
  const rowOf = new Uint32Array(n);
  rowTokens[0] = root;
  rowParents[0] = -1;
  let rows = 1;
  for (let i = 0; i < n; i++) {
    const node = parents === null ? i - 1 : parents[i]!;
    const parent = node < 0 ? 0 : rowOf[node]!;
    let row = parents === null ? rows : parent + 1;
    while (row < rows && (rowParents[row] !== parent || rowTokens[row] !== tokens[i])) row++;
    if (row === rows) {
      rowTokens[row] = tokens[i]!;
      rowParents[row] = parent;
      rows++;
    }
    rowOf[i] = row;
  }
  return { tokens: rowTokens.subarray(0, rows), parents: rowParents.subarray(0, rows), rowOf };
}
