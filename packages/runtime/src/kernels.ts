import { InferenceError, type Kernels } from "@frugal/core";

import { GraphBuilder } from "./graph/graph-builder.ts";
import { type OperatorSet, productTransposed } from "./graph/product.ts";
import type { InferenceSession, Ort } from "./onnx/ort.ts";
import { runSession } from "./onnx/run-session.ts";

/** {@link Kernels} that hold a session. */
export interface SessionKernels extends Kernels {
  /** Frees the session. Idempotent. */
  dispose(): Promise<void>;
}

/** The graph of {@link createKernels}: `gram` `[n, n]`, the products of all pairs of rows of `x` `[n, d]`. */
export function buildKernels(operators: OperatorSet): Uint8Array {
  const graph = new GraphBuilder(operators);
  const x = graph.input("x", "float32", ["n", "d"]);
  graph.output("gram", productTransposed(graph, x, x, 2), "float32", ["n", "n"]);
  return graph.finish("kernels");
}

/**
 * {@link Kernels} over a session of {@link buildKernels}: sums in float32, in the device's order, so that
 * near ties between rows may fall otherwise than in plain TypeScript. Symmetric to the bit. Owns the
 * session.
 *
 * @throws as `Kernels`; {@link InferenceError} `backend` if ONNX Runtime fails; `state` after `dispose`.
 */
export function createKernels(ort: Ort, session: InferenceSession): SessionKernels {
  let disposed: Promise<void> | null = null;
  return {
    async gram({ data, rows, cols }) {
      if (disposed !== null) throw new InferenceError("state", "kernels: used after dispose");
      if (data.length !== rows * cols) {
        const expected = `${rows * cols} values for ${rows} by ${cols}`;
        throw new InferenceError("shape", `x: expected ${expected}, got ${data.length}`);
      }
      // A product without rows ends the process of some providers.
      if (rows === 0 || cols === 0)
        return { data: new Float32Array(rows * rows), rows, cols: rows };
      const feeds = { x: new ort.Tensor("float32", data, [rows, cols]) };
      const { gram } = await runSession(session, feeds, ["gram"]);
      const products = gram!.data as Float32Array;
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < i; j++) products[j * rows + i] = products[i * rows + j]!;
      }
      return { data: products, rows, cols: rows };
    },
    async dispose() {
      disposed ??= session.release();
      await disposed;
    },
  };
}
