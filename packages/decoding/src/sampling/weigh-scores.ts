/** Fractions of a power of two in the table. */
const parts = 64;
const partsPerUnit = parts / Math.LN2;
// ln 2 / 64 as a number with 21 trailing zero bits, so that its multiples are exact, and the rest.
const stepHigh = 0.01083042469326756;
const stepLow = 2.9815858269852933e-12;
/** Below it, `exp` has no normal value. */
const lowest = -708;

/** Replaces `n` scores by `exp((score - max) / temperature)`; returns their sum. */
export type WeighScores = (
  scores: Float64Array,
  n: number,
  max: number,
  temperature: number,
) => number;

/**
 * A {@link WeighScores} with its tables.
 *
 * Not `Math.exp`: engines round that differently, so the same seed could give another text in
 * another engine, and it takes several times as long. Here `x = (64 k + j + f) ln 2 / 64` splits
 * into a power of two, one of 64 roots and a polynomial of degree 5 in a number below 0.0055, with
 * IEEE operations only. Relative error below 4e-16; the largest score gets exactly 1, scores that
 * are more than 708 units below it exactly 0. Unchecked: no score exceeds `max`, no NaN.
 */
export function createWeighScores(): WeighScores {
  const roots = new Float64Array(parts).fill(1);
  for (let bit = parts >> 1, root = Math.SQRT2; bit > 0; bit >>= 1, root = Math.sqrt(root)) {
    for (let j = 0; j < parts; j++) if (j & bit) roots[j]! *= root;
  }
  const powers = new Float64Array(1024);
  for (let k = 0, power = 1; k < powers.length; k++, power /= 2) powers[k] = power;

  return (scores, n, max, temperature) => {
    const scale = 1 / temperature;
    let total = 0;
    for (let i = 0; i < n; i++) {
      const x = (scores[i]! - max) * scale;
      if (!(x > lowest)) {
        scores[i] = 0;
        continue;
      }
      // Rounds to nearest: x is not positive, and truncation is towards zero.
      const steps = (x * partsPerUnit - 0.5) | 0;
      const r = x - steps * stepHigh - steps * stepLow;
      const tail = r * r * (0.5 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120))));
      const root = roots[steps & (parts - 1)]!;
      const weight = (root + root * (r + tail)) * powers[-(steps >> 6)]!;
      scores[i] = weight;
      total += weight;
    }
    return total;
  };
}
