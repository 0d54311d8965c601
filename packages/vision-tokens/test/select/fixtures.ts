import { type Matrix, philox } from "@frugal/core";

/** Unit vectors in the plane, at angles in degrees. */
export function atAngles(...degrees: number[]): Matrix {
  const data = degrees.flatMap((angle) => {
    const radians = (angle * Math.PI) / 180;
    return [Math.cos(radians), Math.sin(radians)];
  });
  return { data: Float32Array.from(data), rows: degrees.length, cols: 2 };
}

/** A matrix of independent normal numbers. */
export function normalRows(seed: number, rows: number, cols: number): Matrix {
  const normal = normals(seed);
  return { data: Float32Array.from({ length: rows * cols }, normal), rows, cols };
}

/** Features that vary as those of images do: a coarse grid of normal rows, interpolated, with noise. */
export function imageLike(seed: number, side: number, cols: number): Matrix {
  const coarse = normalRows(seed, 36, cols).data;
  const normal = normals(seed + 1);
  const data = new Float32Array(side * side * cols);
  for (let cell = 0; cell < side * side; cell++) {
    const y = (Math.floor(cell / side) * 5) / side;
    const x = ((cell % side) * 5) / side;
    const corner = (Math.floor(y) * 6 + Math.floor(x)) * cols;
    const [v, u] = [y % 1, x % 1];
    for (let c = 0; c < cols; c++) {
      const at = (offset: number) => coarse[corner + offset * cols + c]!;
      const mixed = (1 - v) * ((1 - u) * at(0) + u * at(1)) + v * ((1 - u) * at(6) + u * at(7));
      data[cell * cols + c] = mixed + 0.35 * normal();
    }
  }
  return { data, rows: side * side, cols };
}

/** Normal numbers, one per call. */
function normals(seed: number): () => number {
  const rng = philox(seed);
  let index = 0;
  return () => {
    const radius = Math.sqrt(-2 * Math.log(rng.uniform(index, 0)));
    return radius * Math.cos(2 * Math.PI * rng.uniform(index++, 1));
  };
}

/** The rows of a matrix in lexical order. */
export function sortedRows({ data, rows, cols }: Matrix): number[][] {
  const list = Array.from({ length: rows }, (_, row) => [
    ...data.subarray(row * cols, (row + 1) * cols),
  ]);
  return list.sort((a, b) => {
    const c = a.findIndex((x, i) => x !== b[i]);
    return c < 0 ? 0 : a[c]! - b[c]!;
  });
}
