import {
  type Block,
  type Matrix,
  type StepOptions,
  type StepOutput,
  throwIfAborted,
} from "@frugal/core";

import { joinOutputs, wantsAllRows } from "./outputs.ts";
import { rowsWithin } from "./score-reader.ts";
import { sliceBlock } from "./slice-block.ts";

/** How a block is run in chunks. */
export interface ChunkRunner {
  /** The most rows of a chain that may run next. */
  chunkRows(): number;
  /** Lets pending events through, among them the one that aborts. */
  pause(): Promise<void>;
  /** Runs rows `[from, to)`, which `part` holds without their positions. */
  run(part: Block, from: number, to: number, options: StepOptions): Promise<StepOutput>;
  /** Makes the scores of chunks those of the block, where there are any. */
  joinScores?(parts: readonly Matrix[]): Matrix;
}

/** Runs a block, a long chain piece by piece, each with what of the options concerns its rows. */
export async function runChunks(
  block: Block,
  rows: number,
  options: StepOptions,
  runner: ChunkRunner,
): Promise<StepOutput> {
  if (rows <= runner.chunkRows() || block.parents !== undefined) {
    return runner.run(block, 0, rows, options);
  }
  const { logits, signal } = options;
  const outputs: StepOutput[] = [];
  for (let from = 0, to = 0; from < rows; from = to) {
    to = Math.min(from + runner.chunkRows(), rows);
    const isLast = to === rows;
    const wanted = isLast || wantsAllRows(logits) ? logits : "none";
    const taps = isLast || options.tapRows !== "last" ? (options.taps ?? []) : [];
    throwIfAborted(signal);
    const part = sliceBlock(block, from, to);
    const own = { ...options, logits: wanted, taps, ...rowsWithin(options.scores, from, to) };
    outputs.push(await runner.run(part, from, to, own));
    if (signal !== undefined) await runner.pause();
  }
  throwIfAborted(signal);
  const joined = joinOutputs(outputs);
  const scores = outputs.flatMap((output) => output.scores ?? []);
  return scores.length === 0 ? joined : { ...joined, scores: runner.joinScores!(scores) };
}
