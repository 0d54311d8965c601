import { InferenceError, type Matrix } from "@frugal/core";

import { expectFinite, expectInteger, expectLength, expectNumber } from "../expect.ts";

/** Options of {@link earlyExit}. */
export interface EarlyExitOptions {
  /** Rows of a higher confidence may leave. 1: none does. Default 0.9. */
  readonly threshold?: number;
  /** How many of each class stay all the same, as context for the others. Default 5. */
  readonly keepPerClass?: number;
}

/** Which rows an encoder is done with. */
export interface EarlyExit {
  /** Rows that leave with their prediction, ascending. */
  readonly exit: Uint32Array;
  /** Rows that go on, ascending. */
  readonly keep: Uint32Array;
}

/**
 * DToP: rows that an auxiliary head is sure of leave the encoder, but for the surest of each class that
 * is among them. Ties go to the lower index.
 *
 * _Cost_: O(n log n).
 *
 * @param confidence of each row, the largest of its classes' probabilities.
 * @param classes of each row, the most probable one.
 * @throws {@link InferenceError} `shape` or `range` for what does not fit.
 * @see Dynamic Token Pruning (Tang et al.), arXiv:2308.01045; `docs/algorithms/early-exit.md`
 */
export function earlyExit(
  confidence: Float32Array,
  classes: Uint32Array,
  { threshold = 0.9, keepPerClass = 5 }: EarlyExitOptions = {},
): EarlyExit {
  expectLength("classes", classes, confidence.length);
  expectNumber("threshold", threshold, 0, 1);
  expectInteger("keepPerClass", keepPerClass, 0);
  const easy: number[] = [];
  for (let row = 0; row < confidence.length; row++) {
    expectNumber(`confidence ${row}`, confidence[row]!, 0, 1);
    if (confidence[row]! > threshold) easy.push(row);
  }
  easy.sort((a, b) => confidence[b]! - confidence[a]! || a - b);
  const kept = new Map<number, number>();
  const leaves = new Uint8Array(confidence.length);
  for (const row of easy) {
    const count = kept.get(classes[row]!) ?? 0;
    if (count < keepPerClass) kept.set(classes[row]!, count + 1);
    else leaves[row] = 1;
  }
  const rows = Uint32Array.from(confidence.keys());
  return {
    exit: rows.filter((row) => leaves[row] === 1),
    keep: rows.filter((row) => leaves[row] === 0),
  };
}

/**
 * The predictions of all rows of an image while rows leave the encoder at different depths. It knows
 * which rows are left, so that stages speak of theirs only.
 */
export class TokenCanvas {
  /** One row of predictions per row of the image; of rows that are not finished zeros. */
  readonly values: Matrix;
  #left: Uint32Array;

  /** @throws {@link InferenceError} `range` for what is no count. */
  constructor(rows: number, channels: number) {
    expectInteger("rows", rows, 0);
    expectInteger("channels", channels, 1);
    this.values = { data: new Float32Array(rows * channels), rows, cols: channels };
    this.#left = Uint32Array.from({ length: rows }, (_, row) => row);
  }

  /** Rows of the image that have not left, ascending. */
  get left(): Uint32Array {
    return this.#left.slice();
  }

  /**
   * Finishes some of the rows that are left.
   *
   * @param predictions of all rows that are left, in their order.
   * @param exit which of them leave, ascending, counted among those that are left: of `earlyExit`.
   * @throws {@link InferenceError} `shape` for predictions of another size; `range` for rows that are
   *   not left.
   */
  finish(predictions: Matrix, exit: Uint32Array): void {
    const { cols } = this.values;
    expectFinite("predictions", predictions);
    expectLength("predictions", { length: predictions.rows }, this.#left.length);
    expectLength("predictions", { length: predictions.cols }, cols);
    const done = new Uint8Array(this.#left.length);
    for (const row of exit) {
      if (row >= done.length) {
        throw new InferenceError("range", `exit: expected rows below ${done.length}, got ${row}`);
      }
      done[row] = 1;
      const values = predictions.data.subarray(row * cols, (row + 1) * cols);
      this.values.data.set(values, this.#left[row]! * cols);
    }
    this.#left = this.#left.filter((_, row) => done[row] === 0);
  }
}
