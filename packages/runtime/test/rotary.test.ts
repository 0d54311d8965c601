import fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { RopeScaling } from "../src/index.ts";
import { fillRotary, rotateKey, rotationOf } from "../src/sequence/rotary.ts";

const frequencies = (dim: number, theta: number, scaling: RopeScaling) =>
  rotationOf({ theta, dim, scaling }).frequencies;

const none: RopeScaling = { kind: "none" };
const llama3: RopeScaling = {
  kind: "llama3",
  factor: 8,
  lowFrequencyFactor: 1,
  highFrequencyFactor: 4,
  originalLength: 8192,
};

/** Known values are given to six decimals. */
function expectDecimals(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(Array.from(actual, (x) => x.toFixed(6))).toEqual(expected.map((x) => x.toFixed(6)));
}

describe("rotationOf", () => {
  test("falls geometrically from one", () => {
    expectDecimals(frequencies(8, 1e4, none), [1, 0.1, 0.01, 0.001]);
    expectDecimals(frequencies(8, 5e5, none), [1, 0.037606, 0.001414, 0.000053]);
  });

  test("divides by the factor of linear scaling", () => {
    const scaled = frequencies(8, 1e4, { kind: "linear", factor: 4 });
    expectDecimals(scaled, [0.25, 0.025, 0.0025, 0.00025]);
  });

  test("scales as Llama 3: short waves stay, long ones are divided, between is a blend", () => {
    expectDecimals(frequencies(8, 5e5, llama3), [1, 0.037606, 0.000525, 0.000007]);
    const base = frequencies(128, 5e5, none);
    const ratios = frequencies(128, 5e5, llama3).map((w, i) => w / base[i]!);
    expectDecimals(ratios.subarray(0, 29), Array(29).fill(1));
    expectDecimals(
      ratios.subarray(29, 35),
      [0.828168, 0.643743, 0.493507, 0.371122, 0.271425, 0.190211],
    );
    expectDecimals(ratios.subarray(35), Array(29).fill(0.125));
  });
});

describe("fillRotary", () => {
  test("puts the angle of each position in a row", () => {
    const [cos, sin] = [new Float32Array(6), new Float32Array(6)];
    fillRotary(
      { frequencies: Float64Array.of(1, 0.5), scale: 1, axes: null },
      Int32Array.of(0, 3, 2),
      cos,
      sin,
    );
    const angles = [0, 0, 3, 1.5, 2, 1];
    expect([...cos]).toEqual(angles.map((angle) => Math.fround(Math.cos(angle))));
    expect([...sin]).toEqual(angles.map((angle) => Math.fround(Math.sin(angle))));
  });
});

describe("rotateKey", () => {
  test("moves a key from position 5 to 2", () => {
    const key = Float32Array.of(1, 0);
    rotate(key, Float64Array.of(1), 5);
    expectDecimals(key, [0.283662, -0.958924]);
    rotate(key, Float64Array.of(1), -3);
    expectDecimals(key, [-0.416147, 0.909297]);
  });

  test("pairs the halves, and touches nothing outside its range", () => {
    const key = Float32Array.of(9, 1, 2, 3, 4, 9);
    rotateKey(key, 1, Float64Array.of(0, 0), Float64Array.of(1, 1));
    expect([...key]).toEqual([9, -3, -4, 1, 2, 9]);
  });

  test("adds up, keeps the norm, and does nothing for zero", () => {
    const position = fc.integer({ min: -4096, max: 4096 });
    const value = fc.float({ min: -100, max: 100, noNaN: true });
    const keys = fc.array(value, { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(keys, position, position, (values, a, b) => {
        const turning = frequencies(8, 1e4, none);
        const key = Float32Array.from(values);
        const scale = Math.max(1, Math.hypot(...key));
        rotate(key, turning, 0);
        expect(key.map((x) => x + 0)).toEqual(Float32Array.from(values, (x) => x + 0));
        const twice = key.slice();
        rotate(twice, turning, a);
        expect(Math.abs(Math.hypot(...twice) - Math.hypot(...key))).toBeLessThan(1e-6 * scale);
        rotate(twice, turning, b);
        const once = key.slice();
        rotate(once, turning, a + b);
        for (const [i, x] of once.entries())
          expect(Math.abs(x - twice[i]!)).toBeLessThan(1e-6 * scale);
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});

function rotate(key: Float32Array, turning: Float64Array, delta: number): void {
  rotateKey(
    key,
    0,
    turning.map((w) => Math.cos(delta * w)),
    turning.map((w) => Math.sin(delta * w)),
  );
}
