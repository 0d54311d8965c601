import type { Tap } from "@frugal/core";

import type { Rotary } from "./rope-config.ts";

/** Normalisation of a row: RMS norm, or layer norm with its bias. */
export interface Norm {
  readonly kind: "rms" | "layer";
  readonly epsilon: number;
  /** The scale is stored minus one, as Gemma does. */
  readonly plusOne: boolean;
}

/** How a layer attends: layers that share it share masks and rotary tables. */
export interface AttentionKind {
  /** A row sees the keys less than this many positions before it; null: all of them. */
  readonly window: number | null;
  /** Null where queries and keys are not rotated. */
  readonly rotary: Rotary | null;
}

/**
 * Nonlinearity of the MLP; `gelu-tanh` is the approximation of GPT-2 and Gemma, `quick-gelu` that of
 * CLIP, `x * sigmoid(1.702 x)`.
 */
export type Activation = "silu" | "gelu" | "gelu-tanh" | "quick-gelu";

/**
 * Names of a layer's modules below its prefix. A norm that is null is not there, which is also what
 * tells models that normalize before a sublayer from those that do it after, or both.
 */
export interface LayerNames {
  readonly beforeAttention: string | null;
  readonly afterAttention: string | null;
  readonly beforeMlp: string | null;
  readonly afterMlp: string | null;
  /** Norms of queries and keys, see {@link ModelConfig.queryKeyNorm}. */
  readonly queryNorm: string;
  readonly keyNorm: string;
  /** Query, key and value projections, or one that gives all three. */
  readonly qkv: readonly string[];
  readonly attentionOutput: string;
  /** Gate and up projections, one that gives both, or the only one of an MLP without a gate. */
  readonly up: readonly string[];
  readonly down: string;
}

/** How a draft head joins the target's states with the embeddings of the tokens after them. */
export interface FeatureConfig {
  /** Taps of the target. */
  readonly reads: readonly Tap[];
  /** Width of the target's states. */
  readonly width: number;
  /**
   * - `"project"`: both, side by side, through `fc` (with a bias where one is stored): EAGLE-1 and 2.
   * - `"normalize"`: the same through `eh_proj`, after the norms `enorm` and `hnorm`: multi-token
   *   prediction.
   * - `"attend"`: the states through `fc`; queries, keys and values read the normalized embeddings
   *   beside the normalized stream: EAGLE-3.
   */
  readonly join: "project" | "normalize" | "attend";
  /** `fc` has a bias. */
  readonly bias: boolean;
  /** Ids of the target that the head's logits are for, ascending; null: all of them. */
  readonly vocabulary: Uint32Array | null;
}

/** Names of a checkpoint's tensors, without `.weight` and `.bias`. */
export interface TensorNames {
  readonly embedding: string;
  /** Table of learned positions. */
  readonly positions: string;
  /** Null where the head reads the last layer's output as it is. */
  readonly finalNorm: string | null;
  readonly head: string;
  /** Prefix of the layers, before their number. */
  readonly layers: string;
  readonly layer: LayerNames;
}

/**
 * What a graph needs to know of a decoder: its sizes, and where it differs from others.
 *
 * Plain data, read from `config.json` by the file of its architecture; the builder of the graph
 * knows none of the families by name.
 */
export interface ModelConfig {
  /** `model_type`. */
  readonly architecture: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly maxLength: number;
  readonly eosIds: readonly number[];
  readonly tieWordEmbeddings: boolean;
  readonly norm: Norm;
  readonly attentionKinds: readonly AttentionKind[];
  /** Index into {@link attentionKinds} of every layer. */
  readonly layerKinds: readonly number[];
  /** Factor of the dot products of queries and keys. */
  readonly attentionScale: number;
  /** Scores become `cap * tanh(score / cap)`; null: they stay. */
  readonly attentionCap: number | null;
  /** The same for logits. */
  readonly logitCap: number | null;
  /** Queries and keys are normalized before the rotary embedding: head by head, or as one row. */
  readonly queryKeyNorm: "head" | "row" | null;
  readonly biases: {
    /** Of the query, key and value projections. */
    readonly qkv: boolean;
    readonly attentionOutput: boolean;
    /** Of the projections of the MLP. */
    readonly mlp: boolean;
  };
  readonly activation: Activation;
  /** The MLP multiplies its activation with a second projection. */
  readonly gated: boolean;
  /** Factor of the rows of the embedding table; embeddings that are given are taken as they are. */
  readonly embeddingScale: number;
  /** A row of a table is added to the embedding for each position. */
  readonly learnedPositions: boolean;
  /** Projections of the layers are stored `[inputs, outputs]`. */
  readonly transposed: boolean;
  readonly names: TensorNames;
  /** Of a draft head only: how it reads the states of its target. */
  readonly features?: FeatureConfig;
}
