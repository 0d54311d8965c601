/**
 * Indices, relative to `offset`, of the `k` largest of `n` values from `offset`, ascending.
 *
 * Equal values: the lower index first. NaN comes after everything else, `-Infinity` included.
 * Unchecked: the range lies inside `data`.
 *
 * _Cost_: O(n log k), and k numbers of scratch.
 *
 * @returns `min(k, n)` indices, new.
 */
export function topIndices(
  data: Float32Array | Float64Array,
  offset: number,
  n: number,
  k: number,
): Uint32Array {
  const size = Math.max(0, Math.min(k, n));
  const heap = Uint32Array.from({ length: size }, (_, i) => i);
  if (size === 0) return heap;
  for (let i = (size >> 1) - 1; i >= 0; i--) sink(heap, i, data, offset);
  for (let i = size; i < n; i++) {
    if (!isBefore(data, offset, i, heap[0]!)) continue;
    heap[0] = i;
    sink(heap, 0, data, offset);
  }
  return heap.sort();
}

/** Whether index `a` is chosen before index `b`. */
function isBefore(
  data: Float32Array | Float64Array,
  offset: number,
  a: number,
  b: number,
): boolean {
  const x = data[offset + a]!;
  const y = data[offset + b]!;
  if (x > y) return true;
  if (x < y) return false;
  const isNumber = !Number.isNaN(x);
  return isNumber === !Number.isNaN(y) ? a < b : isNumber;
}

/** Restores the heap below `at`; its root is the index that would be given up first. */
function sink(
  heap: Uint32Array,
  at: number,
  data: Float32Array | Float64Array,
  offset: number,
): void {
  const value = heap[at]!;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    const right = child + 1;
    if (right < heap.length && isBefore(data, offset, heap[child]!, heap[right]!)) child = right;
    if (!isBefore(data, offset, value, heap[child]!)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = value;
}
