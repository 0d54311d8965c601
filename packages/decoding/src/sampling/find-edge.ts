/** Where a selection of the largest values ends. */
export interface Edge {
  /** The smallest value that is selected. */
  readonly value: number;
  /** How many of the values equal to it are. */
  readonly ties: number;
}

/**
 * The smallest selection of largest values whose count (`weighByValue` false) or sum (true) reaches
 * `goal`; everything, if nothing does.
 *
 * Quickselect with a three-way partition and the median of three as pivot: O(n) expected, in place,
 * deterministic. Unchecked: `1 <= n <= values.length`, no NaN, `goal > 0`, and no negative value
 * where values are summed. Reorders `values`.
 */
export function findEdge(
  values: Float64Array,
  n: number,
  goal: number,
  weighByValue: boolean,
): Edge {
  let low = 0;
  let high = n;
  /** Weight of everything before `low`: all of it is selected. */
  let before = 0;
  for (;;) {
    const pivot = medianOfThree(values[low]!, values[(low + high) >>> 1]!, values[high - 1]!);
    // [low, above) is larger, [above, at) equal, [below, high) smaller, [at, below) unseen.
    let above = low;
    let below = high;
    let larger = 0;
    for (let at = low; at < below;) {
      const value = values[at]!;
      if (value > pivot) {
        larger += weighByValue ? value : 1;
        values[at++] = values[above]!;
        values[above++] = value;
      } else if (value < pivot) {
        values[at] = values[--below]!;
        values[below] = value;
      } else {
        at++;
      }
    }
    if (before + larger >= goal && above > low) {
      high = above;
      continue;
    }
    before += larger;
    const unit = weighByValue ? pivot : 1;
    const equal = below - above;
    for (let ties = 1; ties <= equal; ties++) {
      before += unit;
      if (before >= goal || (ties === equal && below === high)) return { value: pivot, ties };
    }
    low = below;
  }
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
