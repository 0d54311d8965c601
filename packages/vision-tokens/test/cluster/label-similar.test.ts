import { type Matrix, wideDot } from "@frugal/core";
import fc from "fast-check";
import { expect, test } from "vitest";

import { labelSimilar, unitRows } from "../../src/index.ts";
import { atAngles, imageLike, normalRows } from "../select/fixtures.ts";

test("links rows through rows between them", () => {
  const fan = atAngles(0, 90, 20, 40, 180);
  expect([...labelSimilar(fan, 0.9)]).toEqual([0, 1, 0, 0, 2]);
  expect([...labelSimilar(fan, 0.95)]).toEqual([0, 1, 2, 3, 4]);
});

test("no cosine is above 1, and hardly any below -1", () => {
  const features = normalRows(4, 30, 5);
  expect(new Set(labelSimilar(features, 1)).size).toBe(30);
  expect(new Set(labelSimilar(features, -1)).size).toBe(1);
  const equal = { data: new Float32Array(30).fill(0.7), rows: 10, cols: 3 };
  expect(new Set(labelSimilar(equal, 1)).size).toBe(10);
  expect(new Set(labelSimilar(equal, 0.999)).size).toBe(1);
});

test("equals walking the graph", () => {
  fc.assert(
    fc.property(fc.nat(200), fc.integer({ min: 1, max: 30 }), (seed, n) => {
      const features = normalRows(seed, n, 3);
      expect([...labelSimilar(features, 0.8)]).toEqual(walk(features, 0.8));
    }),
  );
});

test("equals it on an image, of whose rows some are linked", () => {
  const features = imageLike(2, 14, 80);
  const labels = [...labelSimilar(features, 0.8)];
  expect(labels).toEqual(walk(features, 0.8));
  expect(new Set(labels).size).toBeGreaterThan(1);
  expect(new Set(labels).size).toBeLessThan(196);
});

function walk(features: Matrix, threshold: number): number[] {
  const { data, rows, cols } = unitRows(features);
  const labels = Array<number>(rows).fill(-1);
  let components = 0;
  for (let first = 0; first < rows; first++) {
    if (labels[first] !== -1) continue;
    const queue = [first];
    labels[first] = components;
    for (const row of queue) {
      for (let other = 0; other < rows; other++) {
        if (labels[other] !== -1) continue;
        if (wideDot(data, row * cols, data, other * cols, cols) <= threshold) continue;
        labels[other] = components;
        queue.push(other);
      }
    }
    components++;
  }
  return labels;
}
