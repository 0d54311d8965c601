import type { TokenLogprobs } from "./logprobs.ts";
import type { GenerateStats } from "./stats.ts";

/** Why a generation ended. */
export type FinishReason = "stop-id" | "stop-string" | "max-tokens" | "context-full";

/** One token of the answer. */
export interface TokenAccepted {
  readonly type: "token-accepted";
  readonly token: number;
  /** Its absolute position in the text. */
  readonly position: number;
  /** Whether a drafter had guessed it. */
  readonly drafted: boolean;
  /**
   * With the `text` option: what may be shown now. Empty for a stop id, inside an unfinished
   * character, and while the text could be the beginning of a stop string.
   */
  readonly text?: string;
  /** With the `logprobs` option. */
  readonly logprobs?: TokenLogprobs;
}

/** A draft was checked; follows the tokens it led to. */
export interface DraftVerified {
  readonly type: "draft-verified";
  /** Absolute position of the first drafted token. */
  readonly position: number;
  /** Rows of the block that were drafted, all branches together. */
  readonly drafted: number;
  readonly accepted: number;
  /** Milliseconds inside the target model for this block. */
  readonly targetMs: number;
  /** Milliseconds inside the draft model for it; 0 without one. */
  readonly draftMs: number;
}

/**
 * The drafter proposes trees and the model takes none, so only one chain of a draft is checked.
 * Reported once, for the first draft that lost tokens.
 */
export interface DraftDegraded {
  readonly type: "draft-degraded";
  /** Absolute position of the first drafted token. */
  readonly position: number;
  /** Drafted tokens before and after. */
  readonly from: number;
  readonly to: number;
}

/** The cache policy evicted rows. */
export interface CacheTrimmed {
  readonly type: "cache-trimmed";
  /** Cached positions before and after. */
  readonly from: number;
  readonly to: number;
}

/** The last event. */
export interface Finish {
  readonly type: "finish";
  readonly reason: FinishReason;
  /** With the `text` option: what had been held back and belongs to the text after all. */
  readonly text?: string;
  readonly stats: GenerateStats;
}

/** What `generate` reports, in order. */
export type GenerateEvent = TokenAccepted | DraftVerified | DraftDegraded | CacheTrimmed | Finish;
