/** Layers that are left out, or a half of them; see `skipLayers` of `@frugal/vision-tokens`. */
export interface LayerSkips {
  /** Ascending; never the first layer. */
  readonly layers: readonly number[];
  /**
   * What they leave out for a row: the attention, the MLP, or both; of a whole block the keys and
   * values of the layer before are cached in the place of its own.
   */
  readonly part: "attention" | "mlp" | "block";
  /** Which rows: those of images, or all of them. */
  readonly rows: "images" | "all";
}

/**
 * How little layers do for rows of images, which all stay: plain data, built into a graph when a model is
 * loaded. What counts as a row of an image a block says by its `images`.
 *
 * Executed by masks: a model computes what it would compute with less effort, at full cost.
 */
export interface ImageEffort {
  /**
   * Rows of an image attend, of their image, to the rows at most this many lines and columns away, also
   * to later ones, and to none besides. Images that take part say their `width`, and their rows come in
   * one block.
   */
  readonly reach?: number;
  /**
   * By layer and query head, whether the head attends to rows of images and writes to them: 1 or 0. Not
   * normalized again.
   */
  readonly heads?: readonly Uint8Array[];
  /** By layer, how many channels of the MLP serve rows of images, the first ones. */
  readonly channels?: readonly number[];
  readonly skips?: LayerSkips;
}
