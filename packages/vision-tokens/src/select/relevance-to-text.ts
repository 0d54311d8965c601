import { InferenceError, type Matrix, wideDot } from "@frugal/core";

import { expectFinite, expectInteger } from "../expect.ts";
import { unitRows } from "./unit-rows.ts";

/**
 * How relevant each row of an image is to a text, for `selectDeterminant`: its mean cosine with the rows
 * of the text, scaled linearly so that the least relevant row has 0 and the most relevant 1. All ones
 * where no row is more relevant than another.
 *
 * _Shapes_: `features` n × d, `text` t × d, in one space: features behind the projector with the
 * decoder's embeddings of the question, or both ends of a CLIP model. _Cost_: O((n + t) d).
 *
 * @param opposed whether low cosines are relevant, as CDPruner found of LLaVA's features. Default false.
 * @throws `InferenceError` `shape` for text of another width; `range` for text without rows and numbers
 *   that are not finite.
 * @see CDPruner (Zhang et al.), arXiv:2506.10967; `docs/algorithms/determinant-selection.md`
 */
export function relevanceToText(features: Matrix, text: Matrix, opposed = false): Float32Array {
  expectFinite("features", features);
  expectFinite("text", text);
  expectInteger("rows of text", text.rows, 1);
  if (text.cols !== features.cols) {
    throw new InferenceError("shape", `text: expected ${features.cols} columns, got ${text.cols}`);
  }
  const { data, rows, cols } = unitRows(features);
  const mean = meanRow(unitRows(text));
  const cosines = Float64Array.from({ length: rows }, (_, row) =>
    wideDot(data, row * cols, mean, 0, cols),
  );
  const low = cosines.reduce((least, cosine) => Math.min(least, cosine), Infinity);
  const high = cosines.reduce((most, cosine) => Math.max(most, cosine), -Infinity);
  if (!(high > low)) return new Float32Array(rows).fill(1);
  return Float32Array.from(cosines, (cosine) =>
    opposed ? (high - cosine) / (high - low) : (cosine - low) / (high - low),
  );
}

function meanRow({ data, rows, cols }: Matrix): Float32Array {
  const sum = new Float64Array(cols);
  for (let i = 0; i < data.length; i++) sum[i % cols]! += data[i]!;
  return Float32Array.from(sum, (value) => value / rows);
}
