import { InferenceError, type LayerStage, type Matrix } from "@frugal/core";

import { pickBatch, type RowBatch } from "./row-batch.ts";
import { type ScorePart, viewOf } from "./stage-scores.ts";

/**
 * The rows of a batch that a stage lets into its layer.
 *
 * @throws {@link InferenceError} `range` or `shape` for a decision that is none about these rows.
 */
export function decideStage(
  stage: LayerStage,
  batch: RowBatch,
  parts: readonly ScorePart[],
  total: number,
): RowBatch {
  const images = batch.images.flatMap((image, row) => (image === null ? [] : [row]));
  if (images.length === 0) return batch;
  const { keep, states } = stage.decide(viewOf(stage, batch, parts, total));
  checkDecision(stage, keep, states, images.length, batch.states.cols);
  const kept = new Set(Array.from(keep, (index) => images[index]!));
  const rows = batch.images.flatMap((image, row) => (image === null || kept.has(row) ? [row] : []));
  const picked = pickBatch(batch, rows);
  return states === undefined ? picked : { ...picked, states: replaceImages(picked, states) };
}

function checkDecision(
  { layer }: LayerStage,
  keep: Uint32Array,
  states: Matrix | undefined,
  count: number,
  width: number,
): void {
  const name = `stage at layer ${layer}`;
  for (let i = 0; i < keep.length; i++) {
    if (keep[i]! < count && (i === 0 || keep[i]! > keep[i - 1]!)) continue;
    throw new InferenceError(
      "range",
      `${name}: expected ascending rows below ${count}, got ${keep[i]} at index ${i}`,
    );
  }
  if (states === undefined) return;
  const { data, rows, cols } = states;
  if (rows === keep.length && cols === width && data.length === rows * cols) return;
  throw new InferenceError(
    "shape",
    `${name}: expected states [${keep.length}, ${width}], got [${rows}, ${cols}]`,
  );
}

/** The states of a batch with others in the rows of images. */
function replaceImages({ states, images }: RowBatch, given: Matrix): Matrix {
  const { cols } = states;
  const data = states.data.slice();
  let from = 0;
  for (const [row, image] of images.entries()) {
    if (image === null) continue;
    data.set(given.data.subarray(from, from + cols), row * cols);
    from += cols;
  }
  return { ...states, data };
}
