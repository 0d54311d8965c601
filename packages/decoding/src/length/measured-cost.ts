import { expectRange } from "../sampling/sampling-options.ts";
import type { DraftLength } from "./draft-length.ts";
import { createChainYield, createTreeYield } from "./draft-yield.ts";
import { createStepCost } from "./step-cost.ts";

/** Options of {@link measuredCost}. */
export interface MeasuredCostOptions {
  /** The most tokens it asks for, of a tree all branches together. Default 10. */
  readonly max?: number;
  /**
   * Steps before another length than the best known is tried, at first; up to 16 times as many
   * where that finds nothing better. Default 32.
   */
  readonly exploreEvery?: number;
  /** Share of a new outcome in the running acceptance of its position, in (0, 1]. Default 0.05. */
  readonly rate?: number;
}

/**
 * Lengths of the first drafts: two sizes to interpolate between, each measured twice, because a
 * disturbed first measurement would be believed for long.
 */
const firstLengths = [0, 4, 0, 4] as const;

/** What exploring steps try, in turn, next to the best known length. */
const neighbours: readonly ((length: number) => number)[] = [
  (length) => length + 1,
  (length) => length - 1,
  (length) => length + 1,
  (length) => length >> 1,
  (length) => length + 2,
];

/**
 * Chooses the draft length with the most expected tokens per millisecond.
 *
 * Keeps the acceptance `a_i` of each draft position given that it was reached, the cost `c(s)` of a
 * target step of `s` rows and the cost `d` of a drafted token, as running means of what was
 * measured, and maximises `(1 + sum_j prod_{i<=j} a_i) / (g d + c(g + 1))` over `g` in `[0, max]`.
 * Where drafts branch, `g` is the number of their tokens, and the share of steps in which the `j`-th
 * was accepted stands for the product. That includes 0, where drafting does not pay. The first steps alternate
 * between none and 4, which gives two costs to interpolate between; now and then a step tries a
 * neighbouring length, less often while that finds nothing better. There is no hysteresis, no pause
 * after a change and no fixed share of exploring steps, as the design named on the page has them: a
 * change costs nothing here, lengths between which the choice wavers gain the same, the slow means
 * already damp it, and a tenth of all steps at a worse length would be lost for good, where those
 * of the back-off become rare. What is learnt holds for a pair of models: one
 * instance can serve many generations, one after another.
 *
 * Deterministic; reads no clock, the measurements come from the loop. Cost: O(max) per step.
 *
 * @throws {@link InferenceError} `range` for an option outside its interval.
 * @see `docs/algorithms/draft-length.md`
 */
export function measuredCost(options: MeasuredCostOptions = {}): DraftLength {
  const { max = 10, exploreEvery = 32, rate = 0.05 } = options;
  expectRange("max", max, "an integer >= 0", Number.isInteger(max) && max >= 0);
  const spaced = Number.isInteger(exploreEvery) && exploreEvery >= 1;
  expectRange("exploreEvery", exploreEvery, "an integer >= 1", spaced);
  expectRange("rate", rate, "a number in (0, 1]", rate > 0 && rate <= 1);

  const chainYield = createChainYield(rate);
  const treeYield = createTreeYield(rate);
  const expected = new Float64Array(max + 1);
  let isTree = false;
  const targetCost = createStepCost();
  const draftCost = createStepCost();
  let isDraftFree = true;
  let steps = 0;
  let turns = 0;
  let wait = exploreEvery;
  let tries = 0;
  let lastBest = -1;

  const best = (limit: number): number => {
    let length = 0;
    let most = 0;
    (isTree ? treeYield : chainYield).expect(limit, expected);
    const perToken = isDraftFree ? 0 : draftCost.estimate(1);
    for (let g = 0; g <= limit; g++) {
      const gain = expected[g]! / (g * perToken + targetCost.estimate(g + 1));
      if (gain > most) {
        most = gain;
        length = g;
      }
    }
    return length;
  };

  return {
    next(limit) {
      const bound = Math.min(limit, max);
      const first = firstLengths[steps];
      if (first !== undefined) return Math.min(bound, first);
      const length = best(bound);
      if (++turns < wait) return length;
      turns = 0;
      // Look around less and less often while that finds nothing better.
      wait = length === lastBest ? Math.min(2 * wait, 16 * exploreEvery) : exploreEvery;
      lastBest = length;
      const tried = neighbours[tries++ % neighbours.length]!(length);
      return Math.min(bound, tried === length || tried < 1 ? length + 1 : tried);
    },
    observe(outcome) {
      const { drafted, path, targetMs, draftMs } = outcome;
      steps++;
      if (targetMs > 0) targetCost.observe(drafted + 1, targetMs);
      if (drafted === 0) return;
      if (draftMs > 0) {
        isDraftFree = false;
        draftCost.observe(1, draftMs / drafted);
      }
      isTree ||= path !== undefined;
      if (path === undefined) chainYield.observe(outcome);
      treeYield.observe(outcome);
    },
  };
}
