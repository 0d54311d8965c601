import type { Matrix } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { compositeToken, padRows, replaceEnd, replaceSpan } from "../../src/index.ts";
import { normalRows } from "../select/fixtures.ts";

const rowsOf = ({ data, rows, cols }: Matrix): number[][] =>
  Array.from({ length: rows }, (_, i) =>
    Array.from(data.subarray(i * cols, (i + 1) * cols), (x) => Number(x.toFixed(6))),
  );

describe("compositeToken", () => {
  const embeddings = { data: Float32Array.of(0, 0, 1, 0, 0, 1, 1, 1), rows: 4, cols: 2 };
  const phrase = { noun: Uint32Array.of(1), attributes: Uint32Array.of(2, 3) };

  test("is the sum of the phrase, at its noun", () => {
    expect(rowsOf(compositeToken(embeddings, phrase))).toEqual([
      [0, 0],
      [2, 2],
      [0, 0],
      [0, 0],
    ]);
    const weighted = compositeToken(embeddings, { ...phrase, weights: [1.1, 1.2] });
    expect(rowsOf(weighted)[1]).toEqual([2.3, 2.4]);
  });

  test("leaves other rows as they are, and a noun of several rows at the first", () => {
    const x = normalRows(1, 7, 3);
    const edited = compositeToken(x, {
      noun: Uint32Array.of(3, 4),
      attributes: Uint32Array.of(1),
    });
    for (const row of [0, 2, 5, 6]) expect(rowsOf(edited)[row]).toEqual(rowsOf(x)[row]);
    for (const row of [1, 4]) expect(rowsOf(edited)[row]).toEqual([0, 0, 0]);
  });

  test("refuses a phrase without noun, and rows outside", () => {
    const none = new Uint32Array();
    expect(() => compositeToken(embeddings, { noun: none, attributes: none })).toThrow(
      "rows of the noun",
    );
    expect(() => compositeToken(embeddings, { ...phrase, attributes: Uint32Array.of(4) })).toThrow(
      "attributes: expected ascending indices below 4, got 4",
    );
  });
});

test("replaceEnd takes the rows after the prompt from the plain one", () => {
  const [encoded, plain] = [normalRows(1, 6, 2), normalRows(2, 6, 2)];
  const edited = rowsOf(replaceEnd(encoded, plain, 4));
  expect(edited.slice(0, 4)).toEqual(rowsOf(encoded).slice(0, 4));
  expect(edited.slice(4)).toEqual(rowsOf(plain).slice(4));
  expect(() => replaceEnd(encoded, plain, 7)).toThrow(
    "length: expected an integer in [0, 6], got 7",
  );
  expect(() => replaceEnd(encoded, normalRows(2, 5, 2), 4)).toThrow("plain: expected 12 entries");
});

describe("replaceSpan", () => {
  const [encoded, alone] = [normalRows(1, 6, 2), normalRows(2, 4, 2)];

  test("takes an item's rows from its own encoding", () => {
    const edited = rowsOf(
      replaceSpan(encoded, alone, [
        [2, 1],
        [3, 2],
      ]),
    );
    const expected = rowsOf(encoded);
    expected[2] = rowsOf(alone)[1]!;
    expected[3] = rowsOf(alone)[2]!;
    expect(edited).toEqual(expected);
    expect(
      replaceSpan(encoded, encoded, [
        [1, 1],
        [4, 4],
      ]).data,
    ).toEqual(encoded.data);
  });

  test("refuses rows outside, twice, or of another width", () => {
    expect(() => replaceSpan(encoded, alone, [[6, 0]])).toThrow("pairs: row");
    expect(() => replaceSpan(encoded, alone, [[0, 4]])).toThrow("pairs: own row");
    expect(() =>
      replaceSpan(encoded, alone, [
        [1, 0],
        [1, 1],
      ]),
    ).toThrow("expected row 1 once");
    expect(() => replaceSpan(encoded, normalRows(1, 4, 3), [])).toThrow(
      "alone: expected 2 columns",
    );
  });
});

test("padRows leaves the rows that carry the meaning", () => {
  const x = normalRows(1, 5, 2);
  const edited = rowsOf(padRows(x, Uint32Array.of(1, 2), Float32Array.of(7, 8)));
  const expected = rowsOf(x);
  expected[1] = [7, 8];
  expected[2] = [7, 8];
  expect(edited).toEqual(expected);
  expect(() => padRows(x, Uint32Array.of(2, 1), Float32Array.of(7, 8))).toThrow("rows: expected");
});
