import type { AbortLike } from "../abort.ts";
import type { Matrix } from "../matrix.ts";
import type { AttentionPolicy } from "./attention-policy.ts";
import type { ScoreKind } from "./layer-stage.ts";

/** Consecutive rows of a block that stand for an image, or for a frame of a video. */
export interface ImageRows {
  readonly from: number;
  readonly to: number;
  /** Rows per line of the image; absent where they form no grid. */
  readonly width?: number;
}

/**
 * What one forward pass appends to a sequence: a chain, or a tree of draft tokens.
 *
 * Exactly one of `tokens` and `embeddings` is given. `s` below is the number of rows.
 */
export interface Block {
  /** Token ids, `[s]`. */
  readonly tokens?: Uint32Array;
  /**
   * Input embeddings, `[s, hiddenSize]`: visual rows, superposed or soft tokens. Of a model that
   * holds only later layers, the hidden states that enter the first of them.
   */
  readonly embeddings?: Matrix;
  /**
   * The tree: `parents[i] < i` is the row before row `i` on its path, counted from the first row of
   * the block. Negative numbers are cached positions: -1 the last one, -2 the one before it, down to
   * the beginning of the text, one before the first. Row `i` attends to its parent, to what that
   * attends to, and to itself. Absent: a chain, `parents[i] = i - 1`.
   *
   * Below -1 the cache is or becomes an open tree; see {@link Sequence.step}.
   */
  readonly parents?: Int32Array;
  /**
   * Rotary positions, `[s]`; of a model with M-RoPE ({@link RopeInfo.axes}) also `[3, s]`, frame, row
   * and column of every row, the three lists one after the other. The length tells which. Absent: one
   * more than that of the parent, of a triple more than its largest number.
   */
  readonly positions?: Int32Array;
  /**
   * What a model that {@link ModelInfo.reads} another one gets beside each row, `[s, width]` each:
   * the states of that model, one matrix per tap, or one matrix of its own outputs (the tap
   * `layers` of the rows' parents) where it goes on from them.
   */
  readonly features?: readonly Matrix[];
  /**
   * The rows that stand for images, ascending and apart, for what treats them unlike text: a
   * `LayerStage` for instance. Everything else ignores them.
   */
  readonly images?: readonly ImageRows[];
}

/**
 * A hidden state of a model: `l` is the input of decoder layer `l`, `layers` (one past the last) the
 * output of the last layer, and `"final"` that output after the final norm, which the head reads.
 */
export type Tap = number | "final";

/**
 * Which logits a step returns.
 *
 * - `"none"`: nothing is computed beyond the cache.
 * - `"last"`: one full row, that of the block's last position.
 * - `"all"`: one full row per position of the block.
 * - `{ top: k }`: for every position (or the last one with `rows: "last"`) the `k` largest logits
 *   with their ids, and the log-sum-exp over the whole vocabulary, computed where the model runs:
 *   `k` values cross the boundary instead of a vocabulary.
 */
export type LogitsWanted =
  | "none"
  | "last"
  | "all"
  | { readonly top: number; readonly rows?: "all" | "last" };

/** How to run a block. */
export interface StepOptions {
  readonly logits: LogitsWanted;
  /** Hidden states to return. */
  readonly taps?: readonly Tap[];
  /** Rows to return them of: all (default), or the last one of the block. */
  readonly tapRows?: "all" | "last";
  /** Attend to everything in this step, whatever the model's attention policy says. */
  readonly attention?: "full";
  /** Rows of the block, ascending, whose {@link StepOutput.scores} to return. */
  readonly scores?: Uint32Array;
  /** Checked before the block and between the chunks of a long one. */
  readonly signal?: AbortLike;
}

/** The largest logits of each row. */
export interface TopLogits {
  readonly rows: number;
  /** How many entries each row has, at most the `top` that was asked for. */
  readonly k: number;
  /** `[rows, k]`, by descending logit; equal logits by ascending id. */
  readonly ids: Uint32Array;
  /** `[rows, k]`, the logits of `ids`. */
  readonly values: Float32Array;
  /** `[rows]`, log of the sum of exponentials over the whole vocabulary. */
  readonly logSumExp: Float32Array;
}

/** What a step returns. The buffers belong to the caller. */
export interface StepOutput {
  /** `[1 or s, vocabSize]` for `"last"` and `"all"`, else null. */
  readonly logits: Matrix | null;
  /** For `{ top }`, else null. */
  readonly top: TopLogits | null;
  /** One `[s or 1, hiddenSize]` matrix per requested tap, in the order of the request. */
  readonly taps: readonly Matrix[];
  /**
   * For `scores`: how the last layer attends from these rows, as {@link Capabilities.scores} says.
   * `[rows, length]`, by slot, of logits head after head; a row scores what it does not see 0, of
   * logits at most -1e30.
   */
  readonly scores?: Matrix;
  /** Milliseconds the backend spent inside the model for this step. */
  readonly runMs: number;
  /**
   * With an attention policy, whether it was at work: layers attended to a part of the cache. Of the
   * last chunk of a long block.
   */
  readonly sparse?: boolean;
}

/**
 * One sequence and the keys and values the model has cached for it.
 *
 * Implemented by the runtime adapters; driven by `@frugal/decoding`. A sequence is not re-entrant:
 * await one call before making the next. Use of a disposed sequence rejects with `state`.
 */
export interface Sequence {
  /** The model's facts and what it can do. */
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;

  /** Number of cached positions. */
  readonly length: number;

  /**
   * Runs the block and appends its keys and values to the cache.
   *
   * A block whose `parents` branch leaves rows in the cache that must not see each other, an open
   * tree. It goes on growing with blocks that say by their `parents` where each row belongs
   * (capability `openTree`), until a `keep` leaves at most one path of it; a block without `parents`
   * needs that first.
   *
   * On failure or abort the cache is as it was before the call.
   *
   * @throws {@link InferenceError} `range` for an id outside the vocabulary, a parent that does not
   *   precede its child or lies before the text, or a position outside the model's; `shape` for
   *   buffers that disagree, among them triples of positions for a model that has one per row; `unsupported` for what `capabilities` denies and for
   *   features of a model that reads none; `state` for a block without `parents` after a branching
   *   one without `keep`.
   */
  step(block: Block, options: StepOptions): Promise<StepOutput>;

  /**
   * Drops every cached position that is not in `positions` (slots, ascending and distinct): commits
   * a path of a tree, rolls back, or evicts. What remains is renumbered from 0.
   *
   * With `positions: "cache-relative"` the kept keys are re-rotated to their new slots, so that the
   * cache looks as if it had been written contiguously; with `"absolute"` they keep the rotary
   * positions they were written with.
   *
   * Where rows stand at triples of unequal numbers (M-RoPE), `"cache-relative"` closes gaps instead of
   * numbering slots: positions that lie between the smallest and the largest number of no kept row
   * disappear. Rows move by one distance in all three numbers, so that what stays of an image keeps its
   * layout; a prompt without gaps stays where it is. One that was pruned and whose rows kept their
   * places has gaps: give it to a sequence with `"absolute"` positions.
   *
   * @throws {@link InferenceError} `range` if a slot is outside `[0, length)` or not ascending;
   *   `unsupported` for a subset that the model cannot keep with these positions.
   */
  keep(positions: Uint32Array): Promise<void>;

  /** A second sequence with the same cache. Memory is shared until one of the two writes. */
  fork(): Promise<Sequence>;

  /** Frees the cache. Idempotent. */
  dispose(): Promise<void>;
}

/** Options of {@link LanguageModel.createSequence}. */
export interface SequenceOptions {
  /**
   * What `keep` does to rotary positions when it drops rows in the middle; see
   * {@link Sequence.keep}. Default `"cache-relative"`.
   */
  readonly positions?: "cache-relative" | "absolute";
}

/** The rotary embedding of a model. */
export interface RopeInfo {
  /** Base of the inverse frequencies. */
  readonly theta: number;
  /** Rotated channels per head, at most `headDim`. */
  readonly dim: number;
  /** With M-RoPE 3: a position may be a triple of frame, row and column. Absent: one number. */
  readonly axes?: 3;
}

/** Facts about a loaded model. */
export interface ModelInfo {
  /** `model_type` of its configuration. */
  readonly architecture: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** Largest number of positions the model was made for. */
  readonly maxLength: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Ids that end a text, from the configuration; may be empty. */
  readonly eosIds: readonly number[];
  readonly rope: RopeInfo | null;
  /** Number of weights. */
  readonly parameters: number;
  /**
   * Of a draft head: the taps of its target that the rows of its blocks carry as `features`. Absent
   * for a model that stands on its own.
   */
  readonly reads?: readonly Tap[];
}

/** What a model can do beyond a chain of tokens. Decoders ask before they rely on it. */
export interface Capabilities {
  /** `Block.tokens` is accepted; what begins behind the embedding table takes hidden states only. */
  readonly tokens: boolean;
  /** `Block.parents` is honoured, in the mask and in the positions. */
  readonly tree: boolean;
  /** `Block.parents` may point into the cache, so that a tree can grow block by block. */
  readonly openTree: boolean;
  /** `Block.embeddings` is accepted. */
  readonly embeddings: boolean;
  /** Hidden states can be tapped. */
  readonly taps: boolean;
  /** `Block.positions` is honoured. */
  readonly positions: boolean;
  /** `keep` accepts any subset, not only prefixes. */
  readonly evict: boolean;
  /** `{ top }` is computed where the model runs. */
  readonly top: boolean;
  /** The policy by which layers choose the rows they attend to. Absent: they attend to all. */
  readonly attention?: AttentionPolicy;
  /** What a step can return as `scores`. Absent: nothing. */
  readonly scores?: ScoreKind;
  /** False for a range of layers that was loaded without a head, whose steps give no logits. */
  readonly head?: false;
}

/** A decoder-only language model, loaded and ready. */
export interface LanguageModel {
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;
  createSequence(options?: SequenceOptions): Promise<Sequence>;
  /** Frees the weights and every sequence. Idempotent. */
  dispose(): Promise<void>;
}
