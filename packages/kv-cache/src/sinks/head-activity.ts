import { InferenceError } from "@frugal/core";

/** How often a head rests on its sinks. */
export interface HeadActivity {
  /** Mean over the inputs of the attention that goes to sinks, in `[0, 1]`. */
  readonly sinkMass: number;
  /** Fraction of the inputs on which the head is dormant. */
  readonly dormant: number;
}

/**
 * Reports for each head on how many inputs it is dormant: almost all of its attention on sinks.
 *
 * A head can be dormant on one kind of text and active on another; the report says which heads need
 * a full cache on the inputs it was made of.
 *
 * @param masses per input, the attention of every head that goes to sinks, `[heads]`, layer by
 *   layer.
 * @param threshold from which a head is dormant on an input. Default 0.8, ours.
 * @throws {@link InferenceError} `range` for no inputs; `shape` for inputs of different heads.
 * @see Active-Dormant Attention Heads (Guo et al.), arXiv:2410.13835
 */
export function headActivity(
  masses: readonly ArrayLike<number>[],
  threshold = 0.8,
): readonly HeadActivity[] {
  const [first] = masses;
  if (first === undefined) {
    throw new InferenceError("range", "masses: expected at least one input, got none");
  }
  for (const [i, mass] of masses.entries()) {
    if (mass.length === first.length) continue;
    throw new InferenceError(
      "shape",
      `masses[${i}]: expected ${first.length} heads, got ${mass.length}`,
    );
  }
  return Array.from({ length: first.length }, (_, head) => {
    let sum = 0;
    let dormant = 0;
    for (const mass of masses) {
      sum += mass[head]!;
      if (mass[head]! > threshold) dormant++;
    }
    return { sinkMass: sum / masses.length, dormant: dormant / masses.length };
  });
}
