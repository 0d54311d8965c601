import { seededRandom } from "@frugal/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { quantizeBlocks } from "../src/weights/quantize-blocks.ts";
import { dequantize } from "./dequantize.ts";

const sizes = [16, 32, 64, 128, 256];

describe("quantizeBlocks", () => {
  test("packs two 4-bit values per byte, the first one low, padded with zeros", () => {
    const { blob, scales } = quantizeBlocks(Float32Array.of(-8, 7, 0, 1, 3), 1, 5, 4, 16);
    expect([...blob]).toEqual([0xf0, 0x98, 0x8b, 0x88, 0x88, 0x88, 0x88, 0x88]);
    expect([...scales]).toEqual([1]);
  });

  test("gives the larger side of the 4-bit range to the largest weight, whatever its sign", () => {
    const { blob, scales } = quantizeBlocks(Float32Array.of(16, -14, 2), 1, 3, 4, 16);
    expect([...scales]).toEqual([-2]);
    expect([...blob.subarray(0, 2)]).toEqual([0xf0, 0x87]);
  });

  test("packs 8-bit values around 128, every row and block with its own scale", () => {
    const weights = new Float32Array(2 * 17);
    weights.set([127, -127, 1, 0]);
    weights[16] = -254;
    weights[17] = 12.7;
    const { blob, scales } = quantizeBlocks(weights, 2, 17, 8, 16);
    expect([...blob.subarray(0, 5)]).toEqual([255, 1, 129, 128, 128]);
    expect([...blob.subarray(16, 18)]).toEqual([1, 128]);
    expect([...scales]).toEqual([1, 2, 0.1, 0].map(Math.fround));
  });

  test("gives zeros the scale zero", () => {
    for (const bits of [4, 8] as const) {
      const { blob, scales } = quantizeBlocks(new Float32Array(16), 1, 16, bits, 16);
      expect(scales.every((scale) => scale === 0)).toBe(true);
      expect(new Set(blob)).toEqual(new Set([bits === 4 ? 0x88 : 0x80]));
    }
  });

  test.for([4, 8] as const)("reproduces what %i bits can represent", (bits) => {
    const extreme = bits === 4 ? 8 : 127;
    const step = fc.integer({ min: 1 - extreme, max: extreme - 1 });
    const row = fc.array(step, { minLength: 1, maxLength: 16 });
    const exponent = fc.integer({ min: -20, max: 20 });
    fc.assert(
      fc.property(row, exponent, fc.boolean(), (steps, power, negative) => {
        // The scale is a power of two, and the extreme is there to fix it.
        const scale = (negative ? -1 : 1) * 2 ** power;
        const weights = Float32Array.from([-extreme, ...steps], (q) => q * scale);
        const quantized = quantizeBlocks(weights, 1, weights.length, bits, 32);
        const back = dequantize(quantized, 1, weights.length, bits, 32);
        expect(back.map((x) => x + 0)).toEqual(weights.map((x) => x + 0));
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  test.for([4, 8] as const)("misses no weight by more than the bound of %i bits", (bits) => {
    const weight = fc.float({ min: -(2 ** 100), max: 2 ** 100, noNaN: true });
    const matrix = fc
      .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 70 }))
      .chain(([rows, cols]) =>
        fc.tuple(
          fc.constant(rows),
          fc.constant(cols),
          fc.array(weight, { minLength: rows * cols, maxLength: rows * cols }),
        ),
      );
    fc.assert(
      fc.property(matrix, fc.constantFrom(...sizes), ([rows, cols, values], blockSize) => {
        const weights = Float32Array.from(values);
        const quantized = quantizeBlocks(weights, rows, cols, bits, blockSize);
        const blocks = Math.ceil(cols / blockSize);
        expect(quantized.blob.length).toBe((rows * blocks * blockSize * bits) / 8);
        expect(quantized.scales.length).toBe(rows * blocks);
        const back = dequantize(quantized, rows, cols, bits, blockSize);
        for (const [i, x] of weights.entries()) {
          const block = Math.floor(i / cols) * blocks + Math.floor((i % cols) / blockSize);
          const scale = quantized.scales[block]!;
          // At the end of the 4-bit range that has one step less, a whole step; else half of one.
          const isShortEnd = bits === 4 && x / scale > 7;
          const steps = isShortEnd ? 1 : 0.5;
          // Scales are stored in float32, whose smallest step is the limit for tiny weights.
          const rounding = 127 * (Math.abs(scale) * 2 ** -23 + 2 ** -149);
          expect(Math.abs(x - back[i]!)).toBeLessThanOrEqual(steps * Math.abs(scale) + rounding);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  test("with importance has a smaller weighted error", () => {
    const random = seededRandom(1);
    const [rows, cols] = [3, 50];
    for (const blockSize of [16, 32]) {
      for (let trial = 0; trial < 40; trial++) {
        const weights = Float32Array.from({ length: rows * cols }, () => random.next() - 0.3);
        const importance = Float32Array.from({ length: cols }, () => random.next() ** 4);
        const error = (counts?: Float32Array): number => {
          const matrix = quantizeBlocks(weights, rows, cols, 4, blockSize, counts);
          const back = dequantize(matrix, rows, cols, 4, blockSize);
          return back.reduce(
            (sum, x, i) => sum + importance[i % cols]! * (x - weights[i]!) ** 2,
            0,
          );
        };
        const [searched, nearest] = [error(importance), error()];
        expect(searched).toBeLessThan(0.9 * nearest);
        expect(searched).toBeLessThanOrEqual(error(new Float32Array(cols).fill(1)));
      }
    }
  });

  test("with all importance on one input reproduces that input's weights", () => {
    const random = seededRandom(2);
    const weights = Float32Array.from({ length: 64 }, () => random.next() - 0.5);
    const importance = new Float32Array(32);
    importance[5] = 1;
    const back = dequantize(quantizeBlocks(weights, 2, 32, 4, 32, importance), 2, 32, 4, 32);
    expect(back[5]).toBeCloseTo(weights[5]!, 6);
    expect(back[37]).toBeCloseTo(weights[37]!, 6);
  });

  test("with importance leaves blocks of zeros, and 8 bits, as they are", () => {
    const zeros = new Float32Array(32);
    const counts = new Float32Array(32).fill(1);
    expect(quantizeBlocks(zeros, 1, 32, 4, 32, counts)).toEqual(
      quantizeBlocks(zeros, 1, 32, 4, 32),
    );
    const ramp = Float32Array.from({ length: 32 }, (_, i) => i - 9);
    expect(quantizeBlocks(ramp, 1, 32, 8, 32, counts)).toEqual(quantizeBlocks(ramp, 1, 32, 8, 32));
    expect(() => quantizeBlocks(ramp, 1, 32, 4, 32, new Float32Array(31))).toThrow(
      "importance: expected 32 values, got 31",
    );
  });

  test.for([Number.NaN, Infinity, -Infinity])("refuses a weight of %d", (value) => {
    const weights = new Float32Array(40).fill(1);
    for (const at of [0, 17, 39]) {
      const broken = weights.with(at, value);
      expect(() => quantizeBlocks(broken, 2, 20, 4, 16)).toThrow(`finite values, got ${value}`);
      expect(() => quantizeBlocks(broken, 2, 20, 8, 16)).toThrow(
        expect.objectContaining({ name: "InferenceError", code: "range" }),
      );
    }
  });

  test("refuses sizes that no kernel has, and buffers that disagree", () => {
    for (const blockSize of [0, 8, 24, 33, 512, -16, 0.5, Number.NaN]) {
      expect(() => quantizeBlocks(new Float32Array(4), 1, 4, 4, blockSize)).toThrow(
        `blockSize: expected 16, 32, 64, 128 or 256, got ${blockSize}`,
      );
    }
    expect(() => quantizeBlocks(new Float32Array(4), 1, 5, 4, 16)).toThrow(
      "weights: expected 1 x 5 values, got 4",
    );
  });
});
