import type { Matrix } from "@frugal/core";

import { expectAscending, expectFinite, expectInteger, expectLength } from "../expect.ts";

/** A phrase such as "a red hat" in a prompt, by the rows of its tokens. */
export interface Phrase {
  /** Rows of the noun, ascending, at least one. */
  readonly noun: Uint32Array;
  /** Rows of its attributes, ascending. */
  readonly attributes: Uint32Array;
  /** What the two count; default 1 and 1, as in the paper. The published code has 1.1 and 1.2. */
  readonly weights?: readonly [noun: number, attributes: number];
}

/**
 * One token for a phrase of a text-to-image prompt: at the noun's first row the weighted sum of its
 * rows and its attributes', zeros at the other rows of the phrase. Attributes then cannot bind to
 * another noun.
 *
 * @returns as many rows, new; those outside of the phrase as they were.
 * @throws `InferenceError` `range` for rows out of order or outside, `shape` for a phrase without noun.
 * @see ToMe for text-to-image (Hu et al.), arXiv:2411.07132; hutaiHang/ToMe, `pipe_tome.py`;
 *   `docs/algorithms/prompt-edits.md`
 */
export function compositeToken(embeddings: Matrix, phrase: Phrase): Matrix {
  const { noun, attributes, weights = [1, 1] } = phrase;
  const { rows, cols } = embeddings;
  expectFinite("embeddings", embeddings);
  expectAscending("noun", noun, rows);
  expectAscending("attributes", attributes, rows);
  expectInteger("rows of the noun", noun.length, 1);
  const sum = new Float64Array(cols);
  const data = embeddings.data.slice();
  for (const [part, weight] of [
    [noun, weights[0]],
    [attributes, weights[1]],
  ] as const) {
    for (const row of part) {
      for (let c = 0; c < cols; c++) sum[c]! += weight * embeddings.data[row * cols + c]!;
      data.fill(0, row * cols, (row + 1) * cols);
    }
  }
  data.set(sum, noun[0]! * cols);
  return { data, rows, cols };
}

/**
 * The rows after a prompt, which repeat its meaning, from another encoding: that of the prompt without
 * attributes ("a cat and a dog"), whose meaning cannot leak.
 *
 * @param length rows of the prompt itself; all after them are replaced.
 * @returns as many rows, new.
 * @throws `InferenceError` `shape` for encodings of different sizes, `range` for a length outside.
 * @see ToMe for text-to-image (Hu et al.), arXiv:2411.07132; `docs/algorithms/prompt-edits.md`
 */
export function replaceEnd(encoded: Matrix, plain: Matrix, length: number): Matrix {
  expectLength("plain", plain.data, encoded.data.length);
  expectInteger("length", length, 0, encoded.rows);
  const data = plain.data.slice();
  data.set(encoded.data.subarray(0, length * encoded.cols));
  return { ...encoded, data };
}
