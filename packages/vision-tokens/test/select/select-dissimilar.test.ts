import { InferenceError } from "@frugal/core";
import { expect, test } from "vitest";

import { selectDissimilar } from "../../src/index.ts";
import { atAngles, normalRows } from "./fixtures.ts";

test.each([
  [0.778, 124],
  [0.889, 60],
  [1, 4],
])("leaving out %d of 576 tokens keeps %i", (pruned, count) => {
  const keep = selectDissimilar(normalRows(1, 576, 8), normalRows(2, 30, 8), pruned);
  expect(keep.length).toBe(count);
  expect(keep).toEqual(keep.slice().sort());
});

test("keeps pivots and, for each in turn, the row that resembles it least", () => {
  const visual = atAngles(0, 0, 0, 0, 40, 60, 180, 150, 170, 20);
  visual.data.subarray(0, 8).forEach((x, i) => (visual.data[i] = 3 * x));
  // Five pivots, one row each in the second case: 6, 8, 7 and 5 by those of the image, 9 by the text.
  const text = atAngles(90);
  expect([...selectDissimilar(visual, text, 0)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect([...selectDissimilar(visual, text, 0.5)]).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 9]);
});

test("works without text, and refuses text of another width", () => {
  const visual = atAngles(0, 90, 180, 270, 45, 10);
  expect(selectDissimilar(visual, { ...visual, data: new Float32Array(), rows: 0 }, 0).length).toBe(
    6,
  );
  expect(() => selectDissimilar(visual, normalRows(1, 2, 3), 0)).toThrow(
    new InferenceError("shape", "text: expected 2 columns, got 3"),
  );
});
