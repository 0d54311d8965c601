import type { Matrix } from "@frugal/core";

import { applyLinear, applyNorm, type LayerNorm, type Linear } from "../encoder/trained-layers.ts";
import { expectFinite } from "../expect.ts";
import { averagePool } from "../grid/average-pool.ts";
import { applyReduction } from "../select/reduction.ts";
import type { CellGrid } from "../tiles/unpad.ts";

/** Trained parameters of {@link projectPooled}. */
export interface PooledSwigluParams {
  /** A norm of the rows; null: there is none. */
  readonly norm: LayerNorm | null;
  /** Whether rows are normalized before they are pooled; the two orders differ. */
  readonly normFirst: boolean;
  /** To the inner width; `SiLU` is applied to its result. */
  readonly gate: Linear;
  /** To the inner width. */
  readonly up: Linear;
  /** To the decoder's width. */
  readonly down: Linear;
}

/**
 * TokenFLEX's projector: adaptive average pooling to `side` by `side` tokens, then `down(SiLU(gate x) ⊙
 * up x)`. One module serves any number of tokens; it was trained on 64, 144 and 256.
 *
 * No checkpoint is public, and the paper leaves the place of the norm open: `normFirst` says it.
 *
 * _Cost_: O(cells · width + side² · inner · (width + decoder's width)).
 *
 * @param features the encoder's rows, one per cell of `grid`.
 * @returns `side²` rows of the decoder's width, new.
 * @throws `InferenceError` `shape` or `range` for what does not fit.
 * @see TokenFLEX (Hu et al.), arXiv:2504.03154; `docs/algorithms/projectors.md`
 */
export function projectPooled(
  features: Matrix,
  grid: CellGrid,
  side: number,
  { norm, normFirst, gate, up, down }: PooledSwigluParams,
): Matrix {
  expectFinite("features", features);
  const normalize = (x: Matrix): Matrix => (norm === null ? x : applyNorm(x, norm, "norm"));
  const pool = averagePool(grid, { rows: side, cols: side });
  const pooled = normFirst
    ? applyReduction(pool, normalize(features))
    : normalize(applyReduction(pool, features));
  const opened = applyLinear(pooled, gate, "gate");
  const inner = applyLinear(pooled, up, "up");
  for (let i = 0; i < inner.data.length; i++) {
    const value = opened.data[i]!;
    inner.data[i]! *= value / (1 + Math.exp(-value));
  }
  return applyLinear(inner, down, "down");
}
