import {
  type Block,
  joinRows,
  type Matrix,
  pickRows,
  type Sequence,
  type StepOptions,
  type StepOutput,
} from "@frugal/core";

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
    const embeddings = joinRows(...this.#waiting);
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
      this.#waiting = rest.length === 0 ? [] : [pickRows(joinRows(...this.#waiting), rest)];
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
