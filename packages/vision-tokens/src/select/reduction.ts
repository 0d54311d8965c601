import { InferenceError, type Matrix } from "@frugal/core";

/**
 * Weighted sums of rows: row `r` of the result is the sum of `weights[i]` times row `indices[i]`, for
 * `i` from `starts[r]` to `starts[r + 1]`. Selecting, merging and pooling are all of this form.
 */
export interface Reduction {
  /** Rows before. */
  readonly rows: number;
  /** One number more than there are rows after. */
  readonly starts: Uint32Array;
  readonly indices: Uint32Array;
  readonly weights: Float32Array;
  /** The row whose place each result takes in the sequence, ascending: `keep` of `planSequence`. */
  readonly keep: Uint32Array;
}

/** A row of a reduction: whose place it takes, and what it is the sum of. */
export interface WeightedSum {
  readonly anchor: number;
  readonly terms: readonly (readonly [row: number, weight: number])[];
}

/** Puts sums into one reduction, in the order of their anchors. Unchecked: anchors are distinct. */
export function createReduction(rows: number, sums: readonly WeightedSum[]): Reduction {
  const ordered = [...sums].sort((a, b) => a.anchor - b.anchor);
  const terms = ordered.flatMap((sum) => sum.terms);
  const starts = new Uint32Array(ordered.length + 1);
  for (const [r, sum] of ordered.entries()) starts[r + 1] = starts[r]! + sum.terms.length;
  return {
    rows,
    starts,
    indices: Uint32Array.from(terms, ([row]) => row),
    weights: Float32Array.from(terms, ([, weight]) => weight),
    keep: Uint32Array.from(ordered, ({ anchor }) => anchor),
  };
}

/**
 * Reduces features. Sums are accumulated in float64.
 *
 * _Cost_: O(terms · columns).
 *
 * @returns as many rows as the reduction keeps, new.
 * @throws {@link InferenceError} `shape` if the features have another number of rows.
 */
export function applyReduction(reduction: Reduction, { data, rows, cols }: Matrix): Matrix {
  const { starts, indices, weights, keep } = reduction;
  if (rows !== reduction.rows) {
    throw new InferenceError("shape", `x: expected ${reduction.rows} rows, got ${rows}`);
  }
  const out = new Float32Array(keep.length * cols);
  const sum = new Float64Array(cols);
  for (let r = 0; r < keep.length; r++) {
    sum.fill(0);
    for (let i = starts[r]!; i < starts[r + 1]!; i++) {
      const from = indices[i]! * cols;
      for (let c = 0; c < cols; c++) sum[c]! += weights[i]! * data[from + c]!;
    }
    out.set(sum, r * cols);
  }
  return { data: out, rows: keep.length, cols };
}

/** The reduction that does `inner` first and then `outer`. Unchecked: they fit. */
export function composeReductions(outer: Reduction, inner: Reduction): Reduction {
  const sums = Array.from(outer.keep, (row, r) => {
    const terms: [number, number][] = [];
    for (let i = outer.starts[r]!; i < outer.starts[r + 1]!; i++) {
      const from = outer.indices[i]!;
      for (let j = inner.starts[from]!; j < inner.starts[from + 1]!; j++) {
        terms.push([inner.indices[j]!, outer.weights[i]! * inner.weights[j]!]);
      }
    }
    return { anchor: inner.keep[row]!, terms };
  });
  return createReduction(inner.rows, sums);
}
