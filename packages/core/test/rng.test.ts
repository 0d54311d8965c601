import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { InferenceError, philox, philox4x32, randomStream } from "../src/index.ts";

describe("philox4x32", () => {
  // The known answers of the Random123 distribution, and one with the layout used here.
  test.for([
    {
      counter: [0, 0, 0, 0],
      key: [0, 0],
      words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
    {
      counter: [7, 0, 0, 0],
      key: [42, 0],
      words: [0x5bbd83b1, 0x68784c85, 0x172067aa, 0x2e6b75b7],
    },
  ])("known answer for counter $counter", ({ counter, key, words }) => {
    const state = Uint32Array.from(counter);
    philox4x32(state, key[0]!, key[1]!);
    expect([...state]).toEqual(words);
  });
});

describe("philox", () => {
  test("gives the uniforms of seed 42", () => {
    const random = philox(42);
    const expected = [0.61295988, 0.98771865, 0.82586683, 0.72959926];
    for (const [position, u] of expected.entries()) {
      expect(random.uniform(position)).toBeCloseTo(u, 8);
    }
    expect(random.uniform(7)).toBe((0x5bbd83b1 + 0.5) / 2 ** 32);
  });

  test("is the same for a number and a bigint seed", () => {
    expect(philox(42n).uniform(3, 1, 2)).toBe(philox(42).uniform(3, 1, 2));
  });

  test("uses all 64 bits of the seed and of the position", () => {
    expect(philox(1n << 40n).uniform(0)).not.toBe(philox(0).uniform(0));
    expect(philox(0).uniform(2 ** 40)).not.toBe(philox(0).uniform(0));
    expect(philox(0).uniform(2 ** 32)).not.toBe(philox(0).uniform(0));
  });

  test("accepts every 64-bit seed and no other", () => {
    expect(() => philox((1n << 64n) - 1n)).not.toThrow();
    for (const seed of [-1, 0.5, 2 ** 53, Number.NaN, 1n << 64n, -1n]) {
      expect(() => philox(seed)).toThrow(
        expect.toSatisfy((error: unknown) => InferenceError.is(error, "range")),
      );
    }
  });

  test("is a function of its arguments, strictly between 0 and 1", () => {
    const position = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    const word = fc.nat(0xffff_ffff);
    fc.assert(
      fc.property(fc.bigInt(0n, (1n << 64n) - 1n), position, word, word, (seed, t, s, i) => {
        const random = philox(seed);
        const u = random.uniform(t, s, i);
        random.uniform(t + 1, s, i);
        expect(random.uniform(t, s, i)).toBe(u);
        expect(u).toBeGreaterThan(0);
        expect(u).toBeLessThan(1);
      }),
      { seed: 1 },
    );
  });

  test("streams are evenly spread and do not follow each other", () => {
    const random = philox(5);
    const n = 20_000;
    let mean = 0;
    let correlation = 0;
    for (let t = 0; t < n; t++) {
      const a = random.uniform(t, randomStream.token) - 0.5;
      const b = random.uniform(t, randomStream.accept) - 0.5;
      mean += a / n;
      correlation += (12 * a * b) / n;
    }
    // Five standard deviations of the mean of uniforms, and of their products.
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(12 * n));
    expect(Math.abs(correlation)).toBeLessThan(5 / Math.sqrt(n));
  });
});
