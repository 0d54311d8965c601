import type { Matrix } from "@frugal/core";

import { labelSimilar } from "../cluster/label-similar.ts";
import { expectFinite, expectInteger } from "../expect.ts";
import { applyReduction, createReduction, type Reduction } from "./reduction.ts";
import { RowProducts } from "./row-products.ts";

/**
 * LLaVA-Scissor: as many rows as there are things to see. Rows of a frame that are linked by cosines
 * above `threshold` become their mean, and so do the means of all frames; then every row joins the
 * representative it is most similar to, which becomes the mean of itself and of them.
 *
 * The reference finds the links of a sample of rows; here all links count. A row stands in the place of
 * the row of its component that is most similar to it. Ties go to the lower index.
 *
 * _Shapes_: `features` (frames · `perFrame`) × d, frame by frame. _Cost_: at most perFrame / 2 products
 * per row, half the square of the components of all frames, and rows times results.
 *
 * @param threshold a cosine; the reference takes 0.95, and 0.9 or 0.8 to keep less.
 * @throws `InferenceError` `shape` or `range` for features that are not finite or no whole frames, or a
 *   threshold outside `[-1, 1]`.
 * @see LLaVA-Scissor (Sun et al.), arXiv:2506.21862; HumanMLLM/LLaVA-Scissor,
 *   `llava/model/llava_arch_zip.py`; `docs/algorithms/connected-components.md`
 */
export function mergeConnected(features: Matrix, perFrame: number, threshold: number): Reduction {
  expectFinite("features", features);
  expectInteger("perFrame", perFrame, 1);
  expectInteger("frames", features.rows / perFrame, 0);
  const members = componentsOfFrames(features, perFrame, threshold);
  const means = applyReduction(meansOf(features.rows, members), features);
  const joined = groupBy(labelSimilar(means, threshold));
  // Means of means, as weights of the rows that they are made of.
  const sums = joined.map((components) =>
    components.flatMap((c) =>
      members[c]!.map((row): [number, number] => {
        return [row, 1 / (members[c]!.length * components.length)];
      }),
    ),
  );
  const representatives = applyReduction(reductionOf(features.rows, sums), features);
  const products = new RowProducts(stack(features, representatives));
  const all = sums.map((_, i) => features.rows + i);
  const followers = sums.map((): number[] => []);
  for (let row = 0; row < features.rows; row++) {
    followers[products.mostSimilar(row, all)]!.push(row);
  }
  return createReduction(
    features.rows,
    sums.map((terms, i) => {
      const rows = terms.map(([row]) => row).sort((a, b) => a - b);
      const anchor = rows[products.mostSimilar(all[i]!, rows)]!;
      return { anchor, terms: shareWith(terms, followers[i]!) };
    }),
  );
}

function componentsOfFrames(
  { data, rows, cols }: Matrix,
  perFrame: number,
  threshold: number,
): number[][] {
  const members: number[][] = [];
  for (let first = 0; first < rows; first += perFrame) {
    const part = data.subarray(first * cols, (first + perFrame) * cols);
    const frame = { data: part, rows: perFrame, cols };
    for (const cells of groupBy(labelSimilar(frame, threshold))) {
      members.push(cells.map((cell) => first + cell));
    }
  }
  return members;
}

function stack(above: Matrix, below: Matrix): Matrix {
  const data = new Float32Array(above.data.length + below.data.length);
  data.set(above.data);
  data.set(below.data, above.data.length);
  return { data, rows: above.rows + below.rows, cols: above.cols };
}

/** The indices of every label, labels and indices ascending. */
function groupBy(labels: Uint32Array): number[][] {
  const groups: number[][] = [];
  for (const [i, label] of labels.entries()) (groups[label] ??= []).push(i);
  return groups;
}

function meansOf(rows: number, members: readonly number[][]): Reduction {
  return reductionOf(
    rows,
    members.map((list) => list.map((row) => [row, 1 / list.length])),
  );
}

/** Sums in the order of their first rows, which is the order they are given in. */
function reductionOf(rows: number, sums: readonly [number, number][][]): Reduction {
  return createReduction(
    rows,
    sums.map((terms) => ({ anchor: terms[0]![0], terms })),
  );
}

/** The mean of one row, a weighted sum, and of others; what is in both is one term. */
function shareWith(terms: readonly [number, number][], others: readonly number[]) {
  const share = 1 / (others.length + 1);
  const weights = new Map(terms.map(([row, weight]) => [row, weight * share]));
  for (const row of others) weights.set(row, (weights.get(row) ?? 0) + share);
  return [...weights].sort(([a], [b]) => a - b);
}
