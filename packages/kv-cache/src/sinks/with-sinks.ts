import { type AttentionPolicy, type CachePolicy, InferenceError } from "@frugal/core";

import { expectCount } from "../select/expect.ts";

/**
 * An attention policy whose sparse layers attend to these rows, too, whatever they would select.
 *
 * They take places of the budget; policies that choose pages or blocks attend to those of the
 * sinks. Small values are no reason to leave a sink out: its weight is in the denominator of all
 * others.
 *
 * @param slots ascending and distinct, for instance of {@link sinksByAttention}.
 * @throws {@link InferenceError} `range` for slots that are no ascending slots, or more of them than
 *   the budget.
 * @see Active-Dormant Attention Heads (Guo et al.), arXiv:2410.13835
 */
export function withSinks<Policy extends AttentionPolicy>(
  policy: Policy,
  slots: ArrayLike<number>,
): Policy {
  const sinkSlots = Array.from(slots);
  for (const [i, slot] of sinkSlots.entries()) {
    expectCount(`sinks[${i}]`, slot, i === 0 ? 0 : sinkSlots[i - 1]! + 1);
  }
  if (sinkSlots.length > policy.budget) {
    throw new InferenceError(
      "range",
      `sinks: expected at most the budget of ${policy.budget}, got ${sinkSlots.length}`,
    );
  }
  return { ...policy, sinkSlots };
}

/**
 * A cache policy that never evicts the first `sinks` positions, whatever the wrapped one decides.
 *
 * Where it would drop some of them, the earliest others that it keeps give way, so that as many
 * positions are kept as before.
 *
 * @throws {@link InferenceError} `range` for no count; from the policy, where the wrapped one keeps
 *   fewer positions than there are sinks.
 */
export function keepingSinks(policy: CachePolicy, sinks: number): CachePolicy {
  expectCount("sinks", sinks, 0);
  return (length, incoming) => {
    const kept = policy(length, incoming);
    if (kept === null) return null;
    const first = Math.min(sinks, length);
    if (kept.length < first) {
      throw new InferenceError(
        "range",
        `cache policy: expected to keep at least the ${first} sinks, got ${kept.length} positions`,
      );
    }
    const others = kept.filter((slot) => slot >= first);
    const merged = Uint32Array.from({ length: kept.length }, (_, i) => i);
    merged.set(others.subarray(others.length - (kept.length - first)), first);
    return merged;
  };
}
