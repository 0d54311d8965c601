import { InferenceError } from "@frugal/core";
import { expect, test } from "vitest";

import { relevanceToText, selectDeterminant } from "../../src/index.ts";
import { atAngles, normalRows } from "./fixtures.ts";

test("is the mean cosine with the text, from 0 to 1", () => {
  const rows = atAngles(0, 60, 90, 180);
  const text = atAngles(0, 90);
  // Mean cosines 1/2, (1/2 + √3/2) / 2, 1/2 and -1/2; lengths of rows do not count.
  const highest = (1 + Math.sqrt(3)) / 4;
  const middle = 1 / (highest + 0.5);
  const expected = [middle, 1, middle, 0];
  const longer = { ...rows, data: rows.data.map((x, i) => x * (1 + Math.floor(i / 2))) };
  for (const features of [rows, longer]) {
    const relevance = relevanceToText(features, text);
    for (const [i, value] of expected.entries()) expect(relevance[i]).toBeCloseTo(value, 6);
    const opposed = relevanceToText(features, text, true);
    for (const [i, value] of expected.entries()) expect(opposed[i]).toBeCloseTo(1 - value, 6);
  }
});

test("is one where the text prefers nothing", () => {
  expect([...relevanceToText(atAngles(45, 45, 45), atAngles(10))]).toEqual([1, 1, 1]);
  const zeros = { data: new Float32Array(4), rows: 2, cols: 2 };
  expect([...relevanceToText(zeros, atAngles(10))]).toEqual([1, 1]);
  expect(relevanceToText({ ...zeros, data: new Float32Array(), rows: 0 }, zeros).length).toBe(0);
});

test("makes a choice follow the question", () => {
  const features = normalRows(3, 60, 8);
  for (const asked of [7, 41]) {
    const own = features.data.slice(asked * 8, asked * 8 + 8);
    const relevance = relevanceToText(features, { data: own, rows: 1, cols: 8 });
    expect(selectDeterminant(features, relevance, 6).order[0]).toBe(asked);
  }
});

test("refuses text that is none", () => {
  const features = atAngles(0, 90);
  expect(() => relevanceToText(features, normalRows(1, 2, 3))).toThrow(
    new InferenceError("shape", "text: expected 2 columns, got 3"),
  );
  const none = { data: new Float32Array(), rows: 0, cols: 2 };
  expect(() => relevanceToText(features, none)).toThrow("rows of text: expected");
  const bad = { data: Float32Array.of(Number.NaN, 1), rows: 1, cols: 2 };
  expect(() => relevanceToText(features, bad)).toThrow("text: expected finite numbers");
});
