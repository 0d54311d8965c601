import type { ModelInfo } from "@frugal/core";

/** What of a model a selection depends on. */
export type Geometry = Pick<ModelInfo, "layers" | "heads" | "kvHeads" | "headDim">;

/** What one layer attends with, in one step. */
export interface LayerView {
  readonly layer: number;
  /** Rows of the block. */
  readonly rows: number;
  /** Rotated queries, `[rows, heads, headDim]`. */
  readonly queries: Float32Array | Float64Array;
  /** Rotated keys of the cached rows, `[kvHeads, capacity, headDim]`. */
  readonly keys: Float32Array | Float64Array;
  readonly capacity: number;
  /** Cached rows, those of the block not among them. */
  readonly length: number;
}

/**
 * Slots that a layer attends to: one list for all heads, or one per KV head. Ascending, distinct,
 * below `length`.
 */
export type SelectedRows = Uint32Array | readonly Uint32Array[];

/**
 * Chooses the cached rows of every layer, for one sequence: the specification of an
 * `AttentionPolicy`, and the oracle for its form inside a graph.
 *
 * Remembers what its policy needs from step to step.
 */
export interface RowSelector {
  /**
   * Called for every layer of a step, in order.
   *
   * _Cost_: of the keys it reads, at most one pass. Nothing of the view is kept.
   *
   * @returns null where the layer attends to every row.
   */
  select(view: LayerView): SelectedRows | null;
  /**
   * Attention weights, where they are not the softmax of the scores: `[slots.length]` for the slots
   * that a row attends to, ascending, its own the last.
   */
  weigh?(scores: ArrayLike<number>, slots: ArrayLike<number>): Float64Array;
  /** Told that only these slots were kept: `Sequence.keep`. */
  keep(slots: Uint32Array): void;
  /** One with the same memory: `Sequence.fork`. */
  fork(): RowSelector;
}

/** Cached rows below which, and rows of a block above which, everything is attended to. */
export function isFull(
  policy: { readonly budget: number; readonly minLength: number; readonly maxRows: number },
  view: LayerView,
): boolean {
  return (
    view.length <= policy.budget || view.length < policy.minLength || view.rows > policy.maxRows
  );
}
