import { InferenceError } from "@frugal/core";

/** @throws {@link InferenceError} `range` unless `value` is an integer in `[low, high]`. */
export function expectInteger(
  name: string,
  value: number,
  low: number,
  high: number = Infinity,
): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  const interval = high === Infinity ? `>= ${low}` : `in [${low}, ${high}]`;
  throw new InferenceError("range", `${name}: expected an integer ${interval}, got ${value}`);
}
