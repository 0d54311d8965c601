import type { Matrix } from "../matrix.ts";
import { wideDot } from "../numeric/wide-dot.ts";

/**
 * Heavy products that a device may do faster than TypeScript. Algorithms stay synchronous: they take
 * a product as an optional argument, which the caller obtains here first.
 */
export interface Kernels {
  /** Products of all pairs of rows of `x`: `rows` by `rows`, symmetric, new. */
  gram(x: Matrix): Promise<Matrix>;
}

/** {@link Kernels} in plain TypeScript; sums in float64. _Cost_: `gram` n² / 2 products of rows. */
export function plainKernels(): Kernels {
  return {
    gram: async ({ data, rows, cols }) => {
      const out = new Float32Array(rows * rows);
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j <= i; j++) {
          const product = wideDot(data, i * cols, data, j * cols, cols);
          out[i * rows + j] = product;
          out[j * rows + i] = product;
        }
      }
      return { data: out, rows, cols: rows };
    },
  };
}
