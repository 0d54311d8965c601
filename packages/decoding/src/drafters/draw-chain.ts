import { type LogitsWanted, randomStream, type StepOutput } from "@frugal/core";

import { drawGumbel } from "../sampling/gumbel.ts";
import { copyLaw, drawFromLaw, guessDraw, type Law } from "../sampling/law.ts";
import { draftLaw } from "./draft-law.ts";
import type { Draft, DraftContext } from "./drafter.ts";

/** What {@link drawChain} draws from. */
export interface ChainSource {
  /** The tokens that lead the chain; the logits after the last of them are the first wanted. */
  readonly lead: Uint32Array;
  /** The most tokens to draw. */
  readonly limit: number;
  /** Whether steps can give reduced rows. */
  readonly top: boolean;
  /** Appends tokens and gives the logits after the last; null where there is no room. */
  step(tokens: Uint32Array, logits: LogitsWanted): Promise<StepOutput | null>;
  /** Whether the chain goes on after a token drawn from this output. Default: always. */
  isSure?(output: StepOutput): boolean;
}

/**
 * Draws a chain from a model, one step per token, as the verifier wants it: `"point"` drafts are
 * guesses at the target's draw with the random number of that position ({@link guessDraw}),
 * `"coupled"` ones are drawn with the target's noise, others independently, with their laws.
 *
 * Ends after a stop id, and where the law is empty. The sampler of the context is left as it was. Cost: `limit` steps at most.
 */
export async function drawChain(context: DraftContext, source: ChainSource): Promise<Draft> {
  const { history, sampler, random, kind } = context;
  const isDrawn = kind === "sampled" || kind === "distinct";
  const top = source.top ? context.rowReach : null;
  const logits: LogitsWanted = top === null ? "last" : { top, rows: "last" };
  const tokens: number[] = [];
  const laws: Law[] = [];
  let runMs = 0;
  let pushed = 0;
  try {
    let block = source.lead;
    while (tokens.length < source.limit) {
      const output = await source.step(block, logits);
      if (output === null) break;
      runMs += output.runMs;
      const position = history.start + history.length + tokens.length;
      const law = draftLaw(sampler, output, 0, position);
      if (law.size === 0) break;
      const token =
        kind === "coupled"
          ? drawGumbel(law, random, position)
          : isDrawn
            ? drawFromLaw(law, random.uniform(position, randomStream.draft))
            : guessDraw(law, random.uniform(position));
      if (isDrawn) laws.push(copyLaw(law));
      tokens.push(token);
      if (context.stopIds.has(token) || source.isSure?.(output) === false) break;
      sampler.push(token);
      pushed++;
      block = Uint32Array.of(token);
    }
  } finally {
    for (let i = 0; i < pushed; i++) sampler.pop();
  }
  const draft: Draft = { tokens: Uint32Array.from(tokens), runMs };
  return isDrawn ? { ...draft, laws } : draft;
}
