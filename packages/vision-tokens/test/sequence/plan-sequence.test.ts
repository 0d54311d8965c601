import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  expandIds,
  type PlannedImage,
  planSequence,
  type PositionScheme,
} from "../../src/index.ts";

const image = 9;
const grid: PositionScheme = { kind: "grid" };
const linear: PositionScheme = { kind: "linear" };

describe("planSequence", () => {
  test("keeps the grid positions of Qwen-VL and recomputes their delta", () => {
    const ids = prompt(2, 6, 3);
    const whole = plan(ids, [{ rows: 6, keep: range(6), grid: { t: 1, h: 2, w: 3 } }], grid);
    expect(triples(whole)).toBe("000 111 222 223 224 232 233 234 555 666 777");
    expect(whole.ropeDelta).toBe(-3);
    const pruned = plan(
      ids,
      [{ rows: 6, keep: Uint32Array.of(0, 2, 5), grid: { t: 1, h: 2, w: 3 } }],
      grid,
    );
    expect([...pruned.source]).toEqual([0, 1, 2, 4, 7, 8, 9, 10]);
    expect(triples(pruned)).toBe("000 111 222 224 234 555 666 777");
    expect(pruned.ropeDelta).toBe(0);
    expect([...pruned.featureRow]).toEqual([-1, -1, 0, 1, 2, -1, -1, -1]);
  });

  test("resumes text after the largest coordinate, not after the width", () => {
    const tall = { rows: 10, keep: Uint32Array.of(0), grid: { t: 1, h: 5, w: 2 } };
    expect(triples(plan(prompt(1, 10, 1), [tall], grid))).toBe("000 111 666");
    const video = { rows: 4, keep: range(4), grid: { t: 4, h: 1, w: 1, frameStep: 2.5 } };
    expect(triples(plan(prompt(1, 4, 1), [video], grid))).toBe("000 111 311 611 811 999");
  });

  test.each([
    [4, "0 1 2 2.25 2.5 2.75 3 4 5"],
    [8, "0 1 2 2.25 2.5 2.75 3 3.25 3.5 3.75 4 5 6"],
  ])("places %i visual tokens in quarters", (rows, expected) => {
    const { positions } = plan(prompt(3, rows, 2), [{ rows, keep: range(rows) }], {
      kind: "fractional",
      step: 64,
    });
    expect([...positions].map((q) => q / 256).join(" ")).toBe(expected);
  });

  test("compresses 768 visual tokens into 192 positions", () => {
    const { positions, nextPosition } = plan(prompt(3, 768, 2), [{ rows: 768, keep: range(768) }], {
      kind: "fractional",
      step: 64,
    });
    expect([...positions.slice(-2), nextPosition]).toEqual([195 * 256, 196 * 256, 197]);
  });

  test("fractions of positions ascend, and images take as many whole ones as they begin", () => {
    const counts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 256 }), (rows, step) => {
        const ids = Uint32Array.from([1, ...rows.flatMap((n) => [...Array<number>(n).fill(9), 2])]);
        const images = rows.map((n) => ({ rows: n, keep: range(n) }));
        const { positions, nextPosition } = plan(ids, images, { kind: "fractional", step });
        for (let i = 1; i < positions.length; i++) {
          expect(positions[i]! - positions[i - 1]!).toBeGreaterThan(0);
        }
        const spans = rows.map((n) => Math.ceil((n * step) / 256));
        expect(nextPosition).toBe(spans.reduce((sum, span) => sum + span + 1, 1));
        const kept = images.map(({ keep }) => ({
          rows: keep.length,
          keep: keep.filter((i) => i % 3 === 0),
        }));
        const pruned = plan(ids, kept, { kind: "fractional", step });
        expect([...pruned.positions]).toEqual([...pruned.source].map((i) => positions[i]));
        expect(pruned.nextPosition).toBe(nextPosition);
      }),
    );
  });

  test("full steps are ordinary positions", () => {
    const ids = prompt(3, 5, 2);
    const images = [{ rows: 5, keep: range(5) }];
    const whole = plan(ids, images, { kind: "fractional", step: 256 });
    expect([...whole.positions].map((q) => q / 256)).toEqual([
      ...plan(ids, images, linear).positions,
    ]);
  });

  test("removes as many placeholders as rows, and nothing else", () => {
    const masks = fc.array(fc.array(fc.boolean(), { maxLength: 6 }), { maxLength: 4 });
    fc.assert(
      fc.property(
        masks,
        fc.constantFrom("linear", "compact", "grid", "fractional"),
        (list, kind) => {
          const images = list.map(plannedImage);
          const ids = Uint32Array.from([
            1,
            2,
            ...list.flatMap((mask) => [3, ...mask.map(() => image)]),
            4,
          ]);
          const result = plan(ids, images, schemeOf(kind));
          const kept = images.reduce((sum, { keep }) => sum + keep.length, 0);
          expect([...result.featureRow].filter((row) => row >= 0)).toEqual([...range(kept)]);
          expect([...result.ids].filter((id) => id !== image)).toEqual(
            [...ids].filter((id) => id !== image),
          );
          expect([...result.ids]).toEqual([...result.source].map((i) => ids[i]));
          expect(expandIds(result)).toEqual(ids);
          expect(result.attentionMask.length).toBe(result.ids.length);
          const last = Math.max(...result.positions) / result.unitsPerPosition;
          expect(result.ropeDelta + result.ids.length).toBe(last + 1);
        },
      ),
    );
  });

  test("drops an empty image with its markers, if asked to", () => {
    // Image 1 has a line break between its rows; 5 and 6 mark images.
    const ids = Uint32Array.of(1, 5, 9, 9, 6, 2, 5, 9, 7, 9, 6, 3);
    const markers = { before: 1, after: 1 };
    const images = [
      { rows: 2, keep: Uint32Array.of(1), markers },
      { rows: 2, keep: new Uint32Array(), markers },
    ];
    const options = { placeholder: image, positions: linear };
    const kept = planSequence(ids, images, options);
    expect([...kept.ids]).toEqual([1, 5, 9, 6, 2, 5, 7, 6, 3]);
    const dropped = planSequence(ids, images, { ...options, dropEmptyImages: true });
    expect([...dropped.ids]).toEqual([1, 5, 9, 6, 2, 3]);
    expect([...dropped.positions]).toEqual([0, 1, 3, 4, 5, 11]);
    expect([dropped.nextPosition, dropped.ropeDelta]).toEqual([12, 6]);
    expect(expandIds(dropped)).toEqual(ids);
    const fails = (list: PlannedImage[]) => () =>
      planSequence(ids, list, { ...options, dropEmptyImages: true });
    const bare = { rows: 2, keep: new Uint32Array() };
    expect(fails([bare, images[1]!])).toThrow(
      new InferenceError("range", "markers: expected those of an empty image, got none"),
    );
    expect(fails([images[0]!, { ...bare, markers: { before: 5, after: 1 } }])).toThrow(
      new InferenceError("range", "markers: expected none of another image, got id 3"),
    );
    expect(fails([images[0]!, { ...bare, markers: { before: 1, after: 3 } }])).toThrow(
      "markers.after: expected an integer in [0, 2], got 3",
    );
  });

  test("goes on where a conversation is, and not where its cache ends", () => {
    const picture = { rows: 6, keep: Uint32Array.of(0, 5), grid: { t: 1, h: 2, w: 3 } };
    const first = plan(prompt(2, 6, 3), [picture], grid);
    expect([first.nextPosition, first.ids.length]).toEqual([8, 7]);
    const after = { nextPosition: first.nextPosition + 4, cached: first.ids.length + 4 };
    const second = planSequence(prompt(1, 6, 1), [picture], {
      placeholder: image,
      positions: grid,
      after,
    });
    expect(triples(second)).toBe("121212 131313 131415 161616");
    expect(second.nextPosition).toBe(17);
    // A loop that adds the delta to the length of its cache gets the same position.
    expect(second.ropeDelta + after.cached + second.ids.length).toBe(17);
    const fractional = planSequence(prompt(0, 4, 1), [{ rows: 4, keep: range(4) }], {
      placeholder: image,
      positions: { kind: "fractional", step: 64 },
      after,
    });
    expect([...fractional.positions].map((q) => q / 256)).toEqual([11.25, 11.5, 11.75, 12, 13]);
  });

  test("refuses what does not fit together", () => {
    const keep = Uint32Array.of(0);
    const fails = (images: PlannedImage[], scheme: PositionScheme, ids = prompt(1, 2, 1)) => {
      try {
        plan(ids, images, scheme);
      } catch (error) {
        if (InferenceError.is(error)) return `${error.code}: ${error.message}`;
      }
      return "no error";
    };
    expect(fails([{ rows: 3, keep }], linear)).toBe(
      "shape: images: expected as many rows as placeholders (2), got 3",
    );
    expect(fails([{ rows: 2, keep: Uint32Array.of(1, 0) }], linear)).toMatch(/^range: keep/);
    expect(fails([{ rows: 2, keep }], grid)).toBe("shape: grid: expected one per image, got none");
    expect(fails([{ rows: 2, keep, grid: { t: 1, h: 3, w: 1 } }], grid)).toBe(
      "shape: grid: expected 2 cells, got 1 x 3 x 1",
    );
    const split = Uint32Array.of(image, 1, image);
    expect(fails([{ rows: 2, keep, grid: { t: 1, h: 2, w: 1 } }], grid, split)).toBe(
      "format: ids: expected image 0 in one run, got text within",
    );
    expect(fails([{ rows: 2, keep }], { kind: "fractional", step: 8 }, split)).toMatch(
      /^unsupported/,
    );
  });
});

function plan(ids: Uint32Array, images: readonly PlannedImage[], positions: PositionScheme) {
  return planSequence(ids, images, { placeholder: image, positions });
}

function prompt(before: number, rows: number, after: number): Uint32Array {
  return Uint32Array.from({ length: before + rows + after }, (_, i) =>
    i < before || i >= before + rows ? 1 : image,
  );
}

function plannedImage(mask: readonly boolean[]): PlannedImage {
  const keep = range(mask.length).filter((i) => mask[i]);
  return { rows: mask.length, keep, grid: { t: 1, h: 1, w: mask.length } };
}

function schemeOf(kind: string): PositionScheme {
  if (kind === "fractional") return { kind, step: 16 };
  return kind === "grid" ? grid : { kind: "linear", start: 1, compact: kind === "compact" };
}

function triples({ positions, ids }: ReturnType<typeof plan>): string {
  const at = (axis: number, i: number) => positions[axis * ids.length + i]!;
  return [...ids.keys()].map((i) => `${at(0, i)}${at(1, i)}${at(2, i)}`).join(" ");
}

function range(n: number): Uint32Array {
  return Uint32Array.from({ length: n }, (_, i) => i);
}
