import type { GraphBuilder } from "../graph-builder.ts";

// Numbers of rows are float32 columns `[n, k, 1]`, and become int64 only to index with: WebGPU has
// kernels for those, and few for arithmetic with int64.

/** Rows of `[n, rows, d]` by a column of numbers `[n, k, 1]`: `[n, k, d]`. */
export function gatherRows(graph: GraphBuilder, rows: string, numbers: string): string {
  return gatherAt(graph, rows, graph.node("Cast", [numbers], { to: { int: 7 } }));
}

/** The same by a column of int64 indices. */
export function gatherAt(graph: GraphBuilder, rows: string, indices: string): string {
  return graph.node("GatherND", [rows, indices], { batch_dims: { int: 1 } });
}

/** The rows of `[n, rows, d]` in `[from, to)`, every `step`-th of them. */
export function sliceRows(
  graph: GraphBuilder,
  rows: string,
  [from, to]: readonly [number, number],
  step = 1,
): string {
  const [start, end, axis, by] = [[from], [to], [1], [step]].map((value) => graph.ints(value));
  return graph.node("Slice", [rows, start!, end!, axis!, by!]);
}

/** Rows of length 1; a row of zeros stays. */
export function unitRows(graph: GraphBuilder, rows: string): string {
  const length = graph.node("ReduceL2", [rows, graph.ints([2])]);
  return graph.node("Div", [rows, graph.node("Max", [length, scalar(graph, 1e-30)])]);
}

/** A float32 constant by which everything is multiplied, or that is added to everything. */
export function scalar(graph: GraphBuilder, value: number): string {
  return graph.floats(`scalar:${value}`, Float32Array.of(value), []);
}

/** `from, from + step, ..`, float32 of the given dimensions. */
export function counting(graph: GraphBuilder, dims: readonly number[], from = 0, step = 1): string {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const values = Float32Array.from({ length: count }, (_, i) => from + step * i);
  return graph.floats(`counting:${from}:${step}:${dims.join("x")}`, values, dims);
}

/** The numbers of rows that int64 indices count: `from + step * index`, of the indices' shape. */
export function numbersAt(
  graph: GraphBuilder,
  indices: string,
  count: number,
  from = 0,
  step = 1,
): string {
  return graph.node("Gather", [counting(graph, [count], from, step), indices]);
}

/** 1 where row `i` is the `j`-th of a column of `count` numbers, else 0: `[n, rows, count]`. */
export function membership(
  graph: GraphBuilder,
  rows: number,
  numbers: string,
  count: number,
): string {
  const wanted = graph.node("Reshape", [numbers, graph.ints([-1, 1, count])]);
  const isIt = graph.node("Equal", [counting(graph, [1, rows, 1]), wanted]);
  return graph.node("Cast", [isIt], { to: { int: 1 } });
}

/** The largest along an axis of three: values, and int64 indices; of equal ones the first. */
export function largest(
  graph: GraphBuilder,
  values: string,
  count: number,
  axis: 1 | 2 = 1,
): readonly [values: string, indices: string] {
  const [found, indices] = graph.nodes("TopK", [values, graph.ints([count])], 2, {
    axis: { int: axis },
  });
  return [found!, indices!];
}
