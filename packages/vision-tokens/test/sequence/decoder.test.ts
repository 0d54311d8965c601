import { philox } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  type PlannedImage,
  planSequence,
  type PositionScheme,
  type SequencePlan,
} from "../../src/index.ts";
import {
  type Cache,
  emptyCache,
  gatherCache,
  type PassOptions,
  randomEmbeddings,
  runDecoder,
} from "./tiny-decoder.ts";

// Two pictures of 3 × 4 and 2 × 2 cells, with text around them.
const ids = Uint32Array.from([
  1,
  2,
  ...Array<number>(12).fill(9),
  3,
  ...Array<number>(4).fill(9),
  4,
]);
const grids = [
  { t: 1, h: 3, w: 4 },
  { t: 1, h: 2, w: 2 },
];
const schemes: readonly [string, PositionScheme][] = [
  ["one position per token", { kind: "linear" }],
  ["positions on a grid", { kind: "grid" }],
  ["fractional positions", { kind: "fractional", step: 64 }],
];
const x = randomEmbeddings(5, ids.length);
const next = randomEmbeddings(6, 1);

describe.each(schemes)("a decoder with %s", (_, scheme) => {
  const whole = planOf(scheme, () => true);
  const plans = Array.from({ length: 12 }, (__, seed) => {
    const rng = philox(seed);
    const part = rng.uniform(99);
    return planOf(scheme, (image, row) => rng.uniform(row, image) < part);
  });

  test("computes the same from gathered rows as from masked ones", () => {
    for (const plan of plans) {
      const kept = new Set(plan.source);
      const masked = runDecoder(x, { ...passOf(whole), visible: (key) => kept.has(key) });
      const gathered = runDecoder(pick(x, plan.source), passOf(plan));
      expectNear(gathered, pick(masked, plan.source));
    }
  });

  test("goes on as from a cache whose removed rows are masked", () => {
    for (const plan of plans) {
      const kept = new Set(plan.source);
      const sees = (key: number) => kept.has(key) || key >= ids.length;
      const cache = emptyCache();
      runDecoder(x, { ...passOf(whole), cache, visible: sees });
      const full = step(cache, plan, plan.nextPosition, sees);
      const own = emptyCache();
      runDecoder(pick(x, plan.source), { ...passOf(plan), cache: own });
      // The position, as loops get it that have nothing but the length of the cache.
      const length = own[0]!.keys.length;
      expectNear(step(own, plan, length + plan.ropeDelta), full);
    }
  });

  test("goes on from a cache that was filled whole and pruned afterwards", () => {
    for (const plan of plans) {
      const cache = emptyCache();
      runDecoder(x, { ...passOf(whole), cache });
      const kept = new Set(plan.source);
      const pruned = gatherCache(cache, plan.source);
      const full = step(
        cache,
        plan,
        plan.nextPosition,
        (key) => kept.has(key) || key >= ids.length,
      );
      expectNear(step(pruned, plan, plan.nextPosition), full);
    }
  });

  test("sees positions against each other, and not where they begin", () => {
    const moved = planOf(scheme, () => true, { nextPosition: 37, cached: 0 });
    expectNear(runDecoder(x, passOf(moved)), runDecoder(x, passOf(whole)));
  });

  test("computes something else at a position that ignores what was removed", () => {
    const plan = plans.find(({ removed }) => removed.length > 3)!;
    const caches = [emptyCache(), emptyCache()];
    for (const cache of caches) {
      runDecoder(pick(x, plan.source), { ...passOf(plan), cache });
    }
    const right = step(caches[0]!, plan, plan.nextPosition);
    const stale = step(caches[1]!, plan, plan.source.length + whole.ropeDelta);
    expect(distance(right, stale)).toBeGreaterThan(1e-4);
  });
});

test("compacted positions are others than those that were kept", () => {
  const every = (_: number, row: number) => row % 3 === 0;
  const kept = planOf({ kind: "linear" }, every);
  const compact = planOf({ kind: "linear", compact: true }, every);
  expect(compact.source).toEqual(kept.source);
  expect(compact.nextPosition).toBe(compact.ids.length);
  const rows = pick(x, kept.source);
  const difference = distance(runDecoder(rows, passOf(compact)), runDecoder(rows, passOf(kept)));
  expect(difference).toBeGreaterThan(1e-3);
});

function planOf(
  scheme: PositionScheme,
  keeps: (image: number, row: number) => boolean,
  after?: { nextPosition: number; cached: number },
): SequencePlan {
  const images = grids.map((grid, image): PlannedImage => {
    const rows = grid.h * grid.w;
    const all = Uint32Array.from({ length: rows }, (_, row) => row);
    return { rows, keep: all.filter((row) => keeps(image, row)), grid };
  });
  return planSequence(ids, images, { placeholder: 9, positions: scheme, ...(after && { after }) });
}

function passOf({ positions, axes, unitsPerPosition }: SequencePlan): PassOptions {
  return { positions, axes, unitsPerPosition };
}

/** One more token at a whole position, the same on all axes. */
function step(
  cache: Cache,
  { axes }: SequencePlan,
  position: number,
  visible: (key: number) => boolean = () => true,
): number[][] {
  const positions = Array<number>(axes).fill(position);
  return runDecoder(next, { positions, axes, unitsPerPosition: 1, cache, visible });
}

function pick<T>(rows: readonly T[], indices: Uint32Array): T[] {
  return [...indices].map((i) => rows[i]!);
}

function expectNear(actual: readonly number[][], expected: readonly number[][]): void {
  expect(actual.length).toBe(expected.length);
  expect(distance(actual, expected)).toBeLessThan(1e-9);
}

function distance(a: readonly number[][], b: readonly number[][]): number {
  return Math.max(...a.flatMap((row, i) => row.map((value, c) => Math.abs(value - b[i]![c]!))));
}
