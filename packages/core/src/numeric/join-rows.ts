import type { Matrix } from "../matrix.ts";

/** One matrix below the other, new; a single one as it is. Unchecked: at least one, all of one width. */
export function joinRows(...parts: readonly Matrix[]): Matrix {
  if (parts.length === 1) return parts[0]!;
  const { cols } = parts[0]!;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const data = new Float32Array(rows * cols);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { data, rows, cols };
}
