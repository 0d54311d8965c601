import { InferenceError, type RowBudget } from "@frugal/core";

import { expectCount } from "./expect.ts";

/** Options that every policy has. */
export interface RowBudgetOptions {
  /** The most cached rows that a sparse layer attends to; at least 1. */
  readonly budget: number;
  /**
   * Shorter caches are attended whole. Default: four times the budget, below which selecting costs
   * about what it saves; a benchmark on the device in use knows better.
   */
  readonly minLength?: number;
  /** Blocks of more rows attend to everything. Default 64: a draft is sparse, a prompt is not. */
  readonly maxRows?: number;
}

/**
 * Checks what every policy has and fills in defaults.
 *
 * @throws {@link InferenceError} `range` for a budget below 1 or another option that is no count.
 */
export function rowBudget(
  { budget, minLength = 4 * budget, maxRows = 64 }: RowBudgetOptions,
  reserved: number,
): RowBudget {
  expectCount("budget", budget, 1);
  expectCount("minLength", minLength, 0);
  if (maxRows !== Infinity) expectCount("maxRows", maxRows, 1);
  if (budget <= reserved) {
    throw new InferenceError(
      "range",
      `budget: expected more than the ${reserved} rows that are always attended to, got ${budget}`,
    );
  }
  return { budget, minLength, maxRows, sinkSlots: [] };
}
