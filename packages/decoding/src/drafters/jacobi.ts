import { InferenceError, randomStream } from "@frugal/core";

import { expectRange, isIn } from "../sampling/sampling-options.ts";
import { bestChain } from "../tree/best-chain.ts";
import { cutAtStop } from "./cut-at-stop.ts";
import type { Draft, DraftContext, Drafter } from "./drafter.ts";
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
   * - a drafter of guesses: its token for that position, and where its chain ends `"repeat"`. It is
   *   asked in every step; what the model itself said about a position takes precedence.
   */
  readonly init?: "repeat" | "text" | Drafter;
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
 * Cost: O(block) per step, and what the drafter of `init` takes.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval; `unsupported` for a
 *   drafter that makes no guesses.
 * @see `docs/algorithms/jacobi-decoding.md`; Santilli et al., arXiv:2305.10427
 */
export function jacobi(options: JacobiOptions = {}): Drafter {
  const { block = 8, init = "repeat" } = options;
  expectRange("block", block, "an integer in [1, 256]", isIn(block, 1, 256));
  const inner = typeof init === "object" ? expectGuesses(init) : null;
  const isKnown = inner !== null || init === "repeat" || init === "text";
  expectRange("init", init, '"repeat", "text" or a drafter', isKnown);

  let tokens: TokenView | null = null;
  /** Guesses for the positions after the text, `[0, known)`; a block's last row says one more. */
  const guesses = new Uint32Array(block + 1);
  let known = 0;

  return {
    kinds: ["point"],
    ...(inner?.vocabSize !== undefined && { vocabSize: inner.vocabSize }),
    wants: { ...inner?.wants, top: Math.max(1, inner?.wants?.top ?? 0) },
    async propose(context) {
      const { history, random, stopIds } = context;
      if (tokens !== null && tokens !== history) known = 0;
      tokens = history;
      const { length } = history;
      const count = Math.min(block, context.maxTokens, context.maxDepth);
      const initial =
        inner === null || known >= count
          ? { tokens: new Uint32Array(0), runMs: 0 }
          : await draftChain(inner, { ...context, maxTokens: count, maxDepth: count });
      for (; known < count; known++) {
        const before = known === 0 ? history.at(length - 1) : guesses[known - 1]!;
        const u = random.uniform(history.start + length + known, randomStream.draft);
        const filler = init === "text" ? history.at(Math.floor(u * length)) : before;
        guesses[known] = initial.tokens[known] ?? filler;
      }
      return { ...initial, tokens: cutAtStop(guesses.slice(0, count), stopIds) };
    },
    observe(verified) {
      const { path, top } = verified;
      inner?.observe?.(verified);
      // Row r speaks about guess r; those up to the end of the path are text by now.
      const rows = Math.min(top.rows, guesses.length);
      for (let r = 0; r < rows; r++) guesses[r] = top.ids[r * top.k]!;
      known = Math.max(known, rows);
      guesses.copyWithin(0, path.length, known);
      known = Math.max(0, known - path.length);
    },
    ...(inner?.readPrompt && { readPrompt: (rows) => inner.readPrompt!(rows) }),
  };
}

function expectGuesses(drafter: Drafter): Drafter {
  if (drafter.kinds.includes("point")) return drafter;
  const got = drafter.kinds.join(" or ");
  throw new InferenceError("unsupported", `init: expected a drafter of kind point, got ${got}`);
}

/** What a drafter proposes, of a tree the best chain. */
async function draftChain(drafter: Drafter, context: DraftContext): Promise<Draft> {
  const draft = await drafter.propose({ ...context, tree: false });
  const { tokens, parents, scores, runMs, prefillMs = 0 } = draft;
  if (parents === undefined) return { tokens, runMs, prefillMs };
  const chain = bestChain(parents, scores);
  return { tokens: Uint32Array.from(chain, (node) => tokens[node]!), runMs, prefillMs };
}
