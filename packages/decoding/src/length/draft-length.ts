import { expectRange } from "../sampling/sampling-options.ts";

/** What one step of the loop cost and yielded. */
export interface DraftOutcome {
  /** How many tokens were drafted; 0 for a plain step. */
  readonly drafted: number;
  /** How many were accepted; of a chain the leading ones. */
  readonly accepted: number;
  /** Of a draft that branches: which were accepted, ascending indices below `drafted`. */
  readonly path?: Uint32Array;
  /** Whether the text ended inside the draft, so that what follows `accepted` was not looked at. */
  readonly cut: boolean;
  /**
   * Milliseconds for the target's block of `drafted + 1` rows: by the clock of `generate`, where it
   * has one, else `runMs`.
   */
  readonly targetMs: number;
  /** The same for the drafter, without its reading of the prompt. */
  readonly draftMs: number;
}

/**
 * Decides how many tokens to draft. Serves one `generate` at a time.
 *
 * It sees outcomes of tokens already emitted and never the random numbers to come, so no choice it
 * makes can change the distribution of the text.
 */
export interface DraftLength {
  /** How many tokens to ask for, all branches together, in `[0, limit]`. */
  next(limit: number): number;
  /** Told after every step, also after plain ones. */
  observe(outcome: DraftOutcome): void;
}

/**
 * Always `length` tokens, or as many as fit.
 *
 * @throws {@link InferenceError} `range` unless `length` is an integer >= 0.
 */
export function constantLength(length: number): DraftLength {
  expectRange("length", length, "an integer >= 0", Number.isInteger(length) && length >= 0);
  return { next: (limit) => Math.min(limit, length), observe: () => undefined };
}
