import { mostProbable } from "../sampling/law.ts";
import type { Verifier } from "./verifier.ts";

/**
 * Emits the most probable token (ties to the lower id) and keeps what the draft guessed of it.
 *
 * Lossless with respect to greedy decoding, so it is refused at any other temperature than 0.
 */
export function greedy(): Verifier<true> {
  return {
    lossless: true,
    kinds: ["point", "coupled", "sampled", "distinct"],
    greedyOnly: true,
    choose: (law) => mostProbable(law),
  };
}
