import { expectInteger } from "../expect.ts";

/** How a model sees an image of a given size: what is cut from it, and how many tokens that makes. */
export interface TilePlan {
  /** Pixels that the image, without its padding, is resized into before it is cut. */
  readonly width: number;
  readonly height: number;
  /** The grid of local tiles; 0 by 0 if the model sees nothing but the whole image. */
  readonly cols: number;
  readonly rows: number;
  /** Where the whole image, as one more tile, stands in the sequence. */
  readonly overview: "first" | "last" | "none";
  /** Rows in the sequence: features and, where the model has them, learned newlines. */
  readonly tokens: number;
  /** Which of these rows are newlines, ascending. Pruning must leave them where they are. */
  readonly newlines: Uint32Array;
}

/**
 * Plans how an image of `width` by `height` pixels is cut. Exact, without looking at pixels. Marker
 * tokens that the prompt spells out between tiles are text and not counted.
 */
export type Tiler = (width: number, height: number) => TilePlan;

/** @throws `InferenceError` `range` unless both are positive integers. */
export function expectSize(width: number, height: number): void {
  expectInteger("width", width, 1);
  expectInteger("height", height, 1);
}

/** The number of encoder runs: local tiles and the overview. */
export function countTiles({ cols, rows, overview }: TilePlan): number {
  return cols * rows + (overview === "none" ? 0 : 1);
}
