import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  adaptVision,
  anyRes,
  countTiles,
  idefics3,
  internVl,
  oneVision,
  qwen,
  type Tiler,
} from "../../src/index.ts";

type Golden = readonly [size: string, resized: string, tokens: number];

const goldens: Readonly<Record<string, readonly [Tiler, readonly Golden[]]>> = {
  anyRes: [
    anyRes(),
    [
      ["640x480", "672x672", 2340],
      ["1000x300", "1008x336", 2182],
      ["300x200", "336x672", 976],
      ["2000x2000", "672x672", 2928],
      ["1344x756", "672x672", 1948],
      ["500x1500", "336x1008", 2376],
    ],
  ],
  oneVision: [
    oneVision(),
    [
      ["640x480", "768x768", 2929],
      ["1920x1080", "1920x1152", 7269],
      ["3000x2000", "2304x1536", 7329],
      ["384x384", "384x384", 1485],
    ],
  ],
  "internVl of 12": [
    internVl(),
    [
      ["448x448", "448x448", 256],
      ["640x480", "1792x1344", 3328],
      ["1920x1080", "1792x896", 2304],
      ["900x900", "896x896", 1280],
      ["2000x2000", "1344x1344", 2560],
    ],
  ],
  "internVl of 6": [
    internVl({ max: 6 }),
    [
      ["640x480", "1344x896", 1792],
      ["1920x1080", "896x448", 768],
    ],
  ],
  qwen: [
    qwen(),
    [
      ["640x480", "644x476", 391],
      ["1920x1080", "1316x728", 1222],
      ["3000x2000", "1204x812", 1247],
      ["40x30", "84x56", 6],
      ["126x70", "112x56", 8],
    ],
  ],
  idefics3: [
    idefics3(),
    [
      ["640x480", "2048x1536", 832],
      ["512x512", "2048x2048", 1088],
      ["1000x300", "2048x1024", 576],
    ],
  ],
  "idefics3 unsplit": [idefics3({ longestEdge: 512 }), [["512x512", "512x512", 64]]],
  adaptVision: [
    adaptVision(),
    [
      ["300x200", "336x336", 720],
      ["336x336", "336x336", 720],
      ["337x336", "672x672", 1152],
      ["640x480", "672x672", 1152],
      ["1000x300", "1008x336", 1008],
      ["300x1000", "336x1008", 1008],
      ["1200x800", "1008x672", 1440],
      ["2000x2000", "1008x1008", 1872],
    ],
  ],
};

const cases = Object.entries(goldens).flatMap(([name, [tiler, rows]]) =>
  rows.map(([size, resized, tokens]) => ({ name, tiler, size, resized, tokens })),
);

describe("tilers", () => {
  test.each(cases)("$name: $size has $tokens tokens", ({ tiler, size, resized, tokens }) => {
    const [width, height] = size.split("x").map(Number) as [number, number];
    const plan = tiler(width, height);
    expect(`${plan.width}x${plan.height}`).toBe(resized);
    expect(plan.tokens).toBe(tokens);
  });

  test("anyRes says where its newlines are: behind every row of the local grid", () => {
    const { newlines, tokens } = anyRes()(640, 480);
    expect(newlines.length).toBe(36);
    expect([newlines[0], newlines[1], newlines[35]]).toEqual([624, 673, tokens - 1]);
  });

  test.each([
    ["adaptVision", adaptVision()],
    ["idefics3", idefics3()],
    ["qwen", qwen()],
  ])("%s turns its grid when the image is turned", (_, tiler) => {
    fc.assert(
      fc.property(size, size, (width, height) => {
        const [plan, turned] = [tiler(width, height), tiler(height, width)];
        expect([turned.height, turned.width]).toEqual([plan.width, plan.height]);
        expect(turned.tokens).toBe(plan.tokens);
      }),
    );
  });

  test("adaptVision cuts squares, and as many as it has rows and columns", () => {
    fc.assert(
      fc.property(size, size, (width, height) => {
        const plan = adaptVision()(width, height);
        expect([plan.width / plan.cols, plan.height / plan.rows]).toEqual([336, 336]);
        expect(Math.max(plan.cols, plan.rows)).toBeLessThanOrEqual(3);
        expect(plan.tokens).toBe(576 + 144 * plan.cols * plan.rows);
      }),
    );
  });

  test("stay within their numbers of tiles and pixels", () => {
    fc.assert(
      fc.property(size, size, (width, height) => {
        expect(countTiles(internVl({ min: 2, max: 6 })(width, height)) - 1).toBeLessThanOrEqual(6);
        expect(countTiles(adaptVision()(width, height))).toBeLessThanOrEqual(10);
        expect(countTiles(idefics3()(width, height))).toBeLessThanOrEqual(17);
        expect(oneVision()(width, height).tokens).toBeLessThanOrEqual(729 + 1.21 * 6561 + 162);
        const { width: w, height: h } = qwen({ maxPixels: 401_408 })(width, height);
        expect(w * h).toBeLessThanOrEqual(401_408);
        expect(w * h).toBeGreaterThanOrEqual(3136);
      }),
    );
  });

  test("refuse sizes and options that make no sense", () => {
    expectRange(() => anyRes()(0, 10), "width: expected an integer >= 1, got 0");
    expectRange(
      () => qwen()(10, 2001),
      "size: expected sides of ratio 200 at most, got 10 by 2001",
    );
    expectRange(() => internVl({ min: 3, max: 2 }), "max: expected an integer >= 3, got 2");
    expectRange(() => anyRes({ grids: [] })(9, 9), "grids: expected at least one, got none");
  });
});

const size = fc.integer({ min: 40, max: 4000 });

function expectRange(run: () => unknown, message: string): void {
  expect(run).toThrow(new InferenceError("range", message));
}
