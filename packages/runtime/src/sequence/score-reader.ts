import { InferenceError, type Matrix, type ModelInfo, type ScoreKind } from "@frugal/core";

import type { Ort, Tensor } from "../onnx/ort.ts";
import { masked } from "./kv-store.ts";

/** Asks a graph how its last layer attends, and reads the answer; see `reportScores`. */
export class ScoreReader {
  /** The output to fetch. */
  readonly output: string;
  readonly #ort: Ort;
  readonly #kind: ScoreKind;
  readonly #kvHeads: number;
  readonly #group: number;
  readonly #silent: Record<string, Tensor>;

  constructor(ort: Ort, { heads, kvHeads }: ModelInfo, kind: ScoreKind, layer: number) {
    this.#ort = ort;
    this.#kind = kind;
    this.#kvHeads = kvHeads;
    this.#group = heads / kvHeads;
    this.output = `attention.${layer}`;
    this.#silent = this.#feeds(false, new Uint32Array(1));
  }

  /** The inputs of a step that wants the scores of these rows of its block, or of none. */
  for(rows: Uint32Array): Record<string, Tensor> {
    return rows.length === 0 ? this.#silent : this.#feeds(true, rows);
  }

  /** Scores of `rows` rows by slot, `cached` of `capacity` slots and then the block. */
  read({ data, dims }: Tensor, rows: number, cached: number, capacity: number): Matrix {
    const from = data as Float32Array;
    const width = dims.at(-1)!;
    const heads = this.#heads;
    const total = cached + width - capacity;
    const out = new Float32Array(heads * rows * total);
    for (let head = 0; head < heads; head++) {
      for (let row = 0; row < rows; row++) {
        const at = this.#lineOf(head, row, rows) * width;
        const to = (head * rows + row) * total;
        out.set(from.subarray(at, at + cached), to);
        out.set(from.subarray(at + capacity, at + width), to + cached);
      }
    }
    return { data: out, rows: heads * rows, cols: total };
  }

  /**
   * The scores of consecutive chunks as those of one block, head after head. What came after a chunk
   * its rows did not see.
   */
  join(parts: readonly Matrix[]): Matrix {
    const heads = this.#heads;
    const { cols } = parts.at(-1)!;
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    const data = new Float32Array(rows * cols);
    if (this.#kind === "logits") data.fill(masked);
    let to = 0;
    for (let head = 0; head < heads; head++) {
      for (const part of parts) {
        const count = part.rows / heads;
        for (let at = head * count; at < (head + 1) * count; at++, to += cols) {
          data.set(part.data.subarray(at * part.cols, (at + 1) * part.cols), to);
        }
      }
    }
    return { data, rows, cols };
  }

  get #heads(): number {
    return this.#kind === "logits" ? this.#kvHeads * this.#group : 1;
  }

  /** Lines are ordered by KV head, row, and head of the group. */
  #lineOf(head: number, row: number, rows: number): number {
    if (this.#kind === "attention") return row;
    const group = this.#group;
    return (Math.floor(head / group) * rows + row) * group + (head % group);
  }

  #feeds(scored: boolean, rows: Uint32Array): Record<string, Tensor> {
    const { Tensor } = this.#ort;
    const group = this.#group;
    const lines = BigInt64Array.from({ length: rows.length * group }, (_, i) =>
      BigInt(rows[Math.floor(i / group)]! * group + (i % group)),
    );
    return {
      scored: new Tensor("bool", Uint8Array.of(scored ? 1 : 0), [1]),
      score_rows: new Tensor("int64", lines, [lines.length]),
    };
  }
}

/**
 * Checks for which rows a step wants scores.
 *
 * @throws {@link InferenceError} `unsupported` where the model reports none; `range` unless the rows
 *   ascend within the block.
 */
export function checkScores(
  wanted: Uint32Array | undefined,
  kind: ScoreKind | undefined,
  rows: number,
): void {
  if (wanted === undefined) return;
  if (kind === undefined) {
    throw new InferenceError("unsupported", "scores: this model was loaded without");
  }
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i]! < rows && (i === 0 || wanted[i]! > wanted[i - 1]!)) continue;
    throw new InferenceError(
      "range",
      `scores: expected ascending rows below ${rows}, got ${wanted[i]} at index ${i}`,
    );
  }
}

/** Those of the rows that lie in `[from, to)`, counted from there. */
export function rowsWithin(
  wanted: Uint32Array | undefined,
  from: number,
  to: number,
): { readonly scores?: Uint32Array } {
  const scores = wanted?.filter((row) => row >= from && row < to).map((row) => row - from);
  return scores === undefined ? {} : { scores };
}
