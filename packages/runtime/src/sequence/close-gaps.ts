/**
 * Closes the gaps between rows that each span the positions from `lows[slot]` to `highs[slot]`: fills
 * `ranks` so that position `p` of a row goes to `ranks[p]`, the number of positions below it that some
 * row of `slots` spans.
 *
 * All positions within a row's span have neighbours there, so the row moves by one distance.
 *
 * _Cost_: O(rows + positions). Unchecked: `ranks` has room for the highest position and one more.
 */
export function closeGaps(
  slots: Uint32Array,
  lows: Int32Array,
  highs: Int32Array,
  ranks: Int32Array,
): void {
  let end = 0;
  for (const slot of slots) end = Math.max(end, highs[slot]! + 1);
  // First how many more spans begin than end at each position.
  ranks.fill(0, 0, end + 1);
  for (const slot of slots) {
    ranks[lows[slot]!]!++;
    ranks[highs[slot]! + 1]!--;
  }
  let open = 0;
  let rank = 0;
  for (let position = 0; position < end; position++) {
    open += ranks[position]!;
    ranks[position] = rank;
    if (open > 0) rank++;
  }
}
