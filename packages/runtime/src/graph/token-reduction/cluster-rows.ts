import type { GraphBuilder } from "../graph-builder.ts";
import { productTransposed } from "../product.ts";
import { largest, scalar } from "./rows.ts";

/** Height and width. */
type Grid = readonly [height: number, width: number];

/** How rows become clusters; all of it is checked. */
export interface Clustering {
  readonly clusters: Grid;
  readonly iterations: number;
  readonly temperature: number;
  readonly window: number;
}

/** Far below every score, and finite: WebGPU's kernels are at odds with infinities. */
const excluded = -1e30;

/**
 * `clusterRows` in a graph: centres `[n, clusters, d]` of rows `[n, height * width, d]`.
 *
 * A row's own norm is the same for all centres and cancels in the softmax, so it is left out.
 */
export function clusterRows(
  graph: GraphBuilder,
  rows: string,
  grid: Grid,
  { clusters, iterations, temperature, window }: Clustering,
): string {
  const count = clusters[0] * clusters[1];
  const cells = grid[0] * grid[1];
  const means = graph.floats("cluster_means", poolingWeights(grid, clusters), [1, count, cells]);
  const outside = graph.floats("cluster_window", outsideWindow(grid, clusters, window), [
    1,
    count,
    cells,
  ]);
  let centres = graph.node("MatMul", [means, rows]);
  for (let i = 0; i < iterations; i++) {
    const closeness = scaledCloseness(graph, centres, rows, temperature);
    const allowed = graph.node("Add", [closeness, outside]);
    const shares = graph.node("Softmax", [allowed], { axis: { int: 1 } });
    const total = graph.node("ReduceSum", [shares, graph.ints([2])]);
    const least = scalar(graph, 1e-16);
    centres = graph.node("Div", [
      graph.node("MatMul", [shares, rows]),
      graph.node("Max", [total, least]),
    ]);
  }
  return centres;
}

/**
 * `reconstructRows` in a graph: every row `[n, cells, d]` as the mean of what became of the clusters
 * that were nearest to it, by `exp(-temperature * distance²)`.
 */
export function reconstructRows(
  graph: GraphBuilder,
  before: string,
  centresBefore: string,
  centresAfter: string,
  { neighbours, temperature }: { readonly neighbours: number; readonly temperature: number },
): string {
  const transposed = scaledCloseness(graph, centresBefore, before, temperature);
  const closeness = graph.node("Transpose", [transposed], { perm: { ints: [0, 2, 1] } });
  const [values] = largest(graph, closeness, neighbours, 2);
  const last = graph.node("Slice", [
    values,
    graph.ints([neighbours - 1]),
    graph.ints([neighbours]),
    graph.ints([2]),
  ]);
  const far = graph.node("Less", [closeness, last]);
  const near = graph.node("Where", [far, scalar(graph, excluded), closeness]);
  const weights = graph.node("Softmax", [near], { axis: { int: 2 } });
  return graph.node("MatMul", [weights, centresAfter]);
}

/** `-temperature * distance²` up to a number per row: `[n, clusters, cells]`. */
function scaledCloseness(
  graph: GraphBuilder,
  centres: string,
  rows: string,
  temperature: number,
): string {
  const squares = graph.node("ReduceSumSquare", [centres, graph.ints([2])]);
  const products = productTransposed(graph, centres, rows, 3, 2 * temperature);
  const norms = graph.node("Mul", [squares, scalar(graph, temperature)]);
  return graph.node("Sub", [products, norms]);
}

/** Adaptive average pooling as a matrix, `[clusters, cells]`. */
function poolingWeights([height, width]: Grid, [rows, cols]: Grid): Float32Array {
  const weights = new Float32Array(rows * cols * height * width);
  for (let r = 0; r < rows; r++) {
    const [top, bottom] = [Math.floor((r * height) / rows), Math.ceil(((r + 1) * height) / rows)];
    for (let c = 0; c < cols; c++) {
      const [left, right] = [Math.floor((c * width) / cols), Math.ceil(((c + 1) * width) / cols)];
      const weight = 1 / ((bottom - top) * (right - left));
      const from = (r * cols + c) * height * width;
      for (let y = top; y < bottom; y++) {
        weights.fill(weight, from + y * width + left, from + y * width + right);
      }
    }
  }
  return weights;
}

/** What excludes cells from centres that are more than half a window away, `[clusters, cells]`. */
function outsideWindow([height, width]: Grid, [rows, cols]: Grid, window: number): Float32Array {
  const reach = (window - 1) / 2;
  const bias = new Float32Array(rows * cols * height * width);
  for (let centre = 0; centre < rows * cols; centre++) {
    for (let cell = 0; cell < height * width; cell++) {
      const y = Math.floor((Math.floor(cell / width) * rows) / height);
      const x = Math.floor(((cell % width) * cols) / width);
      const isNear =
        Math.abs(y - Math.floor(centre / cols)) <= reach && Math.abs(x - (centre % cols)) <= reach;
      if (!isNear) bias[centre * height * width + cell] = excluded;
    }
  }
  return bias;
}
