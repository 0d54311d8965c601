import { type Matrix, softmax } from "@frugal/core";

import { expectFinite, expectLength } from "../expect.ts";
import { applyLinear, applyNorm, gelu, type Linear, type LayerNorm } from "./trained-layers.ts";

/** Trained parameters of {@link slimRows}. */
export interface SlimmingParams {
  readonly norm: LayerNorm;
  /** From the width of rows to half of it. */
  readonly down: Linear;
  /** From there to as many outputs as rows are left. */
  readonly scores: Linear;
  readonly scale: number;
}

/** Trained parameters of {@link restoreSlimmedRows}. */
export interface RestoringParams {
  readonly rowNorm: LayerNorm;
  /** Over rows: from as many as there are, to four times as many as there were, to as many. */
  readonly rowUp: Linear;
  readonly rowDown: Linear;
  readonly norm: LayerNorm;
  readonly up: Linear;
  readonly down: Linear;
}

/**
 * SiT's token slimming: every row of the result is a mixture of all rows, by a softmax over them. What
 * is mixed are the rows as they come, not as normalized for the scores. The class token stays outside.
 *
 * @param x one row per token.
 * @returns as many rows as `scores` has outputs, new.
 * @throws `InferenceError` `shape` or `range` for what does not fit.
 * @see SiT (Zong et al.), arXiv:2111.12624; Sense-X/SiT, `TokenSlimmingModule`;
 *   `docs/algorithms/trained-reductions.md`
 */
export function slimRows(x: Matrix, { norm, down, scores, scale }: SlimmingParams): Matrix {
  expectFinite("x", x);
  const active = gelu(applyLinear(applyNorm(x, norm, "norm"), down, "down"));
  const logits = applyLinear(active, scores, "scores");
  return mixRows(x, logits, scale);
}

/** One row per column of `logits`: the mean of rows by the softmax of that column. Unchecked. */
export function mixRows(x: Matrix, logits: Matrix, scale: number): Matrix {
  const count = logits.cols;
  const out = new Float32Array(count * x.cols);
  const shares = new Float64Array(x.rows);
  const sum = new Float64Array(x.cols);
  for (let i = 0; i < count; i++) {
    for (let row = 0; row < x.rows; row++) shares[row] = scale * logits.data[row * count + i]!;
    softmax(shares, shares);
    sum.fill(0);
    for (let row = 0; row < x.rows; row++) {
      const share = shares[row]!;
      for (let c = 0; c < x.cols; c++) sum[c]! += share * x.data[row * x.cols + c]!;
    }
    out.set(sum, i * x.cols);
  }
  return { data: out, rows: count, cols: x.cols };
}

/**
 * The reverse: as many rows as there were before slimming, for dense tasks and for distillation.
 *
 * @param x the rows after slimming.
 * @returns as many rows as `rowDown` has outputs, new.
 * @throws `InferenceError` `shape` or `range` for what does not fit.
 * @see Sense-X/SiT, `ReverseTSM`
 */
export function restoreSlimmedRows(x: Matrix, params: RestoringParams): Matrix {
  expectFinite("x", x);
  const columns = transpose(applyNorm(x, params.rowNorm, "rowNorm"));
  const wide = gelu(applyLinear(columns, params.rowUp, "rowUp"));
  const rows = transpose(applyLinear(wide, params.rowDown, "rowDown"));
  const inner = gelu(applyLinear(applyNorm(rows, params.norm, "norm"), params.up, "up"));
  const change = applyLinear(inner, params.down, "down");
  expectLength("down.weight", change.data, rows.data.length);
  return { ...rows, data: rows.data.map((value, i) => value + change.data[i]!) };
}

function transpose({ data, rows, cols }: Matrix): Matrix {
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) out[col * rows + row] = data[row * cols + col]!;
  }
  return { data: out, rows: cols, cols: rows };
}
