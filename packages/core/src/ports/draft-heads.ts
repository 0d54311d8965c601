import type { TopLogits } from "./model.ts";

/** What {@link DraftHeads.guess} returns. */
export interface HeadGuesses {
  /** One row per head. The buffers belong to the caller. */
  readonly top: TopLogits;
  /** Milliseconds the backend spent on it. */
  readonly runMs: number;
}

/**
 * Heads that each guess one more token ahead from a hidden state of another model, its tap `"final"`.
 *
 * The model's own head says what follows the state's token; head 0 says what follows that, head 1
 * the token after, and so on, none of them knowing what the others said.
 */
export interface DraftHeads {
  /** How many heads there are. */
  readonly count: number;
  /** Width of the states. */
  readonly hiddenSize: number;
  readonly vocabSize: number;
  /**
   * The `k` likeliest tokens of every head (fewer in a smaller vocabulary) for one state,
   * `[hiddenSize]`.
   *
   * @throws {@link InferenceError} `shape` for a state of another width; `range` for a `k` that is no
   *   positive integer; `state` after `dispose`.
   */
  guess(state: Float32Array, k: number): Promise<HeadGuesses>;
  /** Frees the weights. Idempotent. */
  dispose(): Promise<void>;
}
