import { type CachePolicy, InferenceError } from "@frugal/core";

/**
 * Keeps the first `sinks` positions and the last `recent` ones.
 *
 * @returns the positions to keep, ascending; all of `[0, length)` if it already fits.
 * @throws {@link InferenceError} `range` if an argument is not a non-negative integer.
 * @see StreamingLLM (Xiao et al.), arXiv:2309.17453
 */
export function keepSinksAndRecent(length: number, sinks: number, recent: number): Uint32Array {
  for (const [name, value] of Object.entries({ length, sinks, recent })) {
    expectCount(name, value, 0);
  }
  const gap = Math.max(0, length - sinks - recent);
  return Uint32Array.from({ length: length - gap }, (_, i) => (i < sinks ? i : i + gap));
}

/** Options of {@link sinksAndRecent}. */
export interface SinksAndRecentOptions {
  /** How many positions at the beginning always stay. Default 4. */
  readonly sinks?: number;
  /** How many of the latest positions stay, those about to be appended included. At least 1. */
  readonly recent: number;
  /**
   * How many positions more than necessary are evicted at once, in `[0, recent)`, so that the next
   * `slack` steps evict nothing. Default: an eighth of `recent`.
   */
  readonly slack?: number;
}

/**
 * A cache policy of constant memory: never more than `sinks + recent` positions, the incoming ones
 * included.
 *
 * Text of any length can be generated through it. It does **not** extend the context: the model
 * answers from the sinks and the recent tokens, and what was evicted is forgotten. What stays is
 * renumbered from 0 (`Sequence.keep` re-rotates the keys), so the model never meets a position it
 * was not made for. Each eviction costs a pass over the cache, which `slack` spreads over as many
 * steps; the window then breathes between `recent - slack` and `recent`.
 *
 * A block of more than `recent` rows cannot be made room for: then only the sinks stay before it.
 *
 * @throws {@link InferenceError} `range` for an option that is not an integer in its interval.
 * @see StreamingLLM (Xiao et al.), arXiv:2309.17453; `docs/algorithms/sinks-and-recent.md`
 */
export function sinksAndRecent(options: SinksAndRecentOptions): CachePolicy {
  const { sinks = 4, recent } = options;
  expectCount("sinks", sinks, 0);
  expectCount("recent", recent, 1);
  const { slack = Math.floor(recent / 8) } = options;
  expectCount("slack", slack, 0);
  if (slack >= recent) {
    throw new InferenceError("range", `slack: expected less than recent (${recent}), got ${slack}`);
  }
  return (length, incoming) => {
    if (length + incoming <= sinks + recent) return null;
    const kept = Math.max(0, recent - slack - incoming);
    return length <= sinks + kept ? null : keepSinksAndRecent(length, sinks, kept);
  };
}

function expectCount(name: string, value: number, low: number): void {
  if (Number.isInteger(value) && value >= low) return;
  throw new InferenceError("range", `${name}: expected an integer >= ${low}, got ${value}`);
}
