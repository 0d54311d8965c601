import type { GraphBuilder } from "./graph-builder.ts";

/**
 * Which operators a graph is made of: those that are fastest on the CPU provider, or those that the
 * WebGPU provider has kernels for, too.
 */
export type OperatorSet = "cpu" | "portable";

/**
 * `a · bᵀ`, times `scale`, where `b` has as many dimensions as `rank` says, the last two of them
 * `[n, k]`.
 *
 * On the CPU one operator reads `b` as it lies. WebGPU has none that does, so `b` is transposed
 * first: weights once, when the model is loaded; cached keys at every step.
 */
export function productTransposed(
  graph: GraphBuilder,
  a: string,
  b: string,
  rank: 2 | 3 | 4,
  scale = 1,
): string {
  if (graph.operators === "cpu") {
    return graph.node("FusedMatMul", [a, b], { transB: { int: 1 }, alpha: { float: scale } });
  }
  const perm = {
    ints: [
      [1, 0],
      [0, 2, 1],
      [0, 1, 3, 2],
    ][rank - 2]!,
  };
  const product = graph.node("MatMul", [a, graph.node("Transpose", [b], { perm })]);
  if (scale === 1) return product;
  const factor = graph.floats(`scale:${scale}`, Float32Array.of(scale), []);
  return graph.node("Mul", [product, factor]);
}
