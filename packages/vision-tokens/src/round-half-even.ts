/**
 * Rounds to the nearest integer and halves to the even one, as Python's `round` and IEEE 754 do;
 * `Math.round` takes halves up. Model preprocessors depend on the difference.
 */
export function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}
