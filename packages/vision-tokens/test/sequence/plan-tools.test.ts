import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  assertPlan,
  type DecoderInput,
  dependsOnText,
  expandRows,
  hashKeep,
  methods,
  planSequence,
  type PositionScheme,
  type SequencePlan,
} from "../../src/index.ts";

const ids = Uint32Array.of(1, 9, 9, 9, 9, 2);

describe("assertPlan", () => {
  const flat: DecoderInput = { name: "position_ids", type: "int64", shape: ["batch", "sequence"] };
  const cubic: DecoderInput = {
    name: "position_ids",
    type: "int64",
    shape: [3, "batch", "sequence"],
  };
  const float: DecoderInput = {
    name: "position_ids",
    type: "float32",
    shape: ["batch", "sequence"],
  };
  const mask: DecoderInput = { name: "attention_mask", type: "int64" };
  const fractional: PositionScheme = { kind: "fractional", step: 64 };

  test.each<[string, PositionScheme, DecoderInput[]]>([
    ["gaps with positions as an input", { kind: "linear" }, [mask, flat]],
    ["gaps, if nothing is known but the name", { kind: "linear" }, [{ name: "position_ids" }]],
    ["no gaps without that input", { kind: "linear", compact: true }, [mask]],
    ["no gaps from one on", { kind: "linear", start: 1, compact: true }, [mask]],
    ["a grid with three coordinates", { kind: "grid" }, [cubic, mask]],
    ["fractions of floats", fractional, [float]],
  ])("lets pass: %s", (_, scheme, inputs) => {
    expect(() => assertPlan(inputs, planOf(scheme))).not.toThrow();
  });

  test("lets everything pass that has nothing removed and counts as a graph does", () => {
    const whole = planOf({ kind: "linear" }, [0, 1, 2, 3]);
    expect(() => assertPlan([mask], whole)).not.toThrow();
    const steps = planOf({ kind: "fractional", step: 256 }, [0, 1, 2, 3]);
    expect(() => assertPlan([mask], steps)).not.toThrow();
  });

  test.each<[PositionScheme, DecoderInput[], string]>([
    [
      { kind: "linear" },
      [mask],
      "position_ids: expected an input of the graph, which gaps and grids need, got none",
    ],
    [
      { kind: "grid" },
      [mask],
      "position_ids: expected an input of the graph, which gaps and grids need, got none",
    ],
    [
      { kind: "grid" },
      [flat],
      "position_ids: expected 3 per token, got an input of [batch, sequence]",
    ],
    [
      { kind: "linear" },
      [cubic],
      "position_ids: expected 1 per token, got an input of [3, batch, sequence]",
    ],
    [
      fractional,
      [flat],
      "position_ids: expected an input of floats for fractions of positions, got int64",
    ],
    [
      fractional,
      [{ name: "position_ids" }],
      "position_ids: expected an input of floats for fractions of positions, got unknown",
    ],
  ])("refuses %j", (scheme, inputs, message) => {
    expect(() => assertPlan(inputs, planOf(scheme))).toThrow(
      new InferenceError("unsupported", message),
    );
  });
});

test("rows go back to where they were", () => {
  const plan = planOf({ kind: "linear" });
  const rows = { data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), rows: 4, cols: 2 };
  const whole = expandRows(plan, rows);
  expect([...whole.data]).toEqual([1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8]);
  expect(expandRows(plan, rows, -1).data[4]).toBe(-1);
  expect(() => expandRows(plan, { ...rows, rows: 3 })).toThrow(
    new InferenceError("shape", "rows: expected 4, got 3"),
  );
});

test("what stays is told apart by sixteen digits", () => {
  const keep = (...rows: number[]) => Uint32Array.from(rows);
  const hash = hashKeep({ rows: 4, keep: keep(0, 3) });
  expect(hash).toMatch(/^[0-9a-f]{16}$/);
  expect(hashKeep({ rows: 4, keep: keep(0, 3) })).toBe(hash);
  const seen = new Set<string>();
  for (let mask = 0; mask < 4096; mask++) {
    const rows = Uint32Array.from({ length: 12 }, (_, i) => i).filter((i) => (mask >> i) & 1);
    for (const grid of [undefined, { t: 1, h: 3, w: 4 }, { t: 1, h: 4, w: 3 }]) {
      seen.add(hashKeep({ rows: 12, keep: rows, ...(grid && { grid }) }));
    }
  }
  expect(seen.size).toBe(3 * 4096);
});

test("a choice by the question holds for the question only", () => {
  const names = methods.filter(dependsOnText).map((method) => method.function);
  expect(names).toEqual(
    expect.arrayContaining(["selectDeterminant", "selectDissimilar", "mergeRecoverable"]),
  );
  expect(names).not.toContain("selectMaxMin");
});

function planOf(positions: PositionScheme, keep: readonly number[] = [0, 3]): SequencePlan {
  const image = { rows: 4, keep: Uint32Array.from(keep), grid: { t: 1, h: 2, w: 2 } };
  return planSequence(ids, [image], { placeholder: 9, positions });
}
