import { InferenceError, type Matrix } from "@frugal/core";

import type { FeatureConfig } from "../load/model-config.ts";
import type { Ort, Tensor } from "../onnx/ort.ts";

/**
 * Checks the features of a block of `rows`.
 *
 * @throws {@link InferenceError} `unsupported` for features of a model that reads none; `shape` for
 *   none where they are read, another number of matrices, or one of another shape.
 */
export function checkFeatures(
  given: readonly Matrix[] | undefined,
  rows: number,
  features: FeatureConfig | undefined,
  hiddenSize: number,
): void {
  if (features === undefined) {
    if (given === undefined) return;
    throw new InferenceError("unsupported", "features: this model reads none");
  }
  const { reads, width } = features;
  const isOwn = given?.length === 1;
  if (!isOwn && given?.length !== reads.length) {
    const expected = reads.length === 1 ? "one matrix" : `1 or ${reads.length} matrices`;
    throw new InferenceError("shape", `features: expected ${expected}, got ${given?.length ?? 0}`);
  }
  const cols = isOwn ? hiddenSize : width;
  for (const matrix of given) {
    const isRight = matrix.rows === rows && matrix.cols === cols;
    if (isRight && matrix.data.length === rows * cols) continue;
    throw new InferenceError(
      "shape",
      `features: expected [${rows}, ${cols}], got [${matrix.rows}, ${matrix.cols}] ` +
        `with ${matrix.data.length} values`,
    );
  }
}

/** The tensors of a block's features; the buffers are not copied. */
export function featureFeeds(
  { Tensor }: Ort,
  given: readonly Matrix[],
  { reads, width, join }: FeatureConfig,
  hiddenSize: number,
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  const isOwn = join === "attend" && given.length === 1;
  const none = new Float32Array(0);
  for (const i of reads.keys()) {
    const { data, rows } = isOwn ? { data: none, rows: 0 } : given[i]!;
    feeds[`features.${i}`] = new Tensor("float32", data, [rows, width]);
  }
  if (join !== "attend") return feeds;
  const own = isOwn ? given[0]! : { data: none, rows: 0 };
  feeds["own_features"] = new Tensor("float32", own.data, [own.rows, hiddenSize]);
  return feeds;
}

/** Rows `[from, to)` of features, sharing their storage. */
export function sliceFeatures(
  given: readonly Matrix[],
  from: number,
  to: number,
): readonly Matrix[] {
  return given.map(({ data, cols }) => ({
    data: data.subarray(from * cols, to * cols),
    rows: to - from,
    cols,
  }));
}
