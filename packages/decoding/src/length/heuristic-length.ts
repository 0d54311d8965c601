import { expectRange } from "../sampling/sampling-options.ts";
import type { DraftLength } from "./draft-length.ts";

/**
 * Two tokens more after a draft that was accepted as a whole, one less after any other, at least 1.
 *
 * Needs no measurements, and so cannot notice that drafting does not pay: `measuredCost` can. A
 * draft that the end of the text cut off changes nothing.
 *
 * @throws {@link InferenceError} `range` unless `first` is an integer >= 1.
 * @see `docs/algorithms/draft-length.md`
 */
export function heuristicLength(first: number = 5): DraftLength {
  expectRange("first", first, "an integer >= 1", Number.isInteger(first) && first >= 1);
  let length = first;
  return {
    next: (limit) => Math.min(limit, length),
    observe({ drafted, accepted, cut }) {
      if (drafted === 0 || cut) return;
      length = accepted === drafted ? length + 2 : Math.max(1, length - 1);
    },
  };
}
