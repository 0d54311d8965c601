import { type Block, type ImageEffort, InferenceError, type ModelInfo } from "@frugal/core";

import type { Ort, Tensor } from "../onnx/ort.ts";
import type { BlockFeeds } from "./block-feeds.ts";
import { masked } from "./kv-store.ts";

/** Which rows of a sequence stand for images. */
export class ImageSlots {
  #flags: number[] = [];

  append(flags: Uint8Array): void {
    for (const flag of flags) this.#flags.push(flag);
  }

  truncate(length: number): void {
    this.#flags.length = Math.min(this.#flags.length, length);
  }

  keep(slots: Uint32Array): void {
    this.#flags = Array.from(slots, (slot) => this.#flags[slot]!);
  }

  fork(): ImageSlots {
    const copy = new ImageSlots();
    copy.#flags = [...this.#flags];
    return copy;
  }

  /** Writes 1 for every slot of an image. */
  mark(columns: Float32Array): void {
    for (const [slot, flag] of this.#flags.entries()) columns[slot] = flag;
  }
}

/** The inputs of a graph with an effort; see `lowerEffort`. */
export class ImageFeeds {
  readonly #ort: Ort;
  readonly #group: number;
  readonly effort: ImageEffort;

  constructor(ort: Ort, { heads, kvHeads }: ModelInfo, effort: ImageEffort) {
    this.#ort = ort;
    this.#group = heads / kvHeads;
    this.effort = effort;
  }

  /**
   * Tensors for the rows of images that `flags` marks in a block, after the slots of a
   * cache of `capacity`.
   */
  for(flags: Uint8Array, slots: ImageSlots, capacity: number): Record<string, Tensor> {
    const { heads, channels, skips } = this.effort;
    const { Tensor } = this.#ort;
    const rows = flags.length;
    const group = this.#group;
    const feeds: Record<string, Tensor> = {};
    if (channels !== undefined) {
      feeds["image_rows"] = new Tensor("float32", Float32Array.from(flags), [1, rows, 1]);
    }
    if (heads !== undefined) {
      const lines = Float32Array.from(
        { length: rows * group },
        (_, i) => flags[Math.floor(i / group)]!,
      );
      const columns = new Float32Array(capacity + rows);
      slots.mark(columns);
      columns.set(flags, capacity);
      feeds["image_lines"] = new Tensor("float32", lines, [1, 1, lines.length, 1]);
      feeds["image_columns"] = new Tensor("float32", columns, [1, 1, 1, columns.length]);
    }
    if (skips !== undefined) {
      const skipped = flags.map((flag) => (skips.rows === "all" ? 1 : flag));
      feeds["skipped"] = new Tensor("bool", skipped, [1, rows, 1]);
    }
    return feeds;
  }
}

/**
 * Marks the rows of a block that stand for images.
 *
 * @throws {@link InferenceError} `range` for images that are not ascending and apart inside the block;
 *   `unsupported` with a reach for images without a width that divides them, or in a tree.
 */
export function markImages(
  { images = [], parents }: Block,
  rows: number,
  { reach }: ImageEffort,
): Uint8Array {
  const flags = new Uint8Array(rows);
  let before = 0;
  for (const [i, { from, to, width }] of images.entries()) {
    const isRight = Number.isInteger(from) && Number.isInteger(to) && before <= from && from < to;
    if (!isRight || to > rows) {
      throw new InferenceError(
        "range",
        `images[${i}]: expected rows in [${before}, ${rows}), got [${from}, ${to})`,
      );
    }
    if (reach !== undefined && (width === undefined || (to - from) % width !== 0 || parents)) {
      const got = parents ? "a tree" : `width ${width}`;
      throw new InferenceError(
        "unsupported",
        `images[${i}]: expected lines for a reach, got ${got}`,
      );
    }
    flags.fill(1, from, to);
    before = to;
  }
  return flags;
}

/** Lets the rows of every image see their neighbours and no other row of it. Unchecked. */
export function maskNeighbors(
  { kinds }: BlockFeeds,
  images: NonNullable<Block["images"]>,
  rows: number,
  reach: number,
): void {
  for (const { blockBias } of kinds) {
    const stride = blockBias.length / rows;
    for (const { from, to, width = 1 } of images) {
      for (let row = from; row < to; row++) {
        for (let other = from; other < to; other++) {
          const [a, b] = [row - from, other - from];
          const lines = Math.abs(Math.floor(a / width) - Math.floor(b / width));
          const isNear = lines <= reach && Math.abs((a % width) - (b % width)) <= reach;
          const bias = isNear ? 0 : masked;
          for (let at = row * stride + other; at < (row + 1) * stride; at += rows) {
            blockBias[at] = bias;
          }
        }
      }
    }
  }
}
