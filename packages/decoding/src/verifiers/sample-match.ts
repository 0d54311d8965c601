import { drawToken } from "../sampling/law.ts";
import type { Verifier } from "./verifier.ts";

/**
 * Draws the target's token first and then looks whether the draft had guessed it.
 *
 * The draw at a position uses that position's random number, so the text is not only distributed as
 * without a draft but is the same text, for any drafter and any draft length. A proposal `c` is
 * accepted with the target's probability of `c`; a draft model that draws with the same number
 * agrees more often. At temperature 0 this is greedy verification.
 */
export function sampleMatch(): Verifier<true> {
  return {
    lossless: true,
    kinds: ["point", "coupled", "sampled", "distinct"],
    choose: (law, _candidates, position, random) => drawToken(law, random, position),
  };
}
