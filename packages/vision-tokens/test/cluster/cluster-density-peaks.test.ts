import { InferenceError, type Matrix } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { applyReduction, clusterDensityPeaks, mergeClusters } from "../../src/index.ts";
import { imageLike, normalRows } from "../select/fixtures.ts";

describe("clusterDensityPeaks", () => {
  // 0, 0.1, 0.2, 5, 5.1 and 9 on a line: exact in float32 as tenths in a hundred columns.
  const line = [0, 1, 2, 50, 51, 90];
  const golden = { data: new Float32Array(600), rows: 6, cols: 100 };
  for (const [row, value] of line.entries()) golden.data[row * 100] = value;

  test("gives the specified densities, separations and centres", () => {
    const { density, separation, centers, labels } = clusterDensityPeaks(golden, 3, 2);
    const rounded = (values: Float64Array) => [...values].map((value) => Number(value.toFixed(6)));
    expect(rounded(density)).toEqual([0.995012, 0.995012, 0.995012, 0.995012, 0.995012, 0.000498]);
    expect(rounded(separation)).toEqual([9, 0.1, 0.1, 4.8, 0.1, 3.9]);
    const scores = density.map((value, i) => value * separation[i]!);
    expect(rounded(scores)).toEqual([8.955112, 0.099501, 0.099501, 4.77606, 0.099501, 0.001942]);
    expect([...centers]).toEqual([0, 1, 3]);
    expect([...labels]).toEqual([0, 1, 1, 2, 2, 2]);
    expect([...clusterDensityPeaks(golden, 2, 2).centers]).toEqual([0, 3]);
  });

  test("equals comparing everything with everything", () => {
    const levels = fc.array(fc.array(fc.integer({ min: -2, max: 2 }), sizes(2, 2)), sizes(1, 24));
    fc.assert(
      fc.property(levels, fc.nat(23), fc.integer({ min: 1, max: 9 }), (list, part, neighbors) => {
        const features = { data: Float32Array.from(list.flat()), rows: list.length, cols: 2 };
        const count = 1 + (part % list.length);
        const result = clusterDensityPeaks(features, count, neighbors);
        const expected = naive(features, count, neighbors);
        expect([...result.centers]).toEqual(expected.centers);
        expect([...result.labels]).toEqual(expected.labels);
      }),
    );
  });

  test("equals it on a whole image", () => {
    const features = imageLike(5, 14, 130);
    const result = clusterDensityPeaks(features, 20, 7);
    const expected = naive(features, 20, 7);
    expect([...result.centers]).toEqual(expected.centers);
    expect([...result.labels]).toEqual(expected.labels);
  });

  test("chooses as usual where densities are too small for a number", () => {
    const large = { ...golden, data: golden.data.map((x) => 1000 * x) };
    const { density, centers } = clusterDensityPeaks(large, 2, 2);
    expect(Math.max(...density)).toBe(0);
    expect([...centers]).toEqual([0, 3]);
  });

  test("equal rows are one group, however many centres", () => {
    const same = { data: new Float32Array(8).fill(3), rows: 4, cols: 2 };
    const { centers, labels } = clusterDensityPeaks(same, 2);
    expect([...centers]).toEqual([0, 1]);
    expect([...labels]).toEqual([0, 1, 0, 0]);
    expect([...clusterDensityPeaks(same, 4).labels]).toEqual([0, 1, 2, 3]);
    const none = clusterDensityPeaks({ data: new Float32Array(), rows: 0, cols: 2 }, 0);
    expect(none.centers.length).toBe(0);
  });

  test("refuses counts that do not fit", () => {
    expect(() => clusterDensityPeaks(golden, 7)).toThrow(
      new InferenceError("range", "count: expected an integer in [1, 6], got 7"),
    );
    expect(() => clusterDensityPeaks(golden, 0)).toThrow("got 0");
    expect(() => clusterDensityPeaks(golden, 1, 0)).toThrow("neighbors: expected");
  });
});

describe("mergeClusters", () => {
  const clusters = { centers: Uint32Array.of(1, 3), labels: Uint32Array.of(0, 0, 1, 1) };
  const x = { data: Float32Array.of(2, 4, 6, 10), rows: 4, cols: 1 };

  test("takes means, plain or weighted", () => {
    const plain = mergeClusters(clusters);
    expect([...plain.keep]).toEqual([1, 3]);
    expect([...applyReduction(plain, x).data]).toEqual([3, 8]);
    const weighted = mergeClusters(clusters, Float32Array.of(3, 1, 1, 1));
    expect([...applyReduction(weighted, x).data]).toEqual([2.5, 8]);
  });

  test("every row is in one mean", () => {
    const features = normalRows(2, 40, 3);
    const { indices } = mergeClusters(clusterDensityPeaks(features, 6));
    expect([...indices].sort((a, b) => a - b)).toEqual([...Array(40).keys()]);
  });

  test("refuses weights and labels that are none", () => {
    expect(() => mergeClusters(clusters, new Float32Array(4))).toThrow(InferenceError);
    expect(() => mergeClusters({ ...clusters, labels: Uint32Array.of(0, 0, 1, 2) })).toThrow(
      new InferenceError("range", "label: expected an integer in [0, 1], got 2"),
    );
  });
});

function sizes(minLength: number, maxLength: number) {
  return { minLength, maxLength };
}

/** All distances, the definition word by word. */
function naive({ data, rows, cols }: Matrix, count: number, neighbors: number) {
  const all = [...Array(rows).keys()];
  const square = (i: number, j: number) => {
    let sum = 0;
    for (let c = 0; c < cols; c++) sum += (data[i * cols + c]! - data[j * cols + c]!) ** 2;
    return sum;
  };
  const logDensity = all.map((i) => {
    const nearest = all.map((j) => square(i, j)).sort((a, b) => a - b);
    const some = nearest.slice(0, neighbors);
    return -some.reduce((sum, value) => sum + value, 0) / (some.length * cols);
  });
  const largest = Math.max(...all.flatMap((i) => all.map((j) => square(i, j))));
  const scores = all.map((i) => {
    const denser = all.filter(
      (j) => logDensity[j]! > logDensity[i]! || (logDensity[j] === logDensity[i] && j < i),
    );
    const least = Math.min(...denser.map((j) => square(i, j)));
    return Math.log(Math.sqrt(Math.min(least, largest) / cols)) + logDensity[i]!;
  });
  const byScore = [...all].sort((a, b) => {
    return scores[a] === scores[b] ? a - b : scores[b]! > scores[a]! ? 1 : -1;
  });
  const centers = byScore.slice(0, count).sort((a, b) => a - b);
  const labels = all.map((i) => {
    if (centers.includes(i)) return centers.indexOf(i);
    const distances = centers.map((center) => square(i, center));
    return distances.indexOf(Math.min(...distances));
  });
  return { centers, labels };
}
