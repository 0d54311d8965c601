import { philox } from "@frugal/core";

import type { Geometry, LayerView } from "../../src/index.ts";

/** Two KV heads, two query heads each. */
export const geometry: Geometry = { layers: 4, heads: 4, kvHeads: 2, headDim: 6 };

/** A view with normal queries and keys; the cache has spare room. */
export function randomView(
  seed: number,
  length: number,
  options: { readonly layer?: number; readonly rows?: number; readonly shape?: Geometry } = {},
): LayerView {
  const { layer = 0, rows = 1, shape = geometry } = options;
  const capacity = length + 5;
  const random = philox(seed);
  let position = 0;
  const normal = (): number => {
    const [u, v] = [random.uniform(position++), random.uniform(position++)];
    return Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);
  };
  const filled = (size: number): Float64Array => Float64Array.from({ length: size }, normal);
  return {
    layer,
    rows,
    queries: filled(rows * shape.heads * shape.headDim),
    keys: filled(shape.kvHeads * capacity * shape.headDim),
    capacity,
    length,
  };
}

/** The indices of a full sort: largest first, ties to the lower index, NaN last. */
export function sortedTop(values: ArrayLike<number>, k: number): number[] {
  const rank = (i: number): number => (Number.isNaN(values[i]!) ? -Infinity : values[i]!);
  const isNaN = (i: number): number => (Number.isNaN(values[i]!) ? 1 : 0);
  return Array.from(values, (_, i) => i)
    .sort((a, b) => {
      if (isNaN(a) !== isNaN(b)) return isNaN(a) - isNaN(b);
      const [x, y] = [rank(a), rank(b)];
      return x === y ? a - b : x > y ? -1 : 1;
    })
    .slice(0, k)
    .sort((a, b) => a - b);
}
