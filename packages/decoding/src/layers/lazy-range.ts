import type { Block, Matrix, Sequence, StepOptions, StepOutput } from "@frugal/core";

/**
 * A range of layers, or an adapter, that reads its hidden states when it is asked to and not when
 * they come: rows wait, and the next run takes all of them in one block.
 *
 * Slots are those of the whole text: the rows read, then the rows that wait. Reading later gives
 * what reading at once would have given, because a row attends to the rows before it only. Where a
 * row is evicted while later ones still wait, these do not see it any more.
 */
export class LazyRange {
  readonly #sequence: Sequence;
  #waiting: Matrix[] = [];

  constructor(sequence: Sequence) {
    this.#sequence = sequence;
  }

  /** Rows in the cache. */
  get length(): number {
    return this.#sequence.length;
  }

  /** Rows that wait. */
  get waiting(): number {
    return this.#waiting.reduce((sum, { rows }) => sum + rows, 0);
  }

  /** Appends rows, `[n, hiddenSize]`; borrowed until they are run or dropped. */
  push(rows: Matrix): void {
    this.#waiting.push(rows);
  }

  /** Runs all rows that wait; at least one. On failure they still wait. */
  async run(
    options: StepOptions,
    shape: Pick<Block, "parents" | "positions"> = {},
  ): Promise<StepOutput> {
    const { parents, positions } = shape;
    const embeddings = joinRows(this.#waiting);
    const block = { embeddings, ...(parents && { parents }), ...(positions && { positions }) };
    const output = await this.#sequence.step(block, options);
    this.#waiting = [];
    return output;
  }

  /** Drops every row, read or waiting, that is not in `slots` (ascending). Unchecked. */
  async keep(slots: Uint32Array): Promise<void> {
    const { length, waiting } = this;
    let read = Math.min(slots.length, length);
    while (read > 0 && slots[read - 1]! >= length) read--;
    if (waiting > slots.length - read) {
      const rest = Array.from(slots.subarray(read), (slot) => slot - length);
      this.#waiting = rest.length === 0 ? [] : [pickRows(joinRows(this.#waiting), rest)];
    }
    if (read < length) await this.#sequence.keep(slots.subarray(0, read));
  }

  fork(): Promise<Sequence> {
    return this.#sequence.fork();
  }

  dispose(): Promise<void> {
    this.#waiting = [];
    return this.#sequence.dispose();
  }
}

function joinRows(parts: readonly Matrix[]): Matrix {
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

function pickRows({ data, cols }: Matrix, rows: readonly number[]): Matrix {
  const picked = new Float32Array(rows.length * cols);
  for (const [to, from] of rows.entries()) {
    picked.set(data.subarray(from * cols, (from + 1) * cols), to * cols);
  }
  return { data: picked, rows: rows.length, cols };
}
