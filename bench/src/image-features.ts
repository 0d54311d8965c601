import { type Matrix, philox } from "@frugal/core";

/**
 * Features that vary as those of an image do, `[side², cols]`: a coarse grid of normal rows,
 * interpolated, with noise in every channel.
 */
export function imageFeatures(seed: number, side: number, cols: number): Matrix {
  const grid = 6;
  const coarse = normalNumbers(seed, grid * grid * cols);
  const data = normalNumbers(seed + 1, side * side * cols);
  for (let cell = 0; cell < side * side; cell++) {
    const y = (Math.floor(cell / side) * (grid - 1)) / side;
    const x = ((cell % side) * (grid - 1)) / side;
    const corner = (Math.floor(y) * grid + Math.floor(x)) * cols;
    const [v, u] = [y % 1, x % 1];
    for (let c = 0; c < cols; c++) {
      const at = corner + c;
      const above = (1 - u) * coarse[at]! + u * coarse[at + cols]!;
      const below = (1 - u) * coarse[at + grid * cols]! + u * coarse[at + (grid + 1) * cols]!;
      const noise = data[cell * cols + c]!;
      data[cell * cols + c] = (1 - v) * above + v * below + 0.35 * noise;
    }
  }
  return { data, rows: side * side, cols };
}

/** Normal numbers, as many as asked for; every second one is made of the same draw. */
export function normalNumbers(seed: number, count: number): Float32Array {
  const random = philox(seed);
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(random.uniform(i)));
    const angle = 2 * Math.PI * random.uniform(i + 1);
    numbers[i] = radius * Math.cos(angle);
    if (i + 1 < count) numbers[i + 1] = radius * Math.sin(angle);
  }
  return numbers;
}
