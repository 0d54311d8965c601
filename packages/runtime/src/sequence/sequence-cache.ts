import type { ModelInfo } from "@frugal/core";

import type { Fetches, Ort, Tensor } from "../onnx/ort.ts";
import type { AttentionRule } from "./attention-rules.ts";
import type { KeyFrequencies } from "./kv-store.ts";
import type { OpenTree } from "./open-tree.ts";

/** What of a model its caches depend on. */
export interface CacheContext {
  readonly ort: Ort;
  readonly info: ModelInfo;
  /** How the layers attend, by attention kind. */
  readonly rules: readonly AttentionRule[];
  /** Number in the graph of the first layer. */
  readonly firstLayer: number;
}

/** The rows of a block that is about to run. */
export interface NewRows {
  /** Their positions; of triples the largest number. */
  readonly highs: Int32Array;
  /** The smallest numbers; null where no row stands at a triple. */
  readonly lows: Int32Array | null;
  readonly parents: Int32Array | undefined;
  /** Branches that the cache holds with them; null for one path. */
  readonly tree: OpenTree | null;
}

/** The inputs and outputs of a step that are the cache's. */
export interface CacheFeeds {
  readonly feeds: Record<string, Tensor>;
  readonly fetches: Fetches;
}

/**
 * Keys and values of one sequence, wherever they are: rows in slots `[0, length)`, each with the
 * rotary position that it was written with, or turned to since.
 */
export interface SequenceCache {
  readonly length: number;
  readonly capacity: number;
  /** `[length]`, of triples the largest number; valid until the cache changes. */
  readonly positions: Int32Array;
  /** Whether a row stands at a triple of unequal numbers. */
  readonly hasTriples: boolean;
  /** Makes room for rows; what a step needs to read the cache and to write them. */
  begin(rows: NewRows): Promise<CacheFeeds>;
  /** Takes the rows of a step that went well. */
  finish(outputs: Readonly<Record<string, Tensor>>, rows: NewRows): void;
  /** Forgets every slot from `length` on. */
  truncate(length: number): void;
  /**
   * Keeps the given slots and renumbers them from 0. With `frequencies`, keys that are not at the
   * position of their new slot are rotated there; where rows stand at triples, to positions without
   * gaps.
   *
   * @throws {@link InferenceError} `range` unless the slots are ascending and inside `[0, length)`.
   */
  keep(slots: Uint32Array, frequencies: KeyFrequencies | null): Promise<void>;
  /** A cache with the same content, which costs nothing until one of the two writes. */
  fork(): SequenceCache;
  /** Lets go of the buffers. Idempotent. */
  dispose(): void;
}
