/** Share of a new measurement in the running mean. */
const rate = 0.2;
/** What a row is assumed to add to a step, in steps of one row, before it was measured. */
const assumedSlope = 0.05;

/** A running estimate of what a step of `rows` rows costs. */
export interface StepCost {
  observe(rows: number, ms: number): void;
  /** Milliseconds, non-decreasing in `rows`; in arbitrary units while nothing was measured. */
  estimate(rows: number): number;
}

/**
 * Exponential means per block size, made monotone, interpolated in between and continued beyond
 * the largest measured size with a small slope, so that untried sizes look worth a try.
 *
 * Of the first two measurements of a size the smaller counts: the first run of a shape often pays
 * for its compilation.
 */
export function createStepCost(): StepCost {
  const means: number[] = [];
  const counts: number[] = [];
  return {
    observe(rows, ms) {
      const count = (counts[rows] ?? 0) + 1;
      counts[rows] = count;
      const mean = means[rows];
      if (mean === undefined) means[rows] = ms;
      else means[rows] = count === 2 ? Math.min(mean, ms) : mean + rate * (ms - mean);
    },
    estimate(rows) {
      let lowRows = 0;
      let low = 0;
      for (let size = 1; size < means.length; size++) {
        const measured = means[size];
        if (measured === undefined) continue;
        const cost = Math.max(low, measured);
        if (size >= rows) {
          if (size === rows || lowRows === 0) return cost;
          return low + ((cost - low) * (rows - lowRows)) / (size - lowRows);
        }
        lowRows = size;
        low = cost;
      }
      if (low === 0) return 1 + assumedSlope * (rows - 1);
      return low * (1 + (assumedSlope * (rows - lowRows)) / (1 + assumedSlope * (lowRows - 1)));
    },
  };
}
