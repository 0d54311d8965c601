import { type Matrix, wideDot } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { squaredDistance } from "../../src/cluster/squared-distance.ts";
import { RowProducts } from "../../src/select/row-products.ts";
import { RowSketch } from "../../src/select/row-sketch.ts";
import { unitRows } from "../../src/index.ts";
import { imageLike, normalRows } from "./fixtures.ts";

describe.each<[string, Matrix]>([
  ["an image", imageLike(3, 16, 96)],
  ["noise", normalRows(5, 150, 80)],
  ["rows that repeat, are opposite or zero", repeated(normalRows(6, 7, 70), 140)],
  ["rows far from zero and close to each other", shifted(normalRows(7, 140, 66), 1000)],
])("bounds of %s", (_name, rows) => {
  test("hold for all products and distances", () => {
    const unit = unitRows(rows);
    const [products, distances] = [new RowSketch(unit), new RowSketch(rows)];
    const { cols } = rows;
    for (let i = 0; i < rows.rows; i++) {
      for (let j = 0; j < rows.rows; j++) {
        const product = Math.fround(wideDot(unit.data, i * cols, unit.data, j * cols, cols));
        expect(products.productAtMost(i, j)).toBeGreaterThanOrEqual(product);
        const square = squaredDistance(rows.data, i * cols, j * cols, cols);
        expect(distances.squareAtLeast(i, j)).toBeLessThanOrEqual(square);
      }
    }
  });

  test("find the rows that comparing all of them finds, the first of equal ones", () => {
    const products = new RowProducts(rows);
    const targets = Uint32Array.from({ length: rows.rows / 2 }, (_, i) => 2 * i + 1);
    for (let row = 0; row < rows.rows; row++) {
      const ranked = [...targets.keys()]
        .filter((i) => targets[i] !== row)
        .sort((a, b) => {
          const difference =
            products.between(row, targets[b]!) - products.between(row, targets[a]!);
          return difference || a - b;
        });
      const others = targets.filter((target) => target !== row);
      const best = others[products.mostSimilar(row, others)];
      expect(best).toBe(targets[ranked[0]!]);
      const nearest = products.nearest(row, targets, 9);
      expect([...nearest]).toEqual(ranked.slice(0, 9).sort((a, b) => a - b));
    }
  });
});

test("bounds rule out most pairs of an image", () => {
  const unit = unitRows(imageLike(3, 16, 96));
  const sketch = RowSketch.of(unit)!;
  let open = 0;
  for (let i = 0; i < 256; i++) {
    for (let j = 0; j < i; j++) if (sketch.productAtMost(i, j) > 0.8) open++;
  }
  expect(open / ((256 * 255) / 2)).toBeLessThan(0.25);
});

test("few or short rows have no sketch", () => {
  expect(RowSketch.of(normalRows(1, 128, 100))).toBeNull();
  expect(RowSketch.of(normalRows(1, 200, 64))).toBeNull();
});

function repeated({ data, rows, cols }: Matrix, count: number): Matrix {
  const out = new Float32Array(count * cols);
  for (let row = 0; row < count; row++) {
    const sign = (row % 3) - 1;
    const from = (row % rows) * cols;
    for (let c = 0; c < cols; c++) out[row * cols + c] = sign * data[from + c]!;
  }
  return { data: out, rows: count, cols };
}

function shifted({ data, rows, cols }: Matrix, by: number): Matrix {
  return { data: data.map((x) => x + by), rows, cols };
}
