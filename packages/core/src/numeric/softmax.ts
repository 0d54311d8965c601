/**
 * Softmax of `logits / temperature`, written to `out` (which may be `logits` itself).
 *
 * Subtracts the maximum first, so finite logits never overflow; `-Infinity` becomes an exact 0.
 * Unchecked: `out.length >= logits.length`, `temperature > 0`, no NaN.
 *
 * @returns the largest probability, which callers use as a confidence.
 */
export function softmax(
  logits: Float32Array | Float64Array,
  out: Float32Array | Float64Array,
  temperature = 1,
): number {
  const n = logits.length;
  let max = -Infinity;
  for (let i = 0; i < n; i++) if (logits[i]! > max) max = logits[i]!;

  let sum = 0;
  for (let i = 0; i < n; i++) {
    const e = Math.exp((logits[i]! - max) / temperature);
    out[i] = e;
    sum += e;
  }

  for (let i = 0; i < n; i++) out[i] = out[i]! / sum;
  return 1 / sum;
}
