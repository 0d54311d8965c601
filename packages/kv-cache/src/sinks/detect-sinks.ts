import { InferenceError, type Matrix } from "@frugal/core";

/** Thresholds of {@link sinksByAttention}. */
export interface SinkThresholds {
  /** Mean attention from which a slot is a sink. Default 0.3. */
  readonly mass?: number;
  /** It must also be so many times the uniform share `1 / length`. Default 10. */
  readonly timesUniform?: number;
}

/**
 * The mean attention that each slot gets from the queries after it, `[n]`; 0 for the last slot.
 *
 * _Shapes_: `attention` `[n, n]`, rows are queries, causal: entry `(i, j)` with `j > i` is not read.
 *
 * @throws {@link InferenceError} `shape` if it is not square.
 * @see Active-Dormant Attention Heads (Guo et al.), arXiv:2410.13835
 */
export function sinkMass({ data, rows, cols }: Matrix): Float64Array {
  if (rows !== cols) {
    throw new InferenceError("shape", `attention: expected [n, n], got [${rows}, ${cols}]`);
  }
  const mass = new Float64Array(cols);
  for (let i = 1; i < rows; i++) {
    for (let j = 0; j < i; j++) mass[j]! += data[i * cols + j]! / (rows - 1 - j);
  }
  return mass;
}

/**
 * Slots that get much attention whatever the query, ascending.
 *
 * The paper shows the phenomenon and leaves the thresholds open; the defaults are ours.
 *
 * @throws {@link InferenceError} as {@link sinkMass}.
 */
export function sinksByAttention(attention: Matrix, thresholds: SinkThresholds = {}): Uint32Array {
  const { mass = 0.3, timesUniform = 10 } = thresholds;
  const bound = Math.max(mass, timesUniform / attention.rows);
  return indicesWhere(sinkMass(attention), (value) => value > bound);
}

/**
 * How much more the score of slot 0 is than the mean of the others, per query, `[n]`; 0 for the
 * first. From weights alone: logits differ from their logs by one constant per row.
 *
 * @throws {@link InferenceError} as {@link sinkMass}.
 */
export function sinkLogits(attention: Matrix): Float64Array {
  const { data, rows, cols } = attention;
  if (rows !== cols) {
    throw new InferenceError("shape", `attention: expected [n, n], got [${rows}, ${cols}]`);
  }
  const logits = new Float64Array(rows);
  for (let i = 1; i < rows; i++) {
    let sum = 0;
    for (let j = 1; j <= i; j++) sum += Math.log(data[i * cols + j]!);
    logits[i] = Math.log(data[i * cols]!) - sum / i;
  }
  return logits;
}

/**
 * Slots whose values are small beside the others, ascending: a sink is attended to and adds little.
 *
 * _Shapes_: `values` `[n, d]`, the value rows of one head (or those rows through the head's output
 * projection, as the paper measures them).
 *
 * @param ratio of a row's norm to the median norm, below which it is a sink. Default 0.25, ours.
 */
export function sinksByValue(values: Matrix, ratio = 0.25): Uint32Array {
  const norms = rowNorms(values);
  const bound = ratio * median(norms);
  return indicesWhere(norms, (norm) => norm < bound);
}

/**
 * How many times the largest other hidden state each slot's is, by norm, `[n]`: far above 1 at the
 * residual peaks of sinks.
 *
 * _Shapes_: `hidden` `[n, d]`, the residual stream at one layer. With one row: `Infinity`.
 */
export function residualPeaks(hidden: Matrix): Float64Array {
  const norms = rowNorms(hidden);
  let [first, second] = [0, 0];
  for (const norm of norms) {
    if (norm > first) [first, second] = [norm, first];
    else if (norm > second) second = norm;
  }
  let seen = false;
  return norms.map((norm) => {
    const isLargest = norm === first && !seen;
    if (isLargest) seen = true;
    return norm / (isLargest ? second : first);
  });
}

function rowNorms({ data, rows, cols }: Matrix): Float64Array {
  const norms = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let c = 0; c < cols; c++) sum += data[i * cols + c]! ** 2;
    norms[i] = Math.sqrt(sum);
  }
  return norms;
}

function median(values: Float64Array): number {
  const sorted = values.slice().sort();
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function indicesWhere(values: Float64Array, holds: (value: number) => boolean): Uint32Array {
  const indices: number[] = [];
  for (const [i, value] of values.entries()) if (holds(value)) indices.push(i);
  return Uint32Array.from(indices);
}
