import type { DraftOutcome } from "./draft-length.ts";

/** A running estimate of how many tokens a step yields for a draft of so many tokens. */
export interface DraftYield {
  /** Writes the expected tokens of a step with `0 .. limit` drafted ones, `[limit + 1]`. */
  expect(limit: number, out: Float64Array): void;
  observe(outcome: DraftOutcome): void;
}

/** Acceptance assumed for a position that was never reached. */
const assumedAcceptance = 0.7;
/** What the next token of a tree is assumed to add, as a share of the one before it. */
const assumedDecay = 0.8;

/**
 * For chains: the acceptance `a_i` of each position given that it was reached, so that `g` tokens
 * yield `1 + sum_{j<=g} prod_{i<=j} a_i`. A position never reached is taken to be like the one
 * before it.
 */
export function createChainYield(rate: number): DraftYield {
  const acceptance: number[] = [];
  const reached: number[] = [];
  return {
    expect(limit, out) {
      let survival = 1;
      let probability = assumedAcceptance;
      out[0] = 1;
      for (let g = 1; g <= limit; g++) {
        probability = acceptance[g - 1] ?? probability;
        survival *= probability;
        out[g] = out[g - 1]! + survival;
      }
    },
    observe({ drafted, accepted, cut }) {
      const looked = cut ? accepted : Math.min(accepted + 1, drafted);
      for (let i = 0; i < looked; i++) {
        update(acceptance, reached, i, i < accepted ? 1 : 0, assumedAcceptance, rate);
      }
    },
  };
}

/**
 * For trees: the share `r_i` of steps in which the `i`-th token of the draft was accepted, so that
 * `n` tokens yield `1 + sum_{i<n} r_i`. That holds where a smaller tree is the beginning of a larger
 * one, and nearly where drafters put what is likelier first.
 */
export function createTreeYield(rate: number): DraftYield {
  const shares: number[] = [];
  const counts: number[] = [];
  return {
    expect(limit, out) {
      let share = assumedAcceptance / assumedDecay;
      out[0] = 1;
      for (let n = 1; n <= limit; n++) {
        share = shares[n - 1] ?? share * assumedDecay;
        out[n] = out[n - 1]! + share;
      }
    },
    observe({ drafted, accepted, cut, path }) {
      const last = path === undefined ? accepted - 1 : (path.at(-1) ?? -1);
      // What follows the end of the text was not looked at.
      const looked = cut ? last + 1 : drafted;
      for (let i = 0; i < looked; i++) {
        const hit = path === undefined ? i < accepted : path.includes(i);
        update(shares, counts, i, hit ? 1 : 0, assumedAcceptance * assumedDecay ** i, rate);
      }
    },
  };
}

/** A plain mean of the prior and the first outcomes, later an exponential one. */
function update(
  means: number[],
  counts: number[],
  i: number,
  outcome: number,
  prior: number,
  rate: number,
): void {
  const count = (counts[i] ?? 0) + 1;
  counts[i] = count;
  const mean = means[i] ?? prior;
  means[i] = mean + Math.max(rate, 1 / (count + 2)) * (outcome - mean);
}
