import { InferenceError, type Matrix } from "@frugal/core";

/** @throws {@link InferenceError} `range` unless `value` is an integer in `[low, high]`. */
export function expectInteger(
  name: string,
  value: number,
  low: number,
  high: number = Infinity,
): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  const interval = high === Infinity ? `>= ${low}` : `in [${low}, ${high}]`;
  throw new InferenceError("range", `${name}: expected an integer ${interval}, got ${value}`);
}

/** @throws {@link InferenceError} `range` unless `list` ascends strictly within `[0, end)`. */
export function expectAscending(name: string, list: Uint32Array, end: number): void {
  let previous = -1;
  for (const index of list) {
    if (index <= previous || index >= end) {
      throw new InferenceError(
        "range",
        `${name}: expected ascending indices below ${end}, got ${index} after ${previous}`,
      );
    }
    previous = index;
  }
}

/** @throws {@link InferenceError} `range` unless `value` is a number in `[low, high]`. */
export function expectNumber(name: string, value: number, low: number, high: number): void {
  if (value >= low && value <= high) return;
  throw new InferenceError(
    "range",
    `${name}: expected a number in [${low}, ${high}], got ${value}`,
  );
}

/** @throws {@link InferenceError} `shape` unless `buffer` has `length` entries. */
export function expectLength(name: string, buffer: ArrayLike<unknown>, length: number): void {
  if (buffer.length === length) return;
  throw new InferenceError("shape", `${name}: expected ${length} entries, got ${buffer.length}`);
}

/** @throws {@link InferenceError} `shape` or `range` unless all entries of `x` are there and finite. */
export function expectFinite(name: string, { data, rows, cols }: Matrix): void {
  expectLength(name, data, rows * cols);
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) continue;
    const row = Math.floor(i / cols);
    throw new InferenceError(
      "range",
      `${name}: expected finite numbers, got ${data[i]} in row ${row}`,
    );
  }
}

/** @throws {@link InferenceError} `range` unless all values are finite and at least `low`. */
export function expectNumbers(name: string, values: Float32Array, low: number = -Infinity): void {
  const at = values.findIndex((value) => !Number.isFinite(value) || value < low);
  if (at < 0) return;
  const kind = low === -Infinity ? "finite numbers" : `finite numbers >= ${low}`;
  throw new InferenceError("range", `${name}: expected ${kind}, got ${values[at]} at ${at}`);
}
