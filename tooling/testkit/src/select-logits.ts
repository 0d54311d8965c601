import { logSumExp, type LogitsWanted, type Matrix, type TopLogits } from "@frugal/core";

/** The half of a step's output that concerns logits. */
export interface SelectedLogits {
  readonly logits: Matrix | null;
  readonly top: TopLogits | null;
}

/** Which rows of a block of `rows` the wanted logits cover, as a half-open range. */
export function wantedRows(wanted: LogitsWanted, rows: number): [first: number, end: number] {
  if (wanted === "none") return [rows, rows];
  const last = wanted === "last" || (typeof wanted === "object" && wanted.rows === "last");
  return [last ? rows - 1 : 0, rows];
}

/** Shapes full rows, those of {@link wantedRows}, into what was asked for. */
export function selectLogits(full: Matrix, wanted: LogitsWanted): SelectedLogits {
  if (wanted === "none") return { logits: null, top: null };
  if (typeof wanted === "string") return { logits: full, top: null };
  return { logits: null, top: topLogits(full, wanted.top) };
}

/** The `count` largest values of each row by sorting it whole. */
export function topLogits(full: Matrix, count: number): TopLogits {
  const { data, rows, cols } = full;
  const k = Math.min(count, cols);
  const ids = new Uint32Array(rows * k);
  const values = new Float32Array(rows * k);
  const sums = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    const row = data.subarray(r * cols, (r + 1) * cols);
    const order = Uint32Array.from({ length: cols }, (_, i) => i);
    order.sort((a, b) => row[b]! - row[a]! || a - b);
    for (let j = 0; j < k; j++) {
      ids[r * k + j] = order[j]!;
      values[r * k + j] = row[order[j]!]!;
    }
    sums[r] = logSumExp(row, 0, cols);
  }
  return { rows, k, ids, values, logSumExp: sums };
}
