import { InferenceError } from "@frugal/core";
import { expect, test } from "vitest";

import { selectByFrameGroups } from "../../src/index.ts";
import { atAngles, normalRows } from "./fixtures.ts";

test("keeps 196, 58, 58 and 58 cells of four frames, 2,960 of 32", () => {
  const keep = selectByFrameGroups(normalRows(1, 32 * 196, 4), 196);
  expect(keep.length).toBe(2960);
  const perFrame = [0, 1, 2, 3].map(
    (f) => keep.filter((row) => Math.floor(row / 196) === f).length,
  );
  expect(perFrame).toEqual([196, 58, 58, 58]);
});

test("compares the second frame with the first, the third with the first, the fourth with the third", () => {
  // Cells of two; in each frame one cell differs from the frame that it is compared with.
  const frames = atAngles(0, 0, 0, 90, 50, 0, 50, 60, 0, 0);
  expect([...selectByFrameGroups(frames, 2, 0.5)]).toEqual([0, 1, 3, 4, 7, 8, 9]);
});

test("keeps everything or the first frames alone at the ends", () => {
  const frames = atAngles(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
  expect(selectByFrameGroups(frames, 2, 0).length).toBe(10);
  expect([...selectByFrameGroups(frames, 2, 1)]).toEqual([0, 1, 8, 9]);
  expect(() => selectByFrameGroups(frames, 4)).toThrow(
    new InferenceError("range", "frames: expected an integer >= 0, got 2.5"),
  );
});
