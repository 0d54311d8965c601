import { type ImageEffort, InferenceError } from "@frugal/core";

import type { DecoderDims } from "../cost/flops.ts";
import { expectInteger } from "../expect.ts";
import { countNeighbors } from "./neighbor-mask.ts";

/** One prompt, as far as {@link effortFlops} looks at it. */
export interface EffortInput {
  readonly text: number;
  /** Lines and rows per line of the image. */
  readonly height: number;
  readonly width: number;
}

/**
 * Floating-point operations of a prompt with an image if nothing were computed that an `ImageEffort`
 * leaves out: what a special export could reach. Two per multiply-add, without embedding and
 * vocabulary; attention among text is counted in full.
 *
 * @throws `InferenceError` `range` or `shape` for counts or an effort that do not fit.
 * @see `docs/algorithms/skipping-images.md`
 */
export function effortFlops(dims: DecoderDims, input: EffortInput, effort: ImageEffort): number {
  const { layers, width, kvWidth, hidden } = dims;
  for (const [name, value] of Object.entries({ ...dims, ...input })) expectInteger(name, value, 0);
  const { heads, channels, skips, reach } = effort;
  for (const [name, list] of Object.entries({ heads, channels })) {
    if (list === undefined || list.length === layers) continue;
    throw new InferenceError("shape", `${name}: expected ${layers} layers, got ${list.length}`);
  }
  const { text } = input;
  const visual = input.height * input.width;
  const pairs =
    reach === undefined || visual === 0
      ? visual * visual
      : countNeighbors(input.width, input.height, reach);
  let macs = 0;
  for (let layer = 0; layer < layers; layer++) {
    const skip = skips?.layers.includes(layer) === true ? skips : null;
    const runs = (part: "attention" | "mlp", rows: "images" | "text"): number => {
      const isSpared = skip !== null && (rows === "images" || skip.rows === "all");
      return isSpared && (skip.part === part || skip.part === "block") ? 0 : 1;
    };
    const share = heads === undefined ? 1 : mean(heads[layer]!);
    const used = channels === undefined ? hidden : Math.min(hidden, channels[layer]!);
    const projections = 2 * width * width + 2 * width * kvWidth;
    macs += runs("attention", "images") * visual * projections;
    macs += runs("attention", "text") * text * projections;
    macs += runs("attention", "images") * 2 * width * share * (visual * text + pairs);
    macs += runs("attention", "text") * 2 * width * text * (text + share * visual);
    macs += runs("mlp", "images") * visual * 3 * width * used;
    macs += runs("mlp", "text") * text * 3 * width * hidden;
  }
  return 2 * macs;
}

function mean(values: Uint8Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
