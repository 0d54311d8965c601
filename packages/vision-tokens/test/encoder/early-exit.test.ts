import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { earlyExit, TokenCanvas } from "../../src/index.ts";
import { normalRows } from "../select/fixtures.ts";

const confidence = Float32Array.of(0.99, 0.95, 0.97, 0.5, 0.93, 0.92, 0.91, 0.96, 0.2);
const classes = Uint32Array.of(0, 0, 0, 0, 0, 0, 0, 1, 1);

describe("earlyExit", () => {
  test("lets the easy rows go but for five of each class", () => {
    expect([...earlyExit(confidence, classes).exit]).toEqual([6]);
    expect([...earlyExit(confidence, classes).keep]).toEqual([0, 1, 2, 3, 4, 5, 7, 8]);
    const one = earlyExit(confidence, classes, { keepPerClass: 1 });
    expect([...one.exit]).toEqual([1, 2, 4, 5, 6]);
  });

  test("with a threshold of 1 keeps all", () => {
    const sure = new Float32Array(9).fill(1);
    expect(earlyExit(sure, classes, { threshold: 1 }).exit.length).toBe(0);
  });

  test("prefers the lower of equally sure rows as context", () => {
    const equal = new Float32Array(4).fill(0.95);
    const { keep } = earlyExit(equal, new Uint32Array(4), { keepPerClass: 2 });
    expect([...keep]).toEqual([0, 1]);
  });

  test("keeps one to k of every class that has an easy row", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(100), fc.nat(3)), { maxLength: 40 }),
        fc.integer({ min: 1, max: 6 }),
        (rows, keepPerClass) => {
          const sure = Float32Array.from(rows, ([percent]) => percent / 100);
          const of = Uint32Array.from(rows, ([, kind]) => kind);
          const { exit, keep } = earlyExit(sure, of, { threshold: 0.6, keepPerClass });
          expect([...exit, ...keep].sort((a, b) => a - b)).toEqual([...rows.keys()]);
          for (const kind of new Set(of)) {
            const easy = (row: number) => of[row] === kind && sure[row]! > 0.6;
            const left = [...exit].filter(easy).length;
            const context = [...keep].filter(easy).length;
            expect(context).toBe(Math.min(keepPerClass, left + context));
          }
        },
      ),
    );
  });

  test("refuses what is no probability", () => {
    expect(() => earlyExit(Float32Array.of(2), Uint32Array.of(0))).toThrow("confidence 0");
    expect(() => earlyExit(confidence, Uint32Array.of(0))).toThrow(InferenceError);
  });
});

describe("TokenCanvas", () => {
  test("collects the predictions of rows that leave at different stages", () => {
    const canvas = new TokenCanvas(5, 2);
    const first = normalRows(1, 5, 2);
    canvas.finish(first, Uint32Array.of(1, 3));
    expect([...canvas.left]).toEqual([0, 2, 4]);
    const second = normalRows(2, 3, 2);
    canvas.finish(second, Uint32Array.of(1));
    expect([...canvas.left]).toEqual([0, 4]);
    const last = normalRows(3, 2, 2);
    canvas.finish(last, Uint32Array.of(0, 1));
    expect(canvas.left.length).toBe(0);
    const row = (matrix: { data: Float32Array }, i: number) => [
      ...matrix.data.subarray(2 * i, 2 * i + 2),
    ];
    const expected = [row(last, 0), row(first, 1), row(second, 1), row(first, 3), row(last, 1)];
    expect([...canvas.values.data]).toEqual(expected.flat());
  });

  test("refuses rows that have left", () => {
    const canvas = new TokenCanvas(2, 1);
    const rows = normalRows(1, 2, 1);
    canvas.finish(rows, Uint32Array.of(0));
    expect(() => canvas.finish(rows, Uint32Array.of(0))).toThrow("predictions: expected 1");
    const one = normalRows(1, 1, 1);
    expect(() => canvas.finish(one, Uint32Array.of(1))).toThrow("exit: expected rows below 1");
  });
});
