import {
  type AbortLike,
  type LogitsWanted,
  type Matrix,
  pickRows,
  type Sequence,
  type StepOutput,
} from "@frugal/core";

import { stepOptions } from "../generate/prefill.ts";

/** Runs drafted tokens through a draft head, one level of a tree after the other. */
export interface FeatureLevels {
  /** Whether the context has room for so many rows more. */
  hasRoom(rows: number): boolean;
  /**
   * Appends a level: one row per token, after row `parents[i]` of the level before; the level before
   * the first is the text, of one row.
   */
  run(tokens: Uint32Array, parents: Uint32Array, logits: LogitsWanted): Promise<StepOutput>;
  /** Drops all levels from the cache. */
  close(): Promise<void>;
}

/**
 * Goes on from the head's own state at the end of the text, `[1, hiddenSize]`: the state of a drafted
 * token's parent stands in for the target's, which does not exist. Every token is run once; the tree
 * stays open in the cache until `close`.
 */
export function openLevels(
  sequence: Sequence,
  state: Matrix,
  signal: AbortLike | undefined,
): FeatureLevels {
  const { layers, maxLength } = sequence.info;
  const base = sequence.length;
  let states = state;
  /** Slot of the first row of the level before. */
  let before = base - 1;
  return {
    hasRoom: (rows) => sequence.length + rows <= maxLength,
    async run(tokens, parents, logits) {
      const start = sequence.length;
      const block = {
        tokens,
        parents: Int32Array.from(parents, (row) => before + row - start),
        features: [pickRows(states, parents)],
      };
      const output = await sequence.step(block, stepOptions(logits, signal, [layers]));
      [states] = output.taps as [Matrix];
      before = start;
      return output;
    },
    async close() {
      if (sequence.length === base) return;
      await sequence.keep(Uint32Array.from({ length: base }, (_, i) => i));
    },
  };
}
