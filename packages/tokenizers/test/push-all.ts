import type { StreamEncoder } from "../src/index.ts";

/** Pushes `text` cut at `at`, and returns the ids of all pushes. */
export function pushAll(encoder: StreamEncoder, text: string, at: readonly number[]): number[] {
  const places = [...new Set(at.map((place) => place % (text.length + 1)))].sort((a, b) => a - b);
  const ids: number[] = [];
  let from = 0;
  for (const place of [...places, text.length]) {
    ids.push(...encoder.push(text.slice(from, place)));
    from = place;
  }
  return [...ids, ...encoder.flush()];
}
