import { philox } from "@frugal/core";
import { expect, test } from "vitest";

import { planSequence, selectByGate } from "../../src/index.ts";
import { normalRows } from "./fixtures.ts";

const logits = { data: Float32Array.of(-0.1, -2, -3, -0.2, -0.7, -0.7, -5, -1), rows: 4, cols: 2 };

test("keeps what the selector prefers to keep, and what goes in goes into a plan", () => {
  const keep = selectByGate(logits);
  expect([...keep]).toEqual([0, 2]);
  const none = selectByGate({ data: Float32Array.of(-2, -1), rows: 1, cols: 2 });
  const { ids } = planSequence(
    Uint32Array.of(1, 9, 9, 9, 9, 2, 9, 3),
    [
      { rows: 4, keep },
      { rows: 1, keep: none },
    ],
    { placeholder: 9, positions: { kind: "linear" } },
  );
  expect([...ids]).toEqual([1, 9, 9, 2, 3]);
  expect(() => selectByGate(normalRows(1, 2, 3))).toThrow("logits: expected 2 columns, got 3");
});

test("draws with the probabilities of the logits", () => {
  const rows = 4000;
  const same = { data: new Float32Array(2 * rows), rows, cols: 2 };
  for (let row = 0; row < rows; row++) same.data[2 * row] = Math.log(3);
  const kept = selectByGate(same, philox(5)).length / rows;
  // Four standard deviations of a share of 3 / 4.
  expect(Math.abs(kept - 0.75)).toBeLessThan(4 * Math.sqrt(0.1875 / rows));
  expect(selectByGate(same, philox(5)).length / rows).toBe(kept);
});
