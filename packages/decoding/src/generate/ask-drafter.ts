import { InferenceError } from "@frugal/core";

import type { Draft, DraftContext, Drafter } from "../drafters/drafter.ts";

/**
 * A drafter's proposal, cut to what was asked for.
 *
 * @throws {@link InferenceError} `unsupported` for a tree; `shape` for a sampled draft without one
 *   law per token.
 */
export async function askDrafter(drafter: Drafter, context: DraftContext): Promise<Draft> {
  const draft = await drafter.propose(context);
  const { tokens, laws } = draft;
  if (draft.parents !== undefined) {
    throw new InferenceError("unsupported", "draft.parents: expected a chain, got a tree");
  }
  if (laws !== undefined && laws.length !== tokens.length) {
    const message = `draft.laws: expected one per token, ${tokens.length}, got ${laws.length}`;
    throw new InferenceError("shape", message);
  }
  if (tokens.length <= context.maxTokens) return draft;
  return { ...draft, tokens: tokens.subarray(0, context.maxTokens) };
}
