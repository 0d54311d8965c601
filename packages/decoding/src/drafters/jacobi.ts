import { randomStream } from "@frugal/core";

import { expectRange, isIn } from "../sampling/sampling-options.ts";
import { cutAtStop } from "./cut-at-stop.ts";
import type { Drafter } from "./drafter.ts";
import type { TokenView } from "./token-view.ts";

/** Options of {@link jacobi}. */
export interface JacobiOptions {
  /** How many tokens are guessed at once, in [1, 256]. Default 8. */
  readonly block?: number;
  /**
   * What a position begins with.
   *
   * - `"repeat"` (default): the token before it.
   * - `"text"`: a token of the text, drawn from the stream `draft`.
   */
  readonly init?: "repeat" | "text";
}

/**
 * A drafter that guesses a block and lets the model correct all of it at once, again and again.
 *
 * The draft of a step is what the model itself found likeliest at these positions a step before,
 * after that step's guesses: Jacobi iteration on the equations "each token is the likeliest after
 * those before it". Whatever has become stable is accepted, at least one token per step, and the
 * window slides on by as many; positions that come in begin with a filler. Without a model trained
 * for it gains are a few per cent.
 *
 * Cost: O(block) per step.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see `docs/algorithms/jacobi-decoding.md`; Santilli et al., arXiv:2305.10427
 */
export function jacobi(options: JacobiOptions = {}): Drafter {
  const { block = 8, init = "repeat" } = options;
  expectRange("block", block, "an integer in [1, 256]", isIn(block, 1, 256));
  expectRange("init", init, '"repeat" or "text"', init === "repeat" || init === "text");

  let tokens: TokenView | null = null;
  /** Guesses for the positions after the text, `[0, known)`; a block's last row says one more. */
  const guesses = new Uint32Array(block + 1);
  let known = 0;

  return {
    kinds: ["point"],
    wants: { top: 1 },
    propose({ history, maxTokens, maxDepth, random, stopIds }) {
      if (tokens !== null && tokens !== history) known = 0;
      tokens = history;
      const { length } = history;
      for (; known < block; known++) {
        const before = known === 0 ? history.at(length - 1) : guesses[known - 1]!;
        const u = random.uniform(history.start + length + known, randomStream.draft);
        guesses[known] = init === "repeat" ? before : history.at(Math.floor(u * length));
      }
      const count = Math.min(block, maxTokens, maxDepth);
      const draft = guesses.slice(0, count);
      return { tokens: cutAtStop(draft, stopIds), runMs: 0 };
    },
    observe({ path, top }) {
      // Row r speaks about guess r; those up to the end of the path are text by now.
      const rows = Math.min(top.rows, guesses.length);
      for (let r = 0; r < rows; r++) guesses[r] = top.ids[r * top.k]!;
      known = Math.max(known, rows);
      guesses.copyWithin(0, path.length, known);
      known = Math.max(0, known - path.length);
    },
  };
}
