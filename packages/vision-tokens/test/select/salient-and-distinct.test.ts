import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  absorbRest,
  absorbWeighted,
  applyReduction,
  selectByAttention,
  selectSalientAndDistinct,
} from "../../src/index.ts";
import oracle from "../oracles/token-reductions.json" with { type: "json" };
import { atAngles, normalRows } from "./fixtures.ts";

describe("selectSalientAndDistinct", () => {
  test.each(oracle.vispruner)("keeps $count as the rule does", ({ x, attention, count, keep }) => {
    const rows = attention.length;
    const features = { data: Float32Array.from(x), rows, cols: x.length / rows };
    const scores = Float32Array.from(attention);
    const chosen = selectSalientAndDistinct(scores, features, count);
    expect([...chosen]).toEqual(keep);
  });

  test("is attention alone, or difference alone, at the ends", () => {
    const attention = normalRows(1, 30, 1).data;
    const features = normalRows(2, 30, 4);
    const byAttention = selectByAttention(attention, 7);
    expect([...selectSalientAndDistinct(attention, features, 7, 1)]).toEqual([...byAttention]);
    expect(selectSalientAndDistinct(attention, features, 7, 0).length).toBe(7);
    expect(selectSalientAndDistinct(attention, features, 30).length).toBe(30);
    expect(selectSalientAndDistinct(attention, features, 0).length).toBe(0);
  });

  test("drops copies first", () => {
    // The most attended row stays; of the rest, 1 and 2 are copies, and so are 3 and 4.
    const features = atAngles(300, 0, 0, 90, 90, 200);
    const attention = Float32Array.of(9, 8, 7, 6, 5, 4);
    const chosen = selectSalientAndDistinct(attention, features, 4, 0.25);
    expect([...chosen]).toEqual([0, 2, 4, 5]);
  });

  test("refuses a part that is none", () => {
    expect(() => selectSalientAndDistinct(new Float32Array(3), atAngles(0, 1, 2), 1, 2)).toThrow(
      new InferenceError("range", "salient: expected a number in [0, 1], got 2"),
    );
  });
});

describe("absorbRest", () => {
  const metric = atAngles(0, 10, 90, 100, 45);
  const x = { data: Float32Array.of(1, 3, 10, 20, 60), rows: 5, cols: 1 };

  test("takes each row up where it is most similar", () => {
    const { keep, starts, indices } = absorbRest(Uint32Array.of(1, 2), metric);
    expect([...keep]).toEqual([1, 2]);
    expect([...indices.subarray(0, starts[1])]).toEqual([1, 0, 4]);
    const merged = applyReduction(absorbRest(Uint32Array.of(1, 2), metric), x);
    expect(merged.data[0]).toBeCloseTo(64 / 3, 5);
    expect(merged.data[1]).toBe(15);
  });

  test("changes nothing if everything stays, and wants something that stays", () => {
    expect(applyReduction(absorbRest(Uint32Array.of(0, 1, 2, 3, 4), metric), x)).toEqual(x);
    expect(() => absorbRest(new Uint32Array(), metric)).toThrow(
      new InferenceError("range", "keep: expected at least one of 5 rows, got none"),
    );
  });

  test("weighs by what a merger has learned", () => {
    const weights = { data: Float32Array.of(9, 9, 0.5, 0, 1, 9, 9, 0, 2, 0), rows: 2, cols: 5 };
    const reduction = absorbWeighted(Uint32Array.of(0, 1), weights);
    expect([...applyReduction(reduction, x).data]).toEqual([1 + 5 + 60, 3 + 40]);
    expect(() => absorbWeighted(Uint32Array.of(0), weights)).toThrow(
      new InferenceError("shape", "weights: expected 1 rows, got 2"),
    );
  });
});
