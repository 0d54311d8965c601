import { InferenceError } from "./errors.ts";

/**
 * A counter-based random source: a pure function of a position, a stream and an index.
 *
 * Two calls with the same arguments return the same number, whatever happened between them. That is
 * what makes speculative decoding reproduce the text of plain decoding: the draw at a position does
 * not depend on how the position was reached.
 */
export interface Rng {
  /** A number in the open interval (0, 1). `stream` separates purposes, `index` repeats. */
  uniform(position: number, stream?: number, index?: number): number;
}

/** What the streams of an {@link Rng} are used for. */
export const randomStream = {
  /** The draw of the token at a position. */
  token: 0,
  /** Gumbel noise; the index is the token id. */
  gumbel: 1,
  /** Draws of a drafter. */
  draft: 2,
  /** Acceptance tests of rejection verifiers. */
  accept: 3,
} as const;

/**
 * Philox4x32-10 with a 64-bit seed as the key.
 *
 * The counter is `(position low, position high, stream, index)`; the first output word `w` gives
 * `(w + 0.5) / 2^32`, computed in float64. Cost: ten rounds of two 32 x 32 products per call, no
 * allocation.
 *
 * @throws {@link InferenceError} `range` unless the seed is an integer in `[0, 2^64)` (a `number`
 *   must also be a safe integer).
 * @see Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011)
 */
export function philox(seed: number | bigint): Rng {
  const valid =
    typeof seed === "bigint"
      ? seed >= 0n && seed < 1n << 64n
      : Number.isSafeInteger(seed) && seed >= 0;
  if (!valid) {
    throw new InferenceError("range", `seed: expected an integer in [0, 2^64), got ${seed}`);
  }
  const key = BigInt(seed);
  const keyLow = Number(key & 0xffffffffn);
  const keyHigh = Number(key >> 32n);
  const words = new Uint32Array(4);
  return {
    uniform(position, stream = 0, index = 0) {
      words[0] = position >>> 0;
      words[1] = Math.floor(position / 0x1_0000_0000);
      words[2] = stream;
      words[3] = index;
      philox4x32(words, keyLow, keyHigh);
      return (words[0] + 0.5) * 2 ** -32;
    },
  };
}

/**
 * The Philox4x32-10 bijection, in place: four counter words become four random words.
 *
 * Unchecked: `words.length >= 4`.
 */
export function philox4x32(words: Uint32Array, keyLow: number, keyHigh: number): void {
  let c0 = words[0]!;
  let c1 = words[1]!;
  let c2 = words[2]!;
  let c3 = words[3]!;
  let k0 = keyLow >>> 0;
  let k1 = keyHigh >>> 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd251_1f53, c0);
    const low0 = Math.imul(0xd251_1f53, c0) >>> 0;
    const high1 = multiplyHigh(0xcd9e_8d57, c2);
    const low1 = Math.imul(0xcd9e_8d57, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + 0x9e37_79b9) >>> 0;
    k1 = (k1 + 0xbb67_ae85) >>> 0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

/** The upper 32 bits of a 32 x 32 product, from 16-bit halves: `Math.imul` only has the lower. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 0x1_0000) + Math.floor(carry / 0x1_0000)) >>> 0;
}
