import type { Rng } from "@frugal/core";

import type { DraftKind } from "../drafters/drafter.ts";
import type { Law } from "../sampling/law.ts";

/** What a draft proposes for one position of the text. */
export interface Candidates {
  /**
   * The proposed tokens in the order in which they were drawn, one or several siblings, repeated
   * draws included; empty where the draft ends.
   */
  readonly tokens: Uint32Array;
  /** The law each was drawn from, as in `Draft.laws`; null for guesses. */
  readonly laws: readonly Law[] | null;
}

/**
 * Decides, one position at a time, which token is emitted; the loop walks on while that is one the
 * draft proposed.
 *
 * `lossless` is a literal type, so that a lossy choice is visible where it is made.
 */
export interface Verifier<Lossless extends boolean = boolean> {
  /** Whether the text is distributed as without a draft. */
  readonly lossless: Lossless;
  /** The kinds of draft it can check, its preference first. */
  readonly kinds: readonly DraftKind[];
  /** Whether it decodes greedily only, that is at temperature 0. */
  readonly greedyOnly?: boolean;
  /** The token at `position`, where the target's processed law is `law`. */
  choose(law: Law, candidates: Candidates, position: number, random: Rng): number;
}
