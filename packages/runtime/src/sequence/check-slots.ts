import { InferenceError } from "@frugal/core";

/**
 * Checks the argument of a `keep` and returns how many leading slots stay where they are.
 *
 * @throws {@link InferenceError} `range` unless the slots are ascending and inside `[0, length)`.
 */
export function checkSlots(slots: Uint32Array, length: number): number {
  let still = 0;
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    if (slot >= length || (i > 0 && slot <= slots[i - 1]!)) {
      throw new InferenceError(
        "range",
        `positions: expected ascending slots in [0, ${length}), got ${slot} at index ${i}`,
      );
    }
    if (slot === i) still++;
  }
  return still;
}
