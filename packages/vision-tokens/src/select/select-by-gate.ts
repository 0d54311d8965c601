import { InferenceError, type Matrix, type Rng } from "@frugal/core";

import { expectFinite } from "../expect.ts";

/**
 * LaVIT: keeps the rows for which a trained selector prefers to keep them. How many that are, the image
 * decides. `absorbWeighted` lets them take up the others, as its merger does.
 *
 * _Shapes_: `logits` n × 2, to keep and to drop. A tie keeps.
 *
 * @param rng draws a decision with the probability of each logit, as the reference does when it answers
 *   too: Gumbel noise of streams 0 and 1 at position row. Default: the larger logit decides.
 * @returns the chosen rows, ascending.
 * @throws {@link InferenceError} `shape` unless there are two columns; `range` for logits that are not
 *   finite.
 * @see LaVIT (Jin et al.), arXiv:2309.04669; jy0205/LaVIT, `LaVIT/models/modeling_visual_tokenzier.py`
 */
export function selectByGate(logits: Matrix, rng?: Rng): Uint32Array {
  expectFinite("logits", logits);
  const { data, rows, cols } = logits;
  if (cols !== 2) throw new InferenceError("shape", `logits: expected 2 columns, got ${cols}`);
  const noise = (row: number, stream: number): number =>
    rng === undefined ? 0 : -Math.log(-Math.log(rng.uniform(row, stream)));
  return Uint32Array.from({ length: rows }, (_, row) => row).filter(
    (row) => data[2 * row]! + noise(row, 0) >= data[2 * row + 1]! + noise(row, 1),
  );
}
