import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { informationDensity, selectByDensity } from "../../src/index.ts";
import { atAngles, imageLike, normalRows } from "./fixtures.ts";

const plain = { data: new Float32Array(40).fill(2), rows: 20, cols: 2 };
const orthogonal = { data: new Float32Array(64), rows: 8, cols: 8 };
for (let i = 0; i < 8; i++) orthogonal.data[9 * i] = 1;

describe("informationDensity", () => {
  test("is nothing for a plain tile, and everything for one without repetition", () => {
    expect(informationDensity(plain)).toBe(0);
    expect(informationDensity(orthogonal)).toBe(1);
    expect(informationDensity({ data: new Float32Array(), rows: 0, cols: 2 })).toBe(1);
    expect(informationDensity(atAngles(30))).toBe(1);
  });

  test("counts a row that is repeated by enough others", () => {
    const keys = atAngles(0, 1, 2, 3, 90, 91, 180, 270, 45, 135);
    expect(informationDensity(keys)).toBe(0.6);
    expect(informationDensity(keys, { share: 0.1 })).toBe(0.4);
    expect(informationDensity(keys, { share: 0.31 })).toBe(1);
  });

  test("grows with the cosine that counts as repetition", () => {
    const keys = imageLike(2, 12, 16);
    const densities = [-1, 0, 0.3, 0.5, 0.7, 0.9, 1].map((similarity) => {
      return informationDensity(keys, { similarity });
    });
    expect([...densities].sort((a, b) => a - b)).toEqual(densities);
    expect([densities[0], densities[6]]).toEqual([0, 1]);
  });
});

describe("selectByDensity", () => {
  test("leaves one token of a plain tile, the most attended", () => {
    const attention = Float32Array.from({ length: 20 }, (_, i) => (i === 7 ? 0.3 : 0.1));
    expect([...selectByDensity(plain, attention)]).toEqual([7]);
    expect(selectByDensity(orthogonal, new Float32Array(8).fill(1)).length).toBe(8);
  });

  test("mixes an early layer in, each by its share", () => {
    const keys = atAngles(0, 1, 2, 3, 90);
    const deep = Float32Array.of(0, 2, 0, 0, 0);
    const shallow = Float32Array.of(0, 0, 0, 0.5, 0);
    const one = { share: 0.2, similarity: 0.999 };
    expect(informationDensity(keys, one)).toBe(0.2);
    expect([...selectByDensity(keys, deep, one)]).toEqual([1]);
    expect([...selectByDensity(keys, deep, { ...one, shallow })]).toEqual([1]);
    expect([...selectByDensity(keys, deep, { ...one, shallow, shallowWeight: 0.6 })]).toEqual([3]);
  });

  test("budgets of tiles add up", () => {
    const tiles = [1, 2, 3].map((seed) => imageLike(seed, 8, 6));
    const counts = tiles.map((keys) => selectByDensity(keys, new Float32Array(64)).length);
    const planned = tiles.map((keys) => Math.round(64 * informationDensity(keys)));
    expect(counts).toEqual(planned.map((count) => Math.max(1, count)));
  });

  test("refuses what does not fit", () => {
    expect(() => selectByDensity(plain, new Float32Array(19))).toThrow(
      new InferenceError("shape", "attention: expected 20 entries, got 19"),
    );
    expect(() => selectByDensity(plain, new Float32Array(20).fill(-1))).toThrow(InferenceError);
    expect(() => informationDensity(normalRows(1, 3, 2), { similarity: 2 })).toThrow("similarity");
  });
});
