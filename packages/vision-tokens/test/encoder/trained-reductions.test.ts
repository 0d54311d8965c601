import type { Matrix } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  applyReduction,
  mergeBipartite,
  mergeModulated,
  modulateRows,
  restoreSlimmedRows,
  slimRows,
} from "../../src/index.ts";
import { mixRows } from "../../src/encoder/slim-rows.ts";
import { atAngles, normalRows } from "../select/fixtures.ts";
import golden from "../oracles/trained-reductions.json" with { type: "json" };

const norm = (width: number) => ({
  weight: new Float32Array(width).fill(1),
  bias: new Float32Array(width),
});
const linear = (weight: Matrix, bias = new Float32Array(weight.rows)) => ({ weight, bias });
const matrix = (rows: number[][]): Matrix => ({
  data: Float32Array.from(rows.flat()),
  rows: rows.length,
  cols: rows[0]!.length,
});

function expectValues(actual: ArrayLike<number>, expected: readonly number[], digits = 5): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, digits));
}

describe("slimRows", () => {
  const x = matrix([
    [1, 0],
    [0, 1],
    [2, 2],
    [4, 0],
  ]);

  test("mixes the rows by a softmax over them", () => {
    const logits = matrix([1, 1, 2, 4].map((share) => [0, Math.log(share)]));
    expectValues(mixRows(x, logits, 1).data, [1.75, 0.75, 2.625, 0.625]);
    expectValues(mixRows(x, logits, 0).data, [1.75, 0.75, 1.75, 0.75]);
  });

  test("stays within the rows, turns with them, and becomes a choice with a large scale", () => {
    const rows = normalRows(5, 12, 6);
    const params = {
      norm: norm(6),
      down: linear(normalRows(6, 3, 6)),
      scores: linear(normalRows(7, 4, 3)),
    };
    const slimmed = slimRows(rows, { ...params, scale: 1 });
    for (let c = 0; c < 6; c++) {
      const column = (m: Matrix) => Array.from({ length: m.rows }, (_, r) => m.data[r * 6 + c]!);
      expect(Math.max(...column(slimmed))).toBeLessThanOrEqual(Math.max(...column(rows)));
      expect(Math.min(...column(slimmed))).toBeGreaterThanOrEqual(Math.min(...column(rows)));
    }
    const reversed = { ...rows, data: rows.data.slice() };
    for (let r = 0; r < 12; r++) {
      reversed.data.set(rows.data.subarray(r * 6, r * 6 + 6), (11 - r) * 6);
    }
    expectValues(slimRows(reversed, { ...params, scale: 1 }).data, [...slimmed.data]);
    const chosen = slimRows(rows, { ...params, scale: 1e4 });
    for (let r = 0; r < 4; r++) {
      const row = chosen.data.subarray(r * 6, r * 6 + 6);
      const distances = Array.from({ length: 12 }, (_, i) =>
        row.reduce((sum, value, c) => sum + Math.abs(value - rows.data[i * 6 + c]!), 0),
      );
      expect(Math.min(...distances)).toBeLessThan(1e-4);
    }
  });

  test("and its reverse give what the modules give", () => {
    const of = (name: keyof typeof golden.slim): Matrix => {
      const rows = golden.slim[name] as number[] | number[][];
      return matrix(Array.isArray(rows[0]) ? (rows as number[][]) : [rows as number[]]);
    };
    const layer = (name: string) => ({
      weight: of(`${name}.weight` as keyof typeof golden.slim),
      bias: of(`${name}.bias` as keyof typeof golden.slim).data,
    });
    const normOf = (name: string) => ({ ...layer(name), weight: layer(name).weight.data });
    const slimmed = slimRows(of("x"), {
      norm: normOf("weight.0"),
      down: layer("weight.1"),
      scores: layer("weight.3"),
      scale: of("scale").data[0]!,
    });
    expectValues(slimmed.data, [...of("slimmed").data]);
    const restored = restoreSlimmedRows(of("slimmed"), {
      rowNorm: normOf("norm1"),
      rowUp: layer("mlp1.fc1"),
      rowDown: layer("mlp1.fc2"),
      norm: normOf("norm2"),
      up: layer("mlp2.fc1"),
      down: layer("mlp2.fc2"),
    });
    expect([restored.rows, restored.cols]).toEqual([of("x").rows, of("x").cols]);
    expectValues(restored.data, [...of("restored").data], 4);
  });

  test("refuses layers that do not fit", () => {
    const down = linear(normalRows(1, 1, 3));
    const params = { norm: norm(2), down, scores: linear(normalRows(1, 2, 1)), scale: 1 };
    expect(() => slimRows(x, params)).toThrow("down.weight: expected 2 entries, got 3");
  });
});

describe("modulateRows", () => {
  const from = matrix([
    [1, 2],
    [3, -1],
  ]);
  const into = matrix([
    [0, 1],
    [1, 1],
  ]);

  test("gives the specified rows", () => {
    const { data } = modulateRows(from, into, {
      byRow: Float32Array.of(0.3, -0.2),
      byColumn: Float32Array.of(0.5, -0.5),
      norm: norm(2),
    });
    expectValues(data, [0.651065, 0.849409, 4.046808, -1.575297]);
  });

  test("makes no value more than three times as large", () => {
    const [a, b] = [normalRows(1, 5, 4), normalRows(2, 5, 4)];
    const strong = normalRows(3, 1, 5).data.map((value) => 50 * value);
    const { data } = modulateRows(a, b, {
      byRow: strong,
      byColumn: strong.subarray(0, 4),
      norm: norm(4),
    });
    data.forEach((value, i) => {
      expect(Math.abs(value)).toBeLessThanOrEqual(Math.fround(3 * Math.abs(a.data[i]!)));
    });
  });

  test("of zeros leaves merging as it is, bit for bit", () => {
    const [metric, x] = [normalRows(1, 11, 4), normalRows(2, 11, 6)];
    const sizes = Float32Array.from({ length: 11 }, (_, i) => 1 + (i % 3));
    const plain = mergeBipartite(metric, 4, { sizes, classToken: true });
    const params = {
      byRow: normalRows(3, 1, 4).data,
      byColumn: new Float32Array(6),
      norm: norm(6),
    };
    const merged = mergeModulated(metric, x, params, { sizes, classToken: true });
    expect(merged.rows).toEqual(applyReduction(plain.reduction, x));
    expect(merged.sizes).toEqual(plain.sizes);
  });

  test("takes the pairs from the most similar on", () => {
    const metric = atAngles(0, 10, 90, 100, 45, 200);
    const x = matrix([[1], [2], [3], [4], [5], [6]]);
    const zero = { weight: new Float32Array(1), bias: Float32Array.of(1) };
    const params = { byRow: Float32Array.of(1, 1), byColumn: Float32Array.of(1), norm: zero };
    // z is 1 everywhere: columns 2σ(2), factor 2σ(1) - 1.
    const factor = 1 + (2 / (1 + Math.exp(-2))) * (2 / (1 + Math.exp(-1)) - 1);
    const { rows } = mergeModulated(metric, x, params);
    expectValues(rows.data, [(factor * 1 + 2) / 2, (factor * 3 + 4) / 2, 5, 6]);
  });

  test("refuses more parameters than rows that can be merged", () => {
    const params = {
      byRow: new Float32Array(4),
      byColumn: new Float32Array(2),
      norm: norm(2),
    };
    const metric = atAngles(0, 1, 2, 3);
    expect(() => mergeModulated(metric, metric, params)).toThrow(
      "rows that can be merged: expected an integer >= 4, got 2",
    );
  });
});
