import type { Matrix } from "../matrix.ts";

/**
 * What the last layer of a range reports of its attention: `"attention"`, the weights after softmax,
 * averaged over heads; `"logits"`, the masked and scaled scores before it, head by head.
 */
export type ScoreKind = "attention" | "logits";

/** What a {@link LayerStage} decides from. */
export interface StageView {
  /** States of the images' rows that enter the stage's layer, `[n, hiddenSize]`. Borrowed. */
  readonly states: Matrix;
  /** States of the rows of text that are queries, `[t, hiddenSize]`. Borrowed. */
  readonly text: Matrix;
  /**
   * What the stage {@link LayerStage.reads} of the layer before: `[queries, keys]`, of logits head
   * after head; null where it reads nothing.
   */
  readonly scores: Matrix | null;
  /** Columns of `scores` that are the images' rows. */
  readonly columns: Uint32Array;
  /** Rows that the images had before any stage. */
  readonly total: number;
}

/** What goes on into the layers from a stage on. */
export interface StageDecision {
  /** Of the images' rows those that go on, ascending. They keep their positions. */
  readonly keep: Uint32Array;
  /** States that go on in their place, `[keep.length, hiddenSize]`. Absent: their own. */
  readonly states?: Matrix;
}

/** What a {@link LayerStage} wants to know of the attention in the layer before it. */
export interface StageReads {
  readonly kind: ScoreKind;
  /**
   * Whose attention: that of the last row, of the rows of text behind the first image, or of all rows
   * that enter the layer.
   */
  readonly queries: "last" | "text" | "all";
  /** To which of the rows that enter the layer: those of the images, or all of them. */
  readonly keys: "images" | "all";
}

/**
 * A place between two layers of a decoder where rows of images end.
 *
 * Made by the factories of `@frugal/vision-tokens`; run by `createStagedModel` of `@frugal/decoding`.
 */
export interface LayerStage {
  /** The first layer that sees only what goes on; at least 1. */
  readonly layer: number;
  readonly reads: StageReads | null;
  /** A pure function of its argument. */
  decide(view: StageView): StageDecision;
}
