import { InferenceError } from "@frugal/core";

/** @throws {@link InferenceError} `range` unless `value` is an integer of at least `low`. */
export function expectCount(name: string, value: number, low: number): void {
  if (Number.isInteger(value) && value >= low) return;
  throw new InferenceError("range", `${name}: expected an integer >= ${low}, got ${value}`);
}
