import { InferenceError } from "../errors.ts";
import type { Matrix } from "../matrix.ts";
import { wideDot } from "../numeric/wide-dot.ts";

/**
 * Heavy products that a device may do faster than TypeScript. Algorithms stay synchronous: they take
 * a product as an optional argument, which the caller obtains here first.
 */
export interface Kernels {
  /** Products of every row of `a` with every row of `b`: `a.rows` by `b.rows`, new. */
  products(a: Matrix, b: Matrix): Promise<Matrix>;
  /** Products of all pairs of rows of `x`: `rows` by `rows`, symmetric to the bit, new. */
  gram(x: Matrix): Promise<Matrix>;
}

/**
 * {@link Kernels} in plain TypeScript; sums in float64. _Cost_: `gram` n² / 2 products of rows.
 *
 * @throws {@link InferenceError} `shape` for buffers that do not fit their sizes or each other.
 */
export function plainKernels(): Kernels {
  return {
    products: async (a, b) => {
      expectProducts(a, b);
      const out = new Float32Array(a.rows * b.rows);
      for (let i = 0; i < a.rows; i++) {
        for (let j = 0; j < b.rows; j++) {
          out[i * b.rows + j] = wideDot(a.data, i * a.cols, b.data, j * a.cols, a.cols);
        }
      }
      return { data: out, rows: a.rows, cols: b.rows };
    },
    gram: async (x) => {
      expectProducts(x, x);
      const { data, rows, cols } = x;
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

/**
 * Checks the arguments of {@link Kernels.products}, for those who implement it.
 *
 * @throws {@link InferenceError} `shape` for buffers that do not fit their sizes or each other.
 */
export function expectProducts(a: Matrix, b: Matrix): void {
  for (const { data, rows, cols } of [a, b]) {
    if (data.length === rows * cols) continue;
    const expected = `${rows * cols} values for ${rows} by ${cols}`;
    throw new InferenceError("shape", `rows: expected ${expected}, got ${data.length}`);
  }
  if (a.cols === b.cols) return;
  throw new InferenceError("shape", `b: expected ${a.cols} columns, got ${b.cols}`);
}
