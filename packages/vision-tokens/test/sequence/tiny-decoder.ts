import { type Matrix, philox } from "@frugal/core";

// A two-layer decoder as language models have it: root mean square norms, grouped-query attention with
// rotary positions, a gated MLP, residuals. Weights are seeded; numbers are float64.
const width = 16;
const headSize = 8;
const heads = 2;
const hidden = 24;
const layers = 2;
/** How many of the four angles of a head turn by frame, row and column, as in M-RoPE. */
const sections = [2, 1, 1];

type Row = readonly number[];

/** Keys and values of one layer, keys turned. */
export interface LayerCache {
  readonly keys: Row[];
  readonly values: Row[];
}

/** One row of keys and values per token, for all layers. */
export type Cache = readonly LayerCache[];

export function emptyCache(): Cache {
  return Array.from({ length: layers }, () => ({ keys: [], values: [] }));
}

/** The same rows in every layer. */
export function gatherCache(cache: Cache, rows: ArrayLike<number>): Cache {
  return cache.map(({ keys, values }) => ({
    keys: Array.from(rows, (row) => keys[row]!),
    values: Array.from(rows, (row) => values[row]!),
  }));
}

/** What a pass is given beside its rows. */
export interface PassOptions {
  /** Positions of the rows, `axes` coordinates each: one axis after the other, as plans have them. */
  readonly positions: ArrayLike<number>;
  readonly axes: 1 | 3;
  readonly unitsPerPosition: number;
  /** Grown by the pass. Default: nothing is cached. */
  readonly cache?: Cache;
  /** Which of the keys, cached ones first, may be seen. Default: all. */
  readonly visible?: (key: number) => boolean;
}

/** The hidden states behind the last layer. A row that sees nothing, itself included, passes unmixed. */
export function runDecoder(x: readonly Row[], options: PassOptions): number[][] {
  const { cache = emptyCache(), visible = () => true } = options;
  const angles = x.map((_, i) => anglesOf(i, x.length, options));
  let states = x.map((row) => [...row]);
  for (const [layer, { keys, values }] of cache.entries()) {
    const normed = states.map(normalize);
    const before = keys.length;
    for (const [i, row] of normed.entries()) {
      keys.push(rotate(times(row, weightsOf(layer, 0, headSize)), angles[i]!));
      values.push(times(row, weightsOf(layer, 1, headSize)));
    }
    states = states.map((state, i) => {
      const queries = times(normed[i]!, weightsOf(layer, 2, heads * headSize));
      const mixed = Array.from({ length: heads }, (_, head) => {
        const query = rotate(queries.slice(head * headSize, (head + 1) * headSize), angles[i]!);
        return mix(query, keys, values, (key) => key <= before + i && visible(key));
      });
      return add(state, times(mixed.flat(), weightsOf(layer, 3, width)));
    });
    states = states.map((state) => {
      const row = normalize(state);
      const gate = times(row, weightsOf(layer, 4, hidden));
      const up = times(row, weightsOf(layer, 5, hidden));
      const inner = up.map((value, i) => (value * gate[i]!) / (1 + Math.exp(-gate[i]!)));
      return add(state, times(inner, weightsOf(layer, 6, width)));
    });
  }
  return states;
}

/** Rows of numbers in (-1, 1), as embeddings. */
export function randomEmbeddings(seed: number, count: number): number[][] {
  const rng = philox(seed);
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: width }, (__, col) => 2 * rng.uniform(row, 9, col) - 1),
  );
}

function anglesOf(
  row: number,
  count: number,
  { positions, axes, unitsPerPosition }: PassOptions,
): number[] {
  const angles: number[] = [];
  for (let pair = 0; pair < headSize / 2; pair++) {
    const axis = axes === 1 || pair < sections[0]! ? 0 : pair < sections[0]! + sections[1]! ? 1 : 2;
    const position = positions[axis * count + row]! / unitsPerPosition;
    angles.push(position / 20 ** ((2 * pair) / headSize));
  }
  return angles;
}

/** Turns number `i` against number `i + half`. */
function rotate(row: Row, angles: Row): number[] {
  const half = headSize / 2;
  return row.map((x, i) => {
    const angle = angles[i % half]!;
    const other = i < half ? -row[i + half]! : row[i - half]!;
    return x * Math.cos(angle) + other * Math.sin(angle);
  });
}

function mix(
  query: Row,
  keys: readonly Row[],
  values: readonly Row[],
  sees: (key: number) => boolean,
): number[] {
  const seen = [...keys.keys()].filter(sees);
  const weights = seen.map((key) => Math.exp(product(query, keys[key]!) / Math.sqrt(headSize)));
  const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
  return Array.from({ length: headSize }, (_, c) =>
    seen.reduce((sum, key, i) => sum + (weights[i]! / total) * values[key]![c]!, 0),
  );
}

function normalize(row: Row): number[] {
  const scale = 1 / Math.sqrt(product(row, row) / row.length + 1e-6);
  return row.map((x) => x * scale);
}

function times(row: Row, weights: Matrix): number[] {
  return Array.from({ length: weights.cols }, (_, col) => {
    let sum = 0;
    for (const [i, x] of row.entries()) sum += x * weights.data[i * weights.cols + col]!;
    return sum;
  });
}

function weightsOf(layer: number, kind: number, cols: number): Matrix {
  const rows = kind === 3 ? heads * headSize : kind === 6 ? hidden : width;
  const key = 10 * layer + kind;
  const known = weights.get(key);
  if (known !== undefined) return known;
  const rng = philox(71);
  const data = Float32Array.from({ length: rows * cols }, (_, i) => rng.uniform(key, 3, i) - 0.5);
  const made = { data, rows, cols };
  weights.set(key, made);
  return made;
}

const weights = new Map<number, Matrix>();

function add(a: Row, b: Row): number[] {
  return a.map((x, i) => x + b[i]!);
}

function product(a: Row, b: Row): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
}
