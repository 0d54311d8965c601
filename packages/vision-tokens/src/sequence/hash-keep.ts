import type { PlannedImage } from "./plan-sequence.ts";

/**
 * 64 bits, as 16 hexadecimal digits, of what stays of an image: for keys of prefix caches, which are
 * otherwise the same for two answers that saw different parts of it. Add what the image is, and by which
 * method its rows were merged.
 *
 * Rows that a method chose by the question (`dependsOnText`) change with it, so a cache finds them only
 * for the same question.
 * @see `docs/algorithms/sequence-plans.md`
 */
export function hashKeep({ rows, keep, grid }: PlannedImage): string {
  const { t = 0, h = 0, w = 0, frameStep = 1 } = grid ?? {};
  const head = [rows, t, h, w, Math.round(frameStep * 2 ** 16), keep.length];
  return hash32(head, keep, 0x9e37_79b9) + hash32(head, keep, 0x85eb_ca6b);
}

/** MurmurHash3 of 32-bit words, x86 and 32 bits. */
function hash32(head: readonly number[], words: Uint32Array, seed: number): string {
  let hash = seed | 0;
  const mix = (word: number): void => {
    const scrambled = Math.imul(rotate(Math.imul(word, 0xcc9e_2d51), 15), 0x1b87_3593);
    hash = (Math.imul(rotate(hash ^ scrambled, 13), 5) + 0xe654_6b64) | 0;
  };
  for (const word of head) mix(word);
  for (const word of words) mix(word);
  hash ^= 4 * (head.length + words.length);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return ((hash ^ (hash >>> 16)) >>> 0).toString(16).padStart(8, "0");
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
