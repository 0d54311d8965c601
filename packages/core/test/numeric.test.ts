import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  argMax,
  bfloat16ToFloat32,
  dot,
  float16ToFloat32,
  logSumExp,
  softmax,
} from "../src/index.ts";

const logits = fc
  .array(fc.float({ min: -60, max: 60, noNaN: true }), { minLength: 1, maxLength: 20 })
  .map((values) => Float32Array.from(values));

describe("argMax", () => {
  test("ties go to the lower index", () => {
    expect(argMax(Float32Array.of(1, 3, 3), 0, 3)).toBe(1);
  });

  test("is relative to its range", () => {
    expect(argMax(Float32Array.of(9, 1, 5, 9), 1, 2)).toBe(1);
  });

  test("never chooses NaN", () => {
    expect(argMax(Float32Array.of(Number.NaN, 1, Number.NaN, 2), 0, 4)).toBe(3);
    expect(argMax(Float32Array.of(Number.NaN), 0, 1)).toBe(-1);
    expect(argMax(new Float32Array(0), 0, 0)).toBe(-1);
  });

  test("chooses the first of nothing but -Infinity", () => {
    expect(argMax(Float32Array.of(Number.NaN, -Infinity, -Infinity), 0, 3)).toBe(1);
  });
});

describe("softmax", () => {
  test("matches the worked example and its temperatures", () => {
    const row = Float32Array.of(2, 1, 0, -1, -2);
    const expected = new Map([
      [0.5, [0.864704, 0.117025, 0.015838, 0.002143, 0.00029]],
      [1, [0.636409, 0.234122, 0.086129, 0.031685, 0.011656]],
      [2, [0.428656, 0.259993, 0.157694, 0.095646, 0.058012]],
    ]);
    for (const [temperature, probabilities] of expected) {
      const out = new Float64Array(5);
      expect(softmax(row, out, temperature)).toBeCloseTo(probabilities[0]!, 6);
      for (const [i, p] of probabilities.entries()) expect(out[i]).toBeCloseTo(p, 6);
    }
  });

  test("survives large logits and makes -Infinity an exact 0", () => {
    const row = Float32Array.of(1e4, -Infinity, 1e4);
    softmax(row, row);
    expect([...row]).toEqual([0.5, 0, 0.5]);
  });

  test("sums to one and is the exponential of logit minus logSumExp", () => {
    fc.assert(
      fc.property(logits, (row) => {
        const out = new Float64Array(row.length);
        softmax(row, out);
        expect(out.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
        const normalizer = logSumExp(row, 0, row.length);
        for (const [i, p] of out.entries()) {
          expect(p).toBeCloseTo(Math.exp(row[i]! - normalizer), 10);
        }
      }),
    );
  });
});

describe("logSumExp", () => {
  test("works on a range", () => {
    expect(logSumExp(Float32Array.of(50, 0, 0, 50), 1, 2)).toBeCloseTo(Math.log(2), 12);
  });

  test("is -Infinity of nothing", () => {
    expect(logSumExp(new Float32Array(0), 0, 0)).toBe(-Infinity);
    expect(logSumExp(Float32Array.of(-Infinity), 0, 1)).toBe(-Infinity);
  });

  test("does not overflow", () => {
    expect(logSumExp(Float64Array.of(1000, 1000), 0, 2)).toBeCloseTo(1000 + Math.log(2), 10);
  });
});

describe("dot", () => {
  test("respects both offsets", () => {
    expect(dot(Float32Array.of(9, 1, 2, 3), 1, Float32Array.of(4, 5, 6), 0, 3)).toBe(32);
  });
});

describe("half precision", () => {
  const fromFloat16 = (half: number): number => {
    const out = new Float32Array(1);
    float16ToFloat32(Uint16Array.of(half), out);
    return out[0]!;
  };

  test.for([
    [0x0000, 0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x0400, 2 ** -14],
    [0x0001, 2 ** -24],
    [0x83ff, -1023 * 2 ** -24],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
  ] as const)("float16 %i is %d", ([half, value]) => {
    expect(fromFloat16(half)).toBe(value);
  });

  test("float16 keeps NaN and the sign of zero", () => {
    expect(fromFloat16(0x7e00)).toBeNaN();
    expect(fromFloat16(0x8000)).toBe(-0);
  });

  test("bfloat16 is the upper half of a float32", () => {
    const source = Uint16Array.from({ length: 0x1_0000 }, (_, i) => i);
    const out = new Float32Array(source.length);
    bfloat16ToFloat32(source, out);
    const halves = new Uint16Array(Float32Array.of(1.5, -0.1, 3e38).buffer);
    expect(out[halves[1]!]).toBe(1.5);
    expect(out[halves[3]!]).toBeCloseTo(-0.1, 3);
    const words = new Uint32Array(out.buffer);
    const isNaNHalf = (half: number): boolean => (half & 0x7fff) > 0x7f80;
    expect(source.every((half) => isNaNHalf(half) === Number.isNaN(out[half]))).toBe(true);
    // Engines may rewrite the payload of a NaN; everything else is exact.
    expect(source.every((half) => isNaNHalf(half) || words[half] === half * 0x1_0000)).toBe(true);
  });
});
