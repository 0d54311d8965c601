import { type Matrix, topIndices, wideDot } from "@frugal/core";

import { expectFinite, expectLength, expectNumber, expectNumbers } from "../expect.ts";
import { roundHalfEven } from "../round-half-even.ts";
import { RowSketch } from "./row-sketch.ts";
import { unitRows } from "./unit-rows.ts";

/** Options of {@link informationDensity}. */
export interface DensityOptions {
  /** Two patches repeat each other if their cosine is above this. Default 0.9. */
  readonly similarity?: number;
  /** A patch is redundant if at least this part of all patches repeats it. Default 0.3. */
  readonly share?: number;
}

/** Options of {@link selectByDensity}. */
export interface SelectByDensityOptions extends DensityOptions {
  /** Attention of the class token in an early layer, which sees details. Default: not looked at. */
  readonly shallow?: Float32Array;
  /** How much the early layer counts, in `[0, 1]`. Default 0.5. */
  readonly shallowWeight?: number;
}

/**
 * What part of the patches of an image or tile is not redundant: near 0 for an empty margin of a page,
 * near 1 for dense print.
 *
 * The paper does not give its two thresholds, and its code is not public; the defaults are ours.
 *
 * _Shapes_: `keys` n × d of the encoder, or features. _Cost_: at most n² / 2 products of rows; none for
 * two that are redundant already.
 *
 * @returns a number in `[0, 1]`; 1 for no patch.
 * @throws `InferenceError` `shape` or `range` for keys or options that do not fit.
 * @see Zhang et al., "Token-level correlation-guided compression", arXiv:2407.14439;
 *   `docs/algorithms/information-density.md`
 */
export function informationDensity(
  keys: Matrix,
  { similarity = 0.9, share = 0.3 }: DensityOptions = {},
): number {
  expectFinite("keys", keys);
  expectNumber("similarity", similarity, -1, 1);
  expectNumber("share", share, 0, 1);
  const unit = unitRows(keys);
  const { data, rows, cols } = unit;
  const sketch = RowSketch.of(unit);
  const enough = Math.max(1, share * rows);
  const repeats = new Uint32Array(rows);
  for (let i = 1; i < rows; i++) {
    for (let j = 0; j < i; j++) {
      if (repeats[i]! >= enough && repeats[j]! >= enough) continue;
      if (sketch !== null && sketch.productAtMost(i, j) <= similarity) continue;
      const cosine = wideDot(data, i * cols, data, j * cols, cols);
      if (!(cosine > similarity)) continue;
      repeats[i]!++;
      repeats[j]!++;
    }
  }
  const dense = repeats.filter((count) => count < enough).length;
  return rows === 0 ? 1 : dense / rows;
}

/**
 * Keeps as many patches of a tile of a document as its {@link informationDensity} says, at least one:
 * those that the class token attends to most. An empty tile collapses to one token.
 *
 * Attentions of a late and an early layer are each divided by their sum and mixed. Deviation: the paper
 * draws patches by these probabilities and takes outliers first; here the highest are taken, so that the
 * same tile always keeps the same patches. Ties go to the lower index.
 *
 * @param attention of the class token in a late layer, at least 0.
 * @returns the chosen rows, ascending; none of no patches.
 * @throws `InferenceError` `shape` if buffers differ in patches; `range` for numbers that are not finite
 *   or a bad option.
 * @see {@link informationDensity}
 */
export function selectByDensity(
  keys: Matrix,
  attention: Float32Array,
  options: SelectByDensityOptions = {},
): Uint32Array {
  const { shallow, shallowWeight = 0.5 } = options;
  expectLength("attention", attention, keys.rows);
  expectNumber("shallowWeight", shallowWeight, 0, 1);
  const deep = shares("attention", attention);
  if (shallow !== undefined) {
    expectLength("shallow", shallow, keys.rows);
    const early = shares("shallow", shallow);
    for (let i = 0; i < deep.length; i++) {
      deep[i] = (1 - shallowWeight) * deep[i]! + shallowWeight * early[i]!;
    }
  }
  const count = Math.max(1, roundHalfEven(informationDensity(keys, options) * keys.rows));
  return topIndices(deep, 0, deep.length, count);
}

function shares(name: string, attention: Float32Array): Float64Array {
  expectNumbers(name, attention, 0);
  const total = attention.reduce((sum, value) => sum + value, 0) || 1;
  return Float64Array.from(attention, (value) => value / total);
}
