import { float16ToFloat32 } from "@frugal/core";
import { seededRandom } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import type { CachePort } from "../../src/exported/decoder-signature.ts";
import { float32ToFloat16 } from "../../src/exported/float16.ts";
import { GrowingCache } from "../../src/exported/growing-cache.ts";

const port = (side: "key" | "value", type: "float32" | "float16" = "float32"): CachePort => ({
  name: `past.0.${side}`,
  present: `present.0.${side}`,
  layer: 0,
  side,
  type,
  before: [1, 2],
  width: 4,
});
const ports = [port("key"), port("value")];

/** A cache of `length` rows: value `c` of row `r` in head `h` is `100 h + 10 r + c`. */
function filled(length: number): GrowingCache {
  const data = () =>
    Float32Array.from({ length: 2 * length * 4 }, (_, i) => {
      const [head, row] = [Math.floor(i / (4 * length)), Math.floor(i / 4) % length];
      return 100 * head + 10 * row + (i % 4);
    });
  const positions = Int32Array.from({ length }, (_, i) => i);
  return GrowingCache.empty(ports).append([data(), data()], positions);
}

describe("GrowingCache", () => {
  test("keeps any rows of every head, and where they were written", () => {
    const random = seededRandom(1);
    for (let trial = 0; trial < 30; trial++) {
      const cache = filled(1 + random.below(9));
      const slots = random.subset(cache.length, 0.6);
      const kept = cache.keep(slots, null);
      expect([...kept.positions]).toEqual([...slots]);
      const expected = [0, 1].flatMap((head) =>
        [...slots].flatMap((row) => [0, 1, 2, 3].map((c) => 100 * head + 10 * row + c)),
      );
      for (const data of kept.data) expect([...data]).toEqual(expected);
    }
  });

  test("turns keys that move, and only keys, as if written at their new place", () => {
    const frequencies = Float64Array.of(1, 0.1);
    const kept = filled(4).keep(Uint32Array.of(0, 3), [frequencies]);
    expect([...kept.positions]).toEqual([0, 1]);
    const [keys, values] = kept.data;
    expect([...values!]).toEqual([
      0, 1, 2, 3, 30, 31, 32, 33, 100, 101, 102, 103, 130, 131, 132, 133,
    ]);
    expect([...keys!.subarray(0, 4)]).toEqual([0, 1, 2, 3]);
    for (const [at, base] of [
      [4, 30],
      [12, 130],
    ] as const) {
      for (const [pair, frequency] of frequencies.entries()) {
        // From position 3 to 1: by -2.
        const [cos, sin] = [Math.cos(-2 * frequency), Math.sin(-2 * frequency)];
        const [a, b] = [base + pair, base + pair + 2];
        expect(keys![at + pair]).toBeCloseTo(a * cos - b * sin, 3);
        expect(keys![at + pair + 2]).toBeCloseTo(b * cos + a * sin, 3);
      }
    }
  });

  test("never changes: what was kept, forked or rolled back shares nothing with what came", () => {
    const cache = filled(5);
    const before = cache.data.map((data) => data.slice());
    cache.keep(Uint32Array.of(1, 4), [Float64Array.of(1, 0.1)]).keep(Uint32Array.of(1), null);
    expect(cache.keep(Uint32Array.of(0, 1, 2, 3, 4), null)).toBe(cache);
    expect(cache.data).toEqual(before);
    expect(cache.length).toBe(5);
  });

  test("turns float16 keys with their bits", () => {
    const half = GrowingCache.empty([port("key", "float16")]);
    const wide = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4, 0.5, 0.25, 0, -0.5);
    const bits = new Uint16Array(16);
    float32ToFloat16(wide, bits);
    const positions = Int32Array.of(0, 1);
    const frequencies = [Float64Array.of(1, 0.1)];
    const slots = Uint32Array.of(1);
    const narrow = half.append([bits], positions).keep(slots, frequencies).data[0] as Uint16Array;
    const exact = GrowingCache.empty([port("key")])
      .append([wide], positions)
      .keep(slots, frequencies);
    const widened = new Float32Array(8);
    float16ToFloat32(narrow, widened);
    for (const [i, value] of widened.entries()) expect(value).toBeCloseTo(exact.data[0]![i]!, 2);
  });

  test("refuses slots that are not there or not ascending", () => {
    for (const slots of [[3], [1, 1], [2, 0]]) {
      expect(() => filled(3).keep(Uint32Array.from(slots), null)).toThrow(
        /ascending slots in \[0, 3\)/,
      );
    }
  });
});

describe("float32ToFloat16", () => {
  test("gives every half back, and rounds to the nearest, ties to even", () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const wide = new Float32Array(65_536);
    float16ToFloat32(all, wide);
    const back = new Uint16Array(65_536);
    float32ToFloat16(wide, back);
    const isNumber = (_: number, i: number): boolean => !Number.isNaN(wide[i]!);
    expect(back.filter(isNumber)).toEqual(all.filter(isNumber));

    const one = (value: number): number => {
      const out = new Uint16Array(1);
      float32ToFloat16(Float32Array.of(value), out);
      return out[0]!;
    };
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [wide[bits]!, wide[bits + 1]!];
      const middle = (low + high) / 2;
      expect(one(middle)).toBe(bits + (bits % 2));
      expect(one(middle - (high - low) / 8)).toBe(bits);
      expect(one(-middle - (high - low) / 8)).toBe(0x8000 + bits + 1);
    }
    expect([one(65_519), one(65_520), one(-1e30), one(Number.NaN)]).toEqual([
      0x7bff, 0x7c00, 0xfc00, 0x7e00,
    ]);
  });
});
