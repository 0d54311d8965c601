import type { AbortLike, Matrix, Rng, Tap, TopLogits } from "@frugal/core";

import type { DraftLength } from "../length/draft-length.ts";
import type { Law } from "../sampling/law.ts";
import type { Sampler } from "../sampling/sampler.ts";
import type { TokenView } from "./token-view.ts";

/**
 * How drafted tokens came about, which decides what verifiers can do with them.
 *
 * - `"point"`: guesses, fixed given the text; the law of each is a point mass.
 * - `"sampled"`: drawn from laws that the draft carries, siblings independently of each other.
 * - `"distinct"`: the same, but siblings without replacement: each from the law of the first one
 *   without the tokens drawn before it.
 * - `"coupled"`: the largest of `ln q + g` with the noise that the target will use (stream `gumbel`
 *   of the token's position, index the token id); siblings in descending order.
 *
 * Where no token has siblings `"sampled"` and `"distinct"` are the same.
 */
export type DraftKind = "point" | "sampled" | "distinct" | "coupled";

/** Tokens that might follow the text: guesses to be checked in one pass of the target model. */
export interface Draft {
  /** Token ids, `[n]`; may be empty. */
  readonly tokens: Uint32Array;
  /**
   * The tree, `[n]`: `parents[i] < i`, or -1 for a child of the last token of the text. Absent: a
   * chain, `parents[i] = i - 1`. Siblings are in the order in which they were drawn, and guesses
   * with the likelier one first. Two siblings may be the same token; it takes one row of the block.
   */
  readonly parents?: Int32Array;
  /**
   * Of a `"sampled"` or `"distinct"` draft, `[n]`: the law each token was drawn from, for
   * `"distinct"` before its earlier siblings were taken out, so that siblings have the same one.
   * Owned by the receiver; several tokens may share a law.
   */
  readonly laws?: readonly Law[];
  /**
   * Of a `"point"` draft, `[n]`: an estimate of the probability that a token is accepted given that
   * its parent was. Chooses the chain on a model that takes no trees; otherwise the first child of
   * each token is taken. Never used for drawn tokens, where it would change the text's law.
   */
  readonly scores?: Float32Array;
  /** Milliseconds spent inside a draft model; 0 without one. */
  readonly runMs: number;
  /** What of `runMs` went into text that the model had not seen, the prompt for instance. */
  readonly prefillMs?: number;
}

/** What a drafter knows when it is asked. */
export interface DraftContext {
  /** The text so far; its last token is the one the draft follows. The same object for a run. */
  readonly history: TokenView;
  /** The most tokens that can be checked, all branches together; at least 1. */
  readonly maxTokens: number;
  /** The most tokens of one path that can be used; at least 1. A chain fits within `maxTokens`. */
  readonly maxDepth: number;
  /** Whether the target takes trees; otherwise one chain of a draft is used. */
  readonly tree: boolean;
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

/** A block that went through the target, and what became of it. */
export interface VerifiedBlock {
  /** Index of the first row's token in the history that drafters see. */
  readonly from: number;
  /** The last token of the text before, then the drafted ones, each row once, `[s]`. */
  readonly tokens: Uint32Array;
  /** `[s]`: -1 for the first row, else the row of the token before it. */
  readonly parents: Int32Array;
  /** The rows whose tokens are in the text now, ascending, from 0. */
  readonly path: Uint32Array;
  /** The token that was emitted after the last row of `path`, and is the last of the text. */
  readonly next: number;
  /**
   * The largest logits of every row, `[s, k]`, descending, `k` at least what was wanted (unless the
   * vocabulary is smaller). For the prompt's own block, of which `tokens` holds the last token, one
   * row. Borrowed until `observe` returns.
   */
  readonly top: Pick<TopLogits, "rows" | "k" | "ids" | "values">;
  /**
   * The hidden states that were wanted, `[s, hiddenSize]` each; of the prompt's own block one row.
   * May be kept, not written to.
   */
  readonly taps: readonly Matrix[];
}

/** A stretch of a prompt that went through the target. */
export interface PromptRows {
  /** The text up to the end of the prompt; its growth shows what follows. */
  readonly history: TokenView;
  /** Index in `history` of the first row's token; the others follow. */
  readonly from: number;
  /** The hidden states that were wanted, `[rows, hiddenSize]` each. May be kept, not written to. */
  readonly taps: readonly Matrix[];
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
  /**
   * Whether it makes trees. It is then asked for as many tokens as the cache has room for, even
   * where fewer can still be emitted; `maxDepth` says how many. Default false.
   */
  readonly trees?: boolean;
  /** How much to draft where the caller does not say; for blocks that have a shape of their own. */
  readonly draftLength?: DraftLength;
  /** Vocabulary that its ids belong to, where that is fixed; must equal the target's. */
  readonly vocabSize?: number;
  /**
   * That it learns from the target's rows: {@link observe} is called after every step, the prompt's
   * and plain ones too, with the `top` largest logits of each row (fewer in a smaller vocabulary)
   * and the hidden states at `taps`. A target without hidden states is refused.
   */
  readonly wants?: { readonly top?: number; readonly taps?: readonly Tap[] };
  /** At most `context.maxTokens` tokens; fewer, or none, if it has no good guess. */
  propose(context: DraftContext): Draft | Promise<Draft>;
  /** Told what became of a block; only with `wants`. */
  observe?(block: VerifiedBlock): void;
  /**
   * Told of all rows of a prompt, chunk after chunk, before the `observe` of its last one; only with
   * `wants.taps`. A drafter without it is spared them, and the target fetching them.
   */
  readPrompt?(rows: PromptRows): void;
}
