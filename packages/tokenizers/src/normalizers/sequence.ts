import type { Normalizer } from "./normalizer.ts";

/** Normalizers one after the other. Cost: the sum of theirs. */
export function normalizerSequence(steps: readonly Normalizer[]): Normalizer {
  return (source, withOrigin) => {
    let text = source;
    let starts: Uint32Array | null = null;
    let ends: Uint32Array | null = null;
    for (const step of steps) {
      const next = step(text, withOrigin);
      if (next.origin !== null) {
        starts = through(next.origin.starts, starts, (unit) => unit);
        // An end is the end of the character before it.
        ends = through(next.origin.ends, ends, (unit) => unit - 1);
      }
      text = next.text;
    }
    return { text, origin: starts === null || ends === null ? null : { starts, ends } };
  };
}

/** Positions in the middle text, looked up in the map from there to the first text. */
function through(
  positions: Uint32Array,
  earlier: Uint32Array | null,
  unitOf: (position: number) => number,
): Uint32Array {
  if (earlier === null) return positions;
  return positions.map((position) => (position === 0 ? 0 : earlier[unitOf(position)]!));
}
