/** Scales that are tried, as shares of the one that keeps the largest weight. */
const shares: readonly number[] = [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 1.05];

/**
 * A 4-bit scale of weights `[from, to)` with a small error, each weight's square counted as often as
 * the importance of its input; `column` is that of the first.
 *
 * Tries scales around `nearest` of either sign, because the range -8..7 is longer on one side. What
 * each rounds to, `q`, has a best scale of its own by least squares, `Σ x q w / Σ x q²`, which takes
 * `(Σ x q w)² / Σ x q²` off the error; the one that takes off the most is returned. Its error is at
 * most that of `nearest`. Cost: one pass per trial.
 *
 * @see ggml-org/llama.cpp: ggml/src/ggml-quants.c, `make_qx_quants`
 */
export function searchScale(
  weights: Float32Array,
  importance: Float32Array,
  from: number,
  to: number,
  column: number,
  nearest: number,
): number {
  if (nearest === 0) return nearest;
  let best = nearest;
  let most = 0;
  for (let trial = 0; trial < 2 * shares.length; trial++) {
    const inverse = (trial % 2 === 0 ? 1 : -1) / (nearest * shares[trial >> 1]!);
    let [product, square] = [0, 0];
    for (let i = from; i < to; i++) {
      const q = Math.min(7, Math.max(-8, Math.round(weights[i]! * inverse)));
      const counted = importance[column + i - from]! * q;
      product += counted * weights[i]!;
      square += counted * q;
    }
    const gain = square === 0 ? 0 : (product * product) / square;
    if (gain > most) [most, best] = [gain, product / square];
  }
  return best;
}
