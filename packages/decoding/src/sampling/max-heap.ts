/**
 * Arranges the first `n` values as a binary heap with the largest at index 0. Cost: O(n).
 *
 * Unchecked: `n <= values.length`, no NaN.
 */
export function buildMaxHeap(values: Float64Array, n: number): void {
  for (let i = (n >>> 1) - 1; i >= 0; i--) siftDown(values, i, n);
}

/**
 * Removes the largest of a heap of `n` values; the heap left has `n - 1`. Cost: O(log n).
 *
 * Unchecked: `n >= 1` and the values are arranged by {@link buildMaxHeap}.
 */
export function popLargest(values: Float64Array, n: number): number {
  const largest = values[0]!;
  values[0] = values[n - 1]!;
  siftDown(values, 0, n - 1);
  return largest;
}

function siftDown(values: Float64Array, start: number, n: number): void {
  let at = start;
  const value = values[at]!;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= n) break;
    if (child + 1 < n && values[child + 1]! > values[child]!) child++;
    if (values[child]! <= value) break;
    values[at] = values[child]!;
    at = child;
  }
  values[at] = value;
}
