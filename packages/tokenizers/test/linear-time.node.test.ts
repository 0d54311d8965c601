import { expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { addedToken, smallTokenizer } from "./byte-vocabulary.ts";

// Doubling the input may not take much more than twice as long; a quadratic cost would take four
// times. Both times are the best of several,
// because other work on the machine can only add to them; sizes are such that one run takes a few
// milliseconds, which a busy machine still gives in one go.

const merges = Array.from({ length: 8 }, (_, i) => {
  const half = "a".repeat(2 ** i);
  return [half, half] as const;
});
const time = (work: () => unknown): number => {
  const start = performance.now();
  work();
  return performance.now() - start;
};

/** How much longer twice the size takes. Stops early once that is near 2. */
const growth = (work: (size: number) => unknown, size: number): number => {
  let once = Infinity;
  let twice = Infinity;
  work(size);
  for (let round = 0; round < 100; round++) {
    once = Math.min(
      once,
      time(() => work(size)),
    );
    twice = Math.min(
      twice,
      time(() => work(2 * size)),
    );
    if (round >= 2 && twice / once < 2.2) break;
  }
  return twice / once;
};

test("one piece of a million letters takes less than a second", { timeout: 60_000 }, () => {
  const tokenizer = createTokenizer(smallTokenizer(merges));
  const text = "a".repeat(1_000_000);
  expect(tokenizer.encode(text).ids.length).toBe(3907);
  const runs = [0, 1, 2].map(() => time(() => tokenizer.encode(text)));
  expect(Math.min(...runs)).toBeLessThan(1000);
  expect(growth((size) => tokenizer.encode("a".repeat(size)), 100_000)).toBeLessThan(2.3);
});

test("offsets of one long piece", { timeout: 60_000 }, () => {
  const tokenizer = createTokenizer(smallTokenizer(merges));
  const work = (size: number): unknown => tokenizer.encode("漢".repeat(size), { offsets: true });
  expect(growth(work, 20_000)).toBeLessThan(3);
});

test("added tokens with long common beginnings", { timeout: 60_000 }, () => {
  const tokens = Array.from({ length: 20 }, (_, i) => addedToken(`${"a".repeat(400 * (i + 1))}b`));
  const tokenizer = createTokenizer(smallTokenizer([], { added_tokens: tokens }));
  expect(growth((size) => tokenizer.encode("a".repeat(size)), 50_000)).toBeLessThan(3);
});

test("white space that each match would take along", { timeout: 60_000 }, () => {
  const tokens = [addedToken("  ", { lstrip: true, rstrip: true })];
  const tokenizer = createTokenizer(smallTokenizer([], { added_tokens: tokens }));
  expect(growth((size) => tokenizer.encode(" ".repeat(size)), 50_000)).toBeLessThan(3);
});

test("combining marks without end, normalized with offsets", { timeout: 60_000 }, () => {
  const tokenizer = createTokenizer(smallTokenizer([], { normalizer: { type: "NFC" } }));
  const work = (size: number): unknown =>
    tokenizer.encode(`a${"\u0301\u0323".repeat(size)}`, { offsets: true });
  expect(growth(work, 2000)).toBeLessThan(3);
});

test("a stream of many ids", { timeout: 60_000 }, () => {
  const tokenizer = createTokenizer(smallTokenizer([]));
  const work = (size: number): void => {
    const stream = tokenizer.createStream();
    for (let i = 0; i < size; i++) stream.push(97);
  };
  expect(growth(work, 10_000)).toBeLessThan(3);
});
