import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { allocateTiles, countTiles, type Resolution } from "../../src/index.ts";

const sizes: Resolution[] = [
  [1092, 1456],
  [2184, 728],
  [400, 400],
  [1820, 1820],
];
const side = fc.integer({ min: 50, max: 3000 });
const images = fc.array(fc.tuple(side, side), { minLength: 1, maxLength: 8 });

describe("allocateTiles", () => {
  test("gives the specified resolutions", () => {
    expect(resolutions(50)).toEqual(["1092x1092", "1820x728", "none", "1456x1456"]);
    expect(resolutions(24)).toEqual(["728x728", "1092x364", "none", "1092x1092"]);
  });

  test("never exceeds the budget, spending all of it or not", () => {
    fc.assert(
      fc.property(
        images,
        fc.integer({ min: 8, max: 60 }),
        fc.boolean(),
        (list, budget, spendAll) => {
          const tiles = allocateTiles(list, { budget, spendAll }).map(countTiles);
          expect(tiles.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(budget);
        },
      ),
    );
  });

  test("shows no less of any image with a larger budget", () => {
    fc.assert(
      fc.property(images, fc.integer({ min: 8, max: 59 }), (list, budget) => {
        const [less, more] = [budget, budget + 1].map((b) => allocateTiles(list, { budget: b }));
        for (const [i, plan] of less!.entries()) {
          expect(shown(more![i]!, list[i]!)).toBeGreaterThanOrEqual(shown(plan, list[i]!));
        }
      }),
    );
  });

  test("makes 8,450 tokens at most, and rounds wishes to even numbers", () => {
    const pages = Array.from({ length: 5 }, (): Resolution => [3640, 3640]);
    const tokens = allocateTiles(pages, { spendAll: true }).map((plan) => plan.tokens);
    expect(tokens.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(8450);
    // One and a half tiles are two, two and a half are two as well: 2 by 2 of them.
    const [plan] = allocateTiles([[1.5 * 364, 2.5 * 364]]);
    expect(plan!.cols * plan!.rows).toBeLessThanOrEqual(4);
    expect(resolutionOf(plan!)).toBe("728x728");
  });

  test("takes nothing from others when an image leaves, and treats equal images equally", () => {
    fc.assert(
      fc.property(images, (list) => {
        const all = allocateTiles([...list, list[0]!]);
        expect(all.at(-1)).toEqual(all[0]);
        const fewer = allocateTiles(list);
        for (const [i, plan] of fewer.entries()) {
          expect(shown(plan, list[i]!)).toBeGreaterThanOrEqual(shown(all[i]!, list[i]!));
        }
      }),
    );
  });

  test("leaves overviews only when there are more images than tiles", () => {
    const plans = allocateTiles(Array.from({ length: 60 }, (): Resolution => [1820, 1820]));
    expect(plans.every((plan) => countTiles(plan) === 1)).toBe(true);
  });
});

function resolutionOf({ cols, width, height }: ReturnType<typeof allocateTiles>[0]): string {
  return cols === 0 ? "none" : `${width}x${height}`;
}

function resolutions(budget: number): string[] {
  return allocateTiles(sizes, { budget }).map(resolutionOf);
}

/** Pixels of the image that its local tiles show. */
function shown(plan: ReturnType<typeof allocateTiles>[0], [width, height]: Resolution): number {
  if (plan.cols === 0) return 0;
  const scale = Math.min(plan.width / width, plan.height / height);
  return Math.min(Math.trunc(width * scale) * Math.trunc(height * scale), width * height);
}
