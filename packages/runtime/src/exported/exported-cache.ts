import type { Ort, Tensor } from "../onnx/ort.ts";
import type { KeyFrequencies } from "../sequence/kv-store.ts";
import type { RowPositions } from "../sequence/place-rows.ts";

/**
 * Keys and values of one text in the layout of an exported graph.
 *
 * A method that changes something returns the cache to go on with, which may be another object; the
 * one before is not to be used again.
 */
export interface ExportedCache {
  readonly length: number;
  /** Rotary position of every row; of a triple its largest number. */
  readonly positions: Int32Array;
  /** Whether a row stands at a triple of unequal numbers (M-RoPE). */
  readonly hasTriples: boolean;
  /** Makes room for `rows` more. */
  reserve(rows: number): ExportedCache;
  /** The graph's inputs for the rows so far. */
  feeds(ort: Ort): Record<string, Tensor>;
  /** The outputs that hold the rows after a step, and where they are to be written, if anywhere. */
  fetches(ort: Ort): Record<string, Tensor | null>;
  /**
   * Takes over what a step made of rows at these places.
   *
   * @throws {@link InferenceError} `unsupported` if the graph did not return its cache grown by them.
   */
  append(outputs: Record<string, Tensor>, places: RowPositions): ExportedCache;
  /**
   * The rows of the given slots. With `frequencies`, by layer, keys are rotated to the positions of
   * their new slots, or where rows stand at triples, to places without gaps; without, they stay where
   * they were written.
   *
   * @throws {@link InferenceError} `range` unless the slots are ascending and inside `[0, length)`.
   */
  keep(slots: Uint32Array, frequencies: KeyFrequencies | null): ExportedCache;
  /** The first `length` rows. */
  truncate(length: number): ExportedCache;
  /** A second cache with the same rows. */
  fork(): ExportedCache;
}
