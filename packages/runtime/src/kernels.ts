import { expectProducts, InferenceError, type Kernels, type Matrix } from "@frugal/core";

import { GraphBuilder } from "./graph/graph-builder.ts";
import { type OperatorSet, productTransposed } from "./graph/product.ts";
import type { Ort, RunningSession } from "./onnx/ort.ts";
import { runSession } from "./onnx/run-session.ts";

/** {@link Kernels} that hold a session. */
export interface SessionKernels extends Kernels {
  /** Frees the session. Idempotent. */
  dispose(): Promise<void>;
}

/** The graph of {@link createKernels}: `products` `[n, m]` of the rows of `a` `[n, d]` and `b` `[m, d]`. */
export function buildKernels(operators: OperatorSet): Uint8Array {
  const graph = new GraphBuilder(operators);
  const a = graph.input("a", "float32", ["n", "d"]);
  const b = graph.input("b", "float32", ["m", "d"]);
  graph.output("products", productTransposed(graph, a, b, 2), "float32", ["n", "m"]);
  return graph.finish("kernels");
}

/** Rows of a product that are computed at once. */
const blockRows = 512;

/**
 * {@link Kernels} over a session of {@link buildKernels}: sums in float32, in the device's order, so that
 * near ties between rows may fall otherwise than in plain TypeScript. `gram` computes half of its pairs.
 * What a run returns is a block of rows; beside the result no more than that is held. Owns the session.
 *
 * @throws as `Kernels`; {@link InferenceError} `shape` for buffers that do not fit; `backend` if ONNX
 *   Runtime fails; `state` after `dispose`.
 */
export function createKernels(ort: Ort, session: RunningSession): SessionKernels {
  let disposed: Promise<void> | null = null;
  const tensor = ({ data, rows, cols }: Matrix) => new ort.Tensor("float32", data, [rows, cols]);
  const multiply = async (a: Matrix, b: Matrix): Promise<Float32Array> => {
    const { products } = await runSession(session, { a: tensor(a), b: tensor(b) }, ["products"]);
    return products!.data as Float32Array;
  };
  const check = (a: Matrix, b: Matrix): void => {
    if (disposed !== null) throw new InferenceError("state", "kernels: used after dispose");
    expectProducts(a, b);
  };
  return {
    async products(a, b) {
      check(a, b);
      const out = new Float32Array(a.rows * b.rows);
      // A product without rows or columns ends the process of some providers.
      if (out.length === 0 || a.cols === 0) return { data: out, rows: a.rows, cols: b.rows };
      for (let from = 0; from < a.rows; from += blockRows) {
        const block = rowsOf(a, from, Math.min(from + blockRows, a.rows));
        out.set(await multiply(block, b), from * b.rows);
      }
      return { data: out, rows: a.rows, cols: b.rows };
    },
    async gram(x) {
      check(x, x);
      const n = x.rows;
      const out = new Float32Array(n * n);
      if (n === 0 || x.cols === 0) return { data: out, rows: n, cols: n };
      for (let from = 0; from < n; from += blockRows) {
        const to = Math.min(from + blockRows, n);
        const part = await multiply(rowsOf(x, from, to), rowsOf(x, 0, to));
        for (let row = from; row < to; row++) {
          out.set(part.subarray((row - from) * to, (row - from) * to + row + 1), row * n);
        }
        mirror(out, n, from, to);
      }
      return { data: out, rows: n, cols: n };
    },
    async dispose() {
      disposed ??= session.release();
      await disposed;
    },
  };
}

function rowsOf({ data, cols }: Matrix, from: number, to: number): Matrix {
  return { data: data.subarray(from * cols, to * cols), rows: to - from, cols };
}

/** Copies what is left of the diagonal in some rows to above it, in tiles that fit into a cache. */
function mirror(square: Float32Array, n: number, from: number, to: number): void {
  const tile = 32;
  for (let top = from; top < to; top += tile) {
    const bottom = Math.min(top + tile, to);
    for (let left = 0; left < bottom; left += tile) {
      for (let col = left; col < Math.min(left + tile, bottom); col++) {
        for (let row = Math.max(top, col + 1); row < bottom; row++) {
          square[col * n + row] = square[row * n + col]!;
        }
      }
    }
  }
}
