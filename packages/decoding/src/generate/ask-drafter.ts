import { InferenceError } from "@frugal/core";

import type { Draft, DraftContext, Drafter } from "../drafters/drafter.ts";
import { selectNodes } from "../tree/select-nodes.ts";
import { expectTree, treeDepths } from "../tree/tree-shape.ts";

/**
 * A drafter's proposal, cut to what was asked for: the first `maxTokens` tokens, and of those the
 * ones within `maxDepth`. The cut looks at the shape alone, so drawn tokens keep their law.
 *
 * @throws {@link InferenceError} `shape` for buffers of different lengths, and for draws without
 *   laws, which verifiers would take for guesses; `range` for a parent that does not precede its
 *   child.
 */
export async function askDrafter(drafter: Drafter, context: DraftContext): Promise<Draft> {
  const draft = await drafter.propose(context);
  const { tokens, parents, laws, scores } = draft;
  const isDrawn = context.kind === "sampled" || context.kind === "distinct";
  for (const [name, got] of [
    ["laws", laws?.length ?? (isDrawn ? 0 : undefined)],
    ["scores", scores?.length],
  ] as const) {
    if (got !== undefined && got !== tokens.length) {
      const message = `draft.${name}: expected one per token, ${tokens.length}, got ${got}`;
      throw new InferenceError("shape", message);
    }
  }
  const count = Math.min(tokens.length, context.maxTokens);
  if (parents === undefined) {
    const length = Math.min(count, context.maxDepth);
    return length === tokens.length ? draft : selectNodes(draft, indices(length));
  }
  expectTree(parents, tokens.length);
  const depths = treeDepths(parents);
  const nodes = indices(count).filter((node) => depths[node]! < context.maxDepth);
  return nodes.length === tokens.length ? draft : selectNodes(draft, nodes);
}

function indices(length: number): Uint32Array {
  return Uint32Array.from({ length }, (_, i) => i);
}
