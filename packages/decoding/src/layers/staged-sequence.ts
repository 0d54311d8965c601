import {
  type Block,
  type Capabilities,
  InferenceError,
  type LayerStage,
  type LogitsWanted,
  type ModelInfo,
  samePrefix,
  type Sequence,
  type StepOptions,
  type StepOutput,
} from "@frugal/core";

import { lastLogits } from "../generate/last-rows.ts";
import { decideStage } from "./decide-stage.ts";
import { blockOf, imagesOfRows, joinBatches, keepOfBatch, type RowBatch } from "./row-batch.ts";
import { queryRows, type ScorePart } from "./stage-scores.ts";

/** What a sequence whose images end between layers is made of. */
export interface StagedParts {
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;
  /** Stages by the range that they precede; none before the first. */
  readonly stages: readonly (LayerStage | undefined)[];
}

/** A range behind the first, and the slots of the text that its cache holds, ascending. */
interface HeldRange {
  readonly sequence: Sequence;
  readonly slots: number[];
}

/**
 * The sequence of a model whose layers are ranges with stages between them.
 *
 * The first range holds every row, so its slots are those of the text; each other one holds the rows
 * that were let into it, at the positions they have in the text. Rows of images, and what follows
 * them, wait behind the first range until a step wants logits: only then is there a question that
 * stages can decide by.
 */
export class StagedSequence implements Sequence {
  readonly #parts: StagedParts;
  readonly #first: Sequence;
  readonly #rest: readonly HeldRange[];
  /** Rotary positions by slot; of triples the largest number. */
  #positions: number[] = [];
  #waiting: RowBatch | null = null;
  /** How the first range attended from rows that wait. */
  #scores: readonly ScorePart[] = [];
  #busy = false;

  constructor(parts: StagedParts, first: Sequence, rest: readonly HeldRange[]) {
    this.#parts = parts;
    this.#first = first;
    this.#rest = rest;
  }

  get info(): ModelInfo {
    return this.#parts.info;
  }

  get capabilities(): Capabilities {
    return this.#parts.capabilities;
  }

  get length(): number {
    return this.#first.length;
  }

  step(block: Block, options: StepOptions): Promise<StepOutput> {
    return this.#alone(async () => {
      checkStep(block, options);
      const start = this.length;
      const held = this.#rest.map(({ slots }) => slots.length);
      const [waiting, scores] = [this.#waiting, this.#scores];
      try {
        return await this.#run(block, options);
      } catch (error) {
        [this.#waiting, this.#scores] = [waiting, scores];
        await this.#shorten(start, held);
        throw error;
      }
    });
  }

  keep(kept: Uint32Array): Promise<void> {
    return this.#alone(async () => {
      const { length } = this;
      await this.#first.keep(kept);
      if (this.#waiting === null && samePrefix(kept) === kept.length) {
        await this.#shorten(kept.length);
        return;
      }
      const moved = new Int32Array(length).fill(-1);
      for (const [to, from] of kept.entries()) moved[from] = to;
      this.#positions = Array.from(kept, (slot) => this.#positions[slot]!);
      for (const { sequence, slots } of this.#rest) {
        const rows = slots.flatMap((slot, row) => (moved[slot]! < 0 ? [] : [row]));
        if (rows.length < slots.length) await sequence.keep(Uint32Array.from(rows));
        const next = rows.map((row) => moved[slots[row]!]!);
        slots.splice(0, slots.length, ...next);
      }
      this.#waiting = this.#waiting && keepOfBatch(this.#waiting, moved);
      const gone = (slot: number): number => (slot < 0 ? -1 : moved[slot]!);
      this.#scores = this.#scores.map(({ queries, columns, matrix }) => ({
        queries: queries.map(gone),
        columns: columns.map(gone),
        matrix,
      }));
    });
  }

  fork(): Promise<Sequence> {
    return this.#alone(async () => {
      const first = await this.#first.fork();
      const rest = [];
      for (const { sequence, slots } of this.#rest) {
        rest.push({ sequence: await sequence.fork(), slots: [...slots] });
      }
      const copy = new StagedSequence(this.#parts, first, rest);
      copy.#positions = [...this.#positions];
      copy.#waiting = this.#waiting;
      copy.#scores = this.#scores;
      return copy;
    });
  }

  async dispose(): Promise<void> {
    const all = [this.#first, ...this.#rest.map(({ sequence }) => sequence)];
    await Promise.all(all.map((sequence) => sequence.dispose()));
  }

  async #run(block: Block, { logits, signal }: StepOptions): Promise<StepOutput> {
    const common = signal === undefined ? {} : { signal };
    const output = await this.#lead(block, logits !== "none", common);
    if (logits === "none" && this.#waiting!.images.some((image) => image !== null)) {
      return { logits: null, top: null, taps: [], runMs: output.runMs };
    }
    const rest = await this.#follow({ ...common, logits });
    const runMs = output.runMs + rest.runMs;
    return { ...lastLogits(rest, output.taps[0]!.rows), taps: [], runMs };
  }

  /** Runs a block through the first range; its rows wait behind it. */
  async #lead(
    block: Block,
    isLast: boolean,
    common: Pick<StepOptions, "signal">,
  ): Promise<StepOutput> {
    const start = this.length;
    const rows = block.tokens?.length ?? block.embeddings?.rows ?? 0;
    const parents = Array.from({ length: rows }, (_, i) => start + (block.parents?.[i] ?? i - 1));
    const places = this.#place(block, parents);
    const images = imagesOfRows(block.images ?? [], rows);
    const [, stage] = this.#parts.stages;
    const wanted = queryRows(stage, images, this.#waiting !== null, isLast);
    const output = await this.#first.step(
      { ...block, positions: block.positions ?? Int32Array.from(places, ([place]) => place!) },
      {
        ...common,
        logits: "none",
        taps: [this.#first.info.layers],
        ...(wanted.length > 0 && { scores: wanted }),
      },
    );
    const states = output.taps[0]!;
    const slots = parents.map((_, i) => start + i);
    const isTree = block.parents !== undefined;
    this.#waiting = joinBatches(this.#waiting, { slots, parents, places, images, states, isTree });
    for (const place of places) this.#positions.push(Math.max(...place));
    if (output.scores !== undefined) {
      const columns = Array.from({ length: this.length }, (_, slot) => slot);
      const queries = Array.from(wanted, (row) => start + row);
      this.#scores = [...this.#scores, { queries, columns, matrix: output.scores }];
    }
    return output;
  }

  /** Runs all rows that wait through the other ranges, as far as stages let them. */
  async #follow(options: StepOptions): Promise<StepOutput> {
    let batch = this.#waiting!;
    let parts = this.#scores;
    [this.#waiting, this.#scores] = [null, []];
    const total = batch.images.reduce((sum, image) => sum + (image === null ? 0 : 1), 0);
    let output: StepOutput;
    let runMs = 0;
    for (const [i, { sequence, slots }] of this.#rest.entries()) {
      const [stage, next] = this.#parts.stages.slice(i + 1);
      if (stage !== undefined) batch = decideStage(stage, batch, parts, total);
      const isLast = i === this.#rest.length - 1;
      const wanted = queryRows(next, batch.images, false, true);
      output = await sequence.step(blockOf(batch, slots), {
        ...options,
        ...(!isLast && { logits: "none", taps: [sequence.info.layers] }),
        ...(wanted.length > 0 && { scores: wanted }),
      });
      runMs += output.runMs;
      slots.push(...batch.slots);
      if (isLast) break;
      const queries = Array.from(wanted, (row) => batch.slots[row]!);
      parts = output.scores ? [{ queries, columns: [...slots], matrix: output.scores }] : [];
      batch = { ...batch, states: output.taps[0]! };
    }
    return { ...output!, runMs };
  }

  /** Where each row of a block stands, as {@link RowBatch.places} says. */
  #place({ positions }: Block, parents: readonly number[]): number[][] {
    const start = this.length;
    const rows = parents.length;
    const axes = positions === undefined ? 0 : Math.floor(positions.length / rows);
    const places: number[][] = [];
    for (const [i, parent] of parents.entries()) {
      const before = parent < start ? this.#positions[parent] : places[parent - start]?.[0];
      const given = Array.from({ length: axes }, (_, axis) => positions![axis * rows + i]!);
      places.push(axes > 0 ? given : [(before ?? -1) + 1]);
    }
    return places;
  }

  /** Drops all rows from slot `length` on, and of the other ranges those behind `held` rows of each. */
  async #shorten(length: number, held?: readonly number[]): Promise<void> {
    this.#positions.length = length;
    await truncate(this.#first, length);
    for (const [i, { sequence, slots }] of this.#rest.entries()) {
      if (held !== undefined) slots.length = held[i]!;
      while (slots.length > 0 && slots.at(-1)! >= length) slots.pop();
      await truncate(sequence, slots.length);
    }
  }

  async #alone<T>(act: () => Promise<T>): Promise<T> {
    if (this.#busy) {
      throw new InferenceError("state", "sequence: the call before has not finished yet");
    }
    this.#busy = true;
    try {
      return await act();
    } finally {
      this.#busy = false;
    }
  }
}

async function truncate(sequence: Sequence, length: number): Promise<void> {
  if (sequence.length <= length) return;
  const slots = new Uint32Array(length);
  for (let slot = 0; slot < length; slot++) slots[slot] = slot;
  await sequence.keep(slots);
}

/** @throws {@link InferenceError} `unsupported` for what rows that end between layers leave undefined. */
function checkStep({ images = [], tokens, embeddings }: Block, options: StepOptions): void {
  const { logits, taps = [], scores } = options;
  const rows = tokens?.length ?? embeddings?.rows ?? 0;
  let before = 0;
  for (const [i, { from, to }] of images.entries()) {
    const isRight = Number.isInteger(from) && Number.isInteger(to) && before <= from && from < to;
    if (!isRight || to > rows) {
      throw new InferenceError(
        "range",
        `images[${i}]: expected rows in [${before}, ${rows}), got [${from}, ${to})`,
      );
    }
    before = to;
  }
  if (taps.length > 0) throw new InferenceError("unsupported", "taps: expected none, got some");
  if (scores !== undefined) throw new InferenceError("unsupported", "scores: expected none");
  if (images.length === 0 || logits === "none") return;
  if (wantsAllRows(logits) || images.at(-1)!.to === rows) {
    const message = "logits: expected those of a last row of text, since rows of images may end";
    throw new InferenceError("unsupported", message);
  }
}

function wantsAllRows(wanted: LogitsWanted): boolean {
  return wanted === "all" || (typeof wanted === "object" && wanted.rows !== "last");
}
