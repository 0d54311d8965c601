import { philox } from "@frugal/core";

/** A stream of random choices for tests; the same seed gives the same choices on every engine. */
export interface SeededRandom {
  /** A number in (0, 1). */
  next(): number;
  /** An integer in `[0, end)`. */
  below(end: number): number;
  /** `count` token ids. */
  tokens(count: number, vocabSize: number): Uint32Array;
  /** Parents of a random tree of `count` rows. */
  parents(count: number): Int32Array;
  /** A random ascending subset of `[0, end)`, each kept with the given probability. */
  subset(end: number, probability: number): Uint32Array;
}

/** Choices drawn one after another from core's counter-based generator. */
export function seededRandom(seed: number): SeededRandom {
  const random = philox(seed);
  let drawn = 0;
  const next = (): number => random.uniform(drawn++);
  const below = (end: number): number => Math.floor(next() * end);
  return {
    next,
    below,
    tokens: (count, vocabSize) => Uint32Array.from({ length: count }, () => below(vocabSize)),
    parents: (count) => Int32Array.from({ length: count }, (_, i) => below(i + 1) - 1),
    subset: (end, probability) =>
      Uint32Array.from(Array.from({ length: end }, (_, i) => i).filter(() => next() < probability)),
  };
}
