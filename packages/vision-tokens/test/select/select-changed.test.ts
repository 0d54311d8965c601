import { InferenceError } from "@frugal/core";
import { expect, test } from "vitest";

import { selectChanged } from "../../src/index.ts";
import { atAngles, normalRows } from "./fixtures.ts";

test.each([
  [0.7, 470],
  [0.75, 392],
  [0, 1568],
  [1, 196],
])("leaving out %d of 8 frames of 196 cells keeps %i", (pruned, count) => {
  const keep = selectChanged(normalRows(1, 8 * 196, 4), 196, pruned);
  expect(keep.length).toBe(count);
  expect([...keep.subarray(0, 196)]).toEqual([...Array(196).keys()]);
});

test("keeps what changed most, compared with the frame before", () => {
  const frames = atAngles(0, 0, 0, 50, 0, 10, 50, 90, 10);
  expect([...selectChanged(frames, 3, 0.4)]).toEqual([0, 1, 2, 3, 7]);
});

test("a still video is its first frame, and then the earliest cells", () => {
  const still = { data: new Float32Array(24).fill(1), rows: 12, cols: 2 };
  expect([...selectChanged(still, 4, 0.5)]).toEqual([0, 1, 2, 3, 4, 5]);
});

test("refuses incomplete frames", () => {
  expect(() => selectChanged(atAngles(0, 1, 2), 2, 0.5)).toThrow(
    new InferenceError("range", "frames: expected an integer >= 0, got 1.5"),
  );
});
