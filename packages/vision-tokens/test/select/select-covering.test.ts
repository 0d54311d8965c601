import { InferenceError, type Matrix, plainKernels } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { selectCovering, unitRows } from "../../src/index.ts";
import { atAngles, imageLike, normalRows } from "./fixtures.ts";

const golden = atAngles(0, 5, 10, 90, 95, 200);

describe("selectCovering", () => {
  test("chooses as specified, which is not the best", async () => {
    const { order, keep, gains } = selectCovering(golden, 3);
    expect([...order]).toEqual([2, 3, 5]);
    expect([...keep]).toEqual([2, 3, 5]);
    const sums = gains.map((_, i) => gains.subarray(0, i + 1).reduce((a, b) => a + b, 0));
    expect([...sums].map((sum) => sum.toFixed(6))).toEqual(["3.241806", "4.977197", "5.977197"]);
    expect((await bestValue(golden, 2)).toFixed(6)).toBe("4.988584");
  });

  test("equals trying every row, with products at hand or without", async () => {
    const levels = fc.array(
      fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 3, maxLength: 3 }),
      { minLength: 1, maxLength: 14 },
    );
    await fc.assert(
      fc.asyncProperty(levels, fc.double({ min: 0, max: 1, noNaN: true }), async (list, part) => {
        const features = { data: Float32Array.from(list.flat()), rows: list.length, cols: 3 };
        const count = Math.round(part * list.length);
        const gram = await gramOf(features);
        expect([...selectCovering(features, count).order]).toEqual(naive(gram, count));
        expect([...selectCovering(features, count, gram).order]).toEqual(naive(gram, count));
      }),
    );
  });

  test("equals it on a whole image", async () => {
    const features = imageLike(3, 16, 64);
    expect([...selectCovering(features, 40).order]).toEqual(naive(await gramOf(features), 40));
  });

  test("equals it where a row adds to more rows than it remembers", async () => {
    const features = imageLike(4, 45, 8);
    expect([...selectCovering(features, 25).order]).toEqual(naive(await gramOf(features), 25));
  });

  test("reaches 1 - 1/e of the best", async () => {
    for (let seed = 0; seed < 40; seed++) {
      const features = normalRows(seed, 9, 3);
      const count = 1 + (seed % 4);
      const { gains } = selectCovering(features, count);
      const reached = gains.reduce((a, b) => a + b, 0);
      expect(reached).toBeGreaterThanOrEqual((1 - 1 / Math.E) * (await bestValue(features, count)));
    }
  });

  test("refuses a count that does not fit", () => {
    expect(() => selectCovering(golden, 7)).toThrow(
      new InferenceError("range", "count: expected an integer in [0, 6], got 7"),
    );
    expect(selectCovering(golden, 0).keep.length).toBe(0);
  });
});

function gramOf(features: Matrix): Promise<Matrix> {
  return plainKernels().gram(unitRows(features));
}

function valueOf({ data, rows }: Matrix, chosen: readonly number[]): number {
  let value = 0;
  for (let i = 0; i < rows; i++) {
    value += Math.max(0, ...chosen.map((row) => data[row * rows + i]!));
  }
  return value;
}

/** What a row adds is summed up term by term, so that ties are those of the same sums. */
function naive({ data, rows }: Matrix, count: number): number[] {
  const chosen: number[] = [];
  const covered = new Float64Array(rows);
  while (chosen.length < count) {
    let best = -1;
    let most = -Infinity;
    for (let row = 0; row < rows; row++) {
      if (chosen.includes(row)) continue;
      let gain = 0;
      for (let i = 0; i < rows; i++) gain += Math.max(0, data[row * rows + i]! - covered[i]!);
      if (gain > most) [best, most] = [row, gain];
    }
    for (let i = 0; i < rows; i++) covered[i] = Math.max(covered[i]!, data[best * rows + i]!);
    chosen.push(best);
  }
  return chosen;
}

async function bestValue(features: Matrix, count: number): Promise<number> {
  const gram = await gramOf(features);
  let best = 0;
  for (let mask = 0; mask < 1 << features.rows; mask++) {
    const chosen = [...Array(features.rows).keys()].filter((row) => (mask >> row) & 1);
    if (chosen.length === count) best = Math.max(best, valueOf(gram, chosen));
  }
  return best;
}
