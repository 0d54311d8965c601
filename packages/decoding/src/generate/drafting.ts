import type { Sequence, StepOutput } from "@frugal/core";

import type { Draft, DraftContext, VerifiedBlock } from "../drafters/drafter.ts";
import { askDrafter } from "./ask-drafter.ts";
import { largest } from "./logprobs.ts";
import type { Plan } from "./options.ts";

/** What of a {@link DraftContext} is the same for a whole run. */
export type DraftSetting = Pick<DraftContext, "history" | "sampler" | "rowReach" | "tree">;

/** Asks the drafter for what may follow a root at slot `base`; null where nothing can be used. */
export async function propose(
  plan: Plan,
  sequence: Sequence,
  setting: DraftSetting,
  tokensLeft: number,
): Promise<Draft | null> {
  const { drafter, kind, random, stopIds, signal } = plan;
  if (drafter === null) return null;
  const base = sequence.length;
  const slots = sequence.info.maxLength - base - 1;
  const depth = usableDepth(plan, base, Math.min(tokensLeft - 1, slots));
  const room = drafter.trees === true && setting.tree ? slots : depth;
  const asked = depth < 1 ? 0 : Math.min(room, plan.draftLength.next(room));
  if (asked < 1) return null;
  const { history, sampler, rowReach, tree } = setting;
  return askDrafter(drafter, {
    history,
    maxTokens: asked,
    maxDepth: Math.min(depth, asked),
    tree,
    kind,
    sampler,
    rowReach,
    random,
    stopIds,
    ...(signal === undefined ? {} : { signal }),
  });
}

/**
 * How many tokens after a root at slot `base` can be emitted from one block. Ends where the policy
 * would evict, so that it does so at the same tokens as without a draft.
 */
function usableDepth({ cache }: Plan, base: number, room: number): number {
  if (cache === null) return room;
  let count = 0;
  while (count < room) {
    const length = base + count + 1;
    const kept = cache(length, 1);
    if (kept !== null && kept.length < length) break;
    count++;
  }
  return count;
}

/**
 * The `count` largest logits of every row of a step, for a drafter that learns from them. Cost:
 * O(V) per row where the step returned full rows, nothing where it returned reduced ones.
 */
export function largestOfRows(output: StepOutput, count: number): VerifiedBlock["top"] {
  const { logits, top } = output;
  if (logits === null) return top!;
  const { rows, cols, data } = logits;
  const k = Math.min(count, cols);
  const ids = new Uint32Array(rows * k);
  const values = new Float32Array(rows * k);
  for (let row = 0; row < rows; row++) {
    const scores = data.subarray(row * cols, row * cols + cols);
    const best = largest(scores, k);
    for (let i = 0; i < k; i++) {
      ids[row * k + i] = best[i]!;
      values[row * k + i] = scores[best[i]!]!;
    }
  }
  return { rows, k, ids, values };
}
