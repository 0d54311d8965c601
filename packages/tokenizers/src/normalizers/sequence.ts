import type { Normalized, Normalizer } from "./normalizer.ts";

/** Normalizers one after the other. Cost: the sum of theirs. */
export function normalizerSequence(steps: readonly Normalizer[]): Normalizer {
  return (source, withOrigin) => {
    let text = source;
    let origin: Normalized["origin"] = null;
    for (const step of steps) {
      const next = step(text, withOrigin);
      if (next.origin !== null) origin = through(next.origin, origin);
      text = next.text;
    }
    return { text, origin };
  };
}

type Origin = NonNullable<Normalized["origin"]>;

/** Ranges in the middle text, looked up in the map from there to the first text. */
function through({ starts, ends }: Origin, earlier: Origin | null): Origin {
  if (earlier === null) return { starts, ends };
  return {
    // What was put in front of everything has no character before it, and the range 0, 0.
    starts: starts.map((start, i) => (ends[i] === 0 ? 0 : earlier.starts[start]!)),
    // An end is the end of the character before it.
    ends: ends.map((end) => (end === 0 ? 0 : earlier.ends[end - 1]!)),
  };
}
