import { philox } from "@frugal/core";

import { createTokenHistory, type TokenHistory } from "../src/drafters/token-view.ts";
import { createSampler, type Draft, type Drafter } from "../src/index.ts";

/** What a drafter without a model proposes after a text, asked outside of `generate`. */
export async function propose(
  drafter: Drafter,
  text: TokenHistory | readonly number[],
  maxTokens: number,
  more: {
    readonly stopIds?: readonly number[];
    readonly tree?: boolean;
    readonly maxDepth?: number;
    readonly seed?: number;
  } = {},
): Promise<Draft> {
  const history = "start" in text ? text : historyOf(text);
  const { stopIds = [], tree = false, maxDepth = maxTokens, seed = 0 } = more;
  const context = {
    history,
    maxTokens,
    maxDepth,
    tree,
    kind: "point",
    sampler: createSampler({}, 16),
    rowReach: 1,
    random: philox(seed),
    stopIds: new Set(stopIds),
  } as const;
  return await drafter.propose(context);
}

/** A text that can grow. */
export function historyOf(text: readonly number[]): TokenHistory {
  return createTokenHistory(0, Uint32Array.from(text));
}
