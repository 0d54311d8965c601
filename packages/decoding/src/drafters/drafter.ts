import type { AbortLike, Rng } from "@frugal/core";

import type { Law } from "../sampling/law.ts";
import type { Sampler } from "../sampling/sampler.ts";
import type { TokenView } from "./token-view.ts";

/**
 * How a drafted token came about, which decides what verifiers can do with it.
 *
 * - `"point"`: a guess, fixed given the text; its law is a point mass.
 * - `"sampled"`: drawn from a law that the draft carries.
 */
export type DraftKind = "point" | "sampled";

/** Tokens that might follow the text: guesses to be checked in one pass of the target model. */
export interface Draft {
  /** Token ids, `[n]`; may be empty. */
  readonly tokens: Uint32Array;
  /**
   * The tree: `parents[i] < i`, or -1 for a child of the last token of the text. Absent: a chain.
   * Siblings are in the order in which they were drawn. The loop verifies chains only so far, and
   * refuses a draft that has `parents`.
   */
  readonly parents?: Int32Array;
  /** Of a `"sampled"` draft: the law each token was drawn from, `[n]`. Owned by the receiver. */
  readonly laws?: readonly Law[];
  /** Milliseconds spent inside a draft model; 0 without one. */
  readonly runMs: number;
  /** What of `runMs` went into text that the model had not seen, the prompt for instance. */
  readonly prefillMs?: number;
}

/** What a drafter knows when it is asked. */
export interface DraftContext {
  /** The text so far; its last token is the one the draft follows. The same object for a run. */
  readonly history: TokenView;
  /** The most tokens that can be used; at least 1. */
  readonly maxTokens: number;
  /** What the verifier wants, one of the drafter's `kinds`. */
  readonly kind: DraftKind;
  /**
   * The target's sampling, with buffers of its own, for draft laws: the penalties have seen the
   * text. A drafter that pushes tokens pops them before it returns.
   */
  readonly sampler: Sampler;
  /** As many logits of a row as the sampler needs, or null for full rows. */
  readonly rowReach: number | null;
  readonly random: Rng;
  /** Ids that end the text: nothing after one of them can be used. */
  readonly stopIds: ReadonlySet<number>;
  readonly signal?: AbortLike;
}

/**
 * Proposes what might come next.
 *
 * A drafter never changes the text's distribution (verifiers see to that), only how many tokens a
 * step yields. It serves one `generate` at a time, and finds out from `context.history` what was
 * accepted since the last call.
 */
export interface Drafter {
  /** The kinds of draft it can make, its preference first. */
  readonly kinds: readonly DraftKind[];
  /** Vocabulary that its ids belong to, where that is fixed; must equal the target's. */
  readonly vocabSize?: number;
  /** At most `context.maxTokens` tokens; fewer, or none, if it has no good guess. */
  propose(context: DraftContext): Draft | Promise<Draft>;
}
