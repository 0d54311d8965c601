import { type Matrix, wideDot } from "@frugal/core";

/** Numbers per row of a sketch: coordinates, and the length of what they leave out. */
const size = 32;
/** Rows that the directions are fitted to, at most. */
const sampled = 512;
/** What rounding adds to a length, as a part of the longest row. */
const rounding = 1e-6;

/**
 * Bounds on products and distances of rows, from 32 numbers of each, for searches that then need the
 * exact value of few pairs. The numbers of a row are its coordinates in 31 directions, about the main
 * ones of all rows, and the length of the rest.
 *
 * _Cost_: 32 products of rows for each row, once; then 32 multiplications for a bound.
 *
 * Unchecked: all numbers are finite.
 *
 * @see Halko et al., arXiv:0909.4061, for directions by subspace iteration; the bounds are Cauchy and
 *   Schwarz's and the triangle's for the rests
 */
export class RowSketch {
  readonly #numbers: Float64Array;
  readonly #slack: number;

  /** A sketch, or null where rows are too few or too short for it to spare work. */
  static of(matrix: Matrix): RowSketch | null {
    return matrix.rows > 4 * size && matrix.cols > 2 * size ? new RowSketch(matrix) : null;
  }

  constructor(matrix: Matrix) {
    const { data, rows, cols } = matrix;
    const directions = mainDirections(matrix);
    const numbers = new Float64Array(rows * size);
    let longest = 0;
    for (let row = 0; row < rows; row++) {
      const square = wideDot(data, row * cols, data, row * cols, cols);
      let rest = square;
      for (let i = 0; i < directions.rows; i++) {
        const coordinate = wideDot(data, row * cols, directions.data, i * cols, cols);
        numbers[row * size + i] = coordinate;
        rest -= coordinate * coordinate;
      }
      numbers[(row + 1) * size - 1] = Math.sqrt(Math.max(0, rest));
      longest = Math.max(longest, square);
    }
    this.#numbers = numbers;
    this.#slack = rounding * Math.sqrt(longest);
  }

  /** At least the product of two rows, for rows of length 1 also if it is rounded to float32. */
  productAtMost(i: number, j: number): number {
    const numbers = this.#numbers;
    let [s0, s1, s2, s3] = [this.#slack, 0, 0, 0];
    for (let x = i * size, y = j * size, end = x + size; x < end; x += 4, y += 4) {
      s0 += numbers[x]! * numbers[y]!;
      s1 += numbers[x + 1]! * numbers[y + 1]!;
      s2 += numbers[x + 2]! * numbers[y + 2]!;
      s3 += numbers[x + 3]! * numbers[y + 3]!;
    }
    return s0 + s1 + (s2 + s3);
  }

  /** At most the squared Euclidean distance of two rows. */
  squareAtLeast(i: number, j: number): number {
    const numbers = this.#numbers;
    const rests = numbers[(i + 1) * size - 1]! - numbers[(j + 1) * size - 1]!;
    let [s0, s1, s2, s3] = [-2 * this.#slack * Math.abs(rests), 0, 0, 0];
    for (let x = i * size, y = j * size, end = x + size; x < end; x += 4, y += 4) {
      const d0 = numbers[x]! - numbers[y]!;
      const d1 = numbers[x + 1]! - numbers[y + 1]!;
      const d2 = numbers[x + 2]! - numbers[y + 2]!;
      const d3 = numbers[x + 3]! - numbers[y + 3]!;
      s0 += d0 * d0;
      s1 += d1 * d1;
      s2 += d2 * d2;
      s3 += d3 * d3;
    }
    return (s0 + s1 + (s2 + s3)) * (1 - rounding);
  }
}

/** Directions in which most of the rows' squares lie, orthogonal and a little shorter than 1. */
function mainDirections({ data, rows, cols }: Matrix): Matrix {
  const step = Math.max(1, Math.ceil(rows / Math.min(sampled, Math.max(size, rows / 8))));
  const sample = Array.from({ length: Math.ceil(rows / step) }, (_, i) => i * step * cols);
  const count = Math.min(size - 1, cols, sample.length);
  let directions = new Float64Array(count * cols);
  for (let i = 0; i < count; i++) {
    const from = sample[Math.floor((i * sample.length) / count)]!;
    directions.set(data.subarray(from, from + cols), i * cols);
  }
  let unit = orthonormal(directions, cols);
  for (let round = 0; round < 2; round++) {
    directions = new Float64Array(count * cols);
    for (const from of sample) {
      for (let i = 0; i < count; i++) {
        const weight = wideDot(data, from, unit, i * cols, cols);
        for (let c = 0; c < cols; c++) directions[i * cols + c]! += weight * data[from + c]!;
      }
    }
    unit = orthonormal(directions, cols);
  }
  return { data: unit, rows: count, cols };
}

/**
 * By Gram and Schmidt, twice; directions that depend on earlier ones become 0. Rounded to float32, and
 * shortened by more than that adds, so that squares of coordinates never sum to more than the row's.
 */
function orthonormal(vectors: Float64Array, cols: number): Float32Array {
  const dot = (x: number, y: number): number => {
    let sum = 0;
    for (let c = 0; c < cols; c++) sum += vectors[x + c]! * vectors[y + c]!;
    return sum;
  };
  for (let x = 0; x < vectors.length; x += cols) {
    const before = dot(x, x);
    for (let pass = 0; pass < 2; pass++) {
      for (let y = 0; y < x; y += cols) {
        const part = dot(x, y);
        for (let c = 0; c < cols; c++) vectors[x + c]! -= part * vectors[y + c]!;
      }
    }
    const left = dot(x, x);
    const scale = left > 1e-12 * before ? 1 / Math.sqrt(left) : 0;
    for (let c = 0; c < cols; c++) vectors[x + c]! *= scale;
  }
  return Float32Array.from(vectors, (x) => x * (1 - 1e-5));
}
