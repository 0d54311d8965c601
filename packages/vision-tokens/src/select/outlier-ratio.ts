import { expectNumbers } from "../expect.ts";

/**
 * The part of the values that lies above the third quartile by more than one and a half times the
 * distance of the quartiles, which are interpolated linearly. 0 for no values.
 *
 * @throws `InferenceError` `range` for values that are not finite.
 */
export function outlierRatio(values: Float32Array): number {
  expectNumbers("values", values);
  if (values.length === 0) return 0;
  const sorted = values.slice().sort();
  const quantile = (q: number): number => {
    const at = q * (sorted.length - 1);
    const low = Math.floor(at);
    const high = Math.min(low + 1, sorted.length - 1);
    return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!);
  };
  const [first, third] = [quantile(0.25), quantile(0.75)];
  const bound = third + 1.5 * (third - first);
  return values.filter((value) => value > bound).length / values.length;
}
