import { InferenceError, philox } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { constantLength, type DraftLength, measuredCost } from "../src/index.ts";

/** A world in which drafted token i is right with probability `alpha(i)`. */
interface World {
  readonly alpha: (i: number) => number;
  readonly draft: number;
  readonly target: (rows: number) => number;
}

const expectedTokens = (world: World, gamma: number): number => {
  let expected = 1;
  for (let i = 0, survival = 1; i < gamma; i++) expected += survival *= world.alpha(i);
  return expected;
};

const gain = (world: World, gamma: number): number =>
  expectedTokens(world, gamma) / (gamma * world.draft + world.target(gamma + 1));

const bestGain = (world: World, limit: number): number =>
  Math.max(...Array.from({ length: limit + 1 }, (_, gamma) => gain(world, gamma)));

/** Runs the controller in a world; the lengths it chose and the share of the best gain it had. */
const simulate = (length: DraftLength, world: World, steps: number, seed: number, limit = 10) => {
  const random = philox(seed);
  const chosen: number[] = [];
  let tokens = 0;
  let ms = 0;
  for (let t = 0; t < steps; t++) {
    const drafted = length.next(limit);
    let accepted = 0;
    while (accepted < drafted && random.uniform(t, 0, accepted) < world.alpha(accepted)) accepted++;
    const noise = 0.9 + 0.2 * random.uniform(t, 1);
    const targetMs = world.target(drafted + 1) * noise;
    const draftMs = drafted * world.draft;
    length.observe({ drafted, accepted, cut: false, targetMs, draftMs });
    chosen.push(drafted);
    if (t < steps / 2) continue;
    tokens += accepted + 1;
    ms += targetMs + draftMs;
  }
  return { chosen, share: tokens / ms / bestGain(world, limit) };
};

const flat = (alpha: number) => () => alpha;
const worlds: Record<string, World> = {
  "a good draft and a flat cost": { alpha: flat(0.85), draft: 0.1, target: () => 2 },
  "a good draft and a steep cost": { alpha: flat(0.8), draft: 0.05, target: (s) => 1 + 0.4 * s },
  "a poor draft": { alpha: flat(0.3), draft: 0.2, target: (s) => 1 + 0.1 * s },
  "a draft as slow as the target": { alpha: flat(0.6), draft: 2, target: () => 2 },
  "a draft that is always wrong": { alpha: flat(0), draft: 0, target: (s) => 1 + 0.2 * s },
  "a draft that is always right": { alpha: flat(1), draft: 0, target: (s) => 1 + 0.2 * s },
  "a draft that gets worse": {
    alpha: (i) => 0.9 - 0.2 * i,
    draft: 0.1,
    target: (s) => 2 + 0.1 * s,
  },
  "a step in the cost": { alpha: flat(0.8), draft: 0.02, target: (s) => (s > 5 ? 5 : 2) },
};

describe("measuredCost", () => {
  test.for(Object.entries(worlds))("finds nearly the best length for %s", ([, world]) => {
    for (const seed of [1, 2, 3]) {
      expect(simulate(measuredCost(), world, 3000, seed).share).toBeGreaterThan(0.95);
    }
  });

  test("stops drafting where it does not pay, and looks again less and less often", () => {
    const world = worlds["a draft that is always wrong"]!;
    const { chosen } = simulate(measuredCost(), world, 2000, 1);
    const tries = chosen.slice(1000).filter((gamma) => gamma > 0);
    expect(tries.length).toBeGreaterThan(0);
    expect(tries.length).toBeLessThan(20);
  });

  test("comes back when drafting begins to pay", () => {
    const length = measuredCost();
    simulate(length, worlds["a draft that is always wrong"]!, 1000, 1);
    const { share } = simulate(length, worlds["a good draft and a flat cost"]!, 6000, 2);
    expect(share).toBeGreaterThan(0.9);
  });

  test("one slow first run of a size does not put it off", () => {
    const world = worlds["a good draft and a flat cost"]!;
    const seen = new Set<number>();
    const slowFirst: World = {
      ...world,
      target: (rows) => {
        if (seen.has(rows)) return 2;
        seen.add(rows);
        return 200;
      },
    };
    const { chosen } = simulate(measuredCost(), slowFirst, 3000, 4);
    const late = chosen.slice(-500);
    expect(late.reduce((a, b) => a + b) / late.length).toBeGreaterThan(4);
  });

  test("is a pure function of what it was told", () => {
    const world = worlds["a draft that gets worse"]!;
    const first = simulate(measuredCost(), world, 300, 5);
    const second = simulate(measuredCost(), world, 300, 5);
    expect(second).toEqual(first);
  });

  test("stays within its limits", () => {
    const { chosen } = simulate(
      measuredCost({ max: 4 }),
      worlds["a draft that is always right"]!,
      200,
      1,
    );
    expect(Math.max(...chosen)).toBe(4);
    const narrow = simulate(measuredCost(), worlds["a draft that is always right"]!, 200, 1, 2);
    expect(Math.max(...narrow.chosen)).toBe(2);
  });

  test("works where no time is measured at all", () => {
    const length = measuredCost();
    for (let i = 0; i < 50; i++) {
      const drafted = length.next(8);
      // The first steps alternate between none and four.
      expect(drafted > 0).toBe(i !== 0 && i !== 2);
      length.observe({ drafted, accepted: drafted, cut: false, targetMs: 0, draftMs: 0 });
    }
  });

  test("does not count what a stop kept it from looking at", () => {
    const length = measuredCost();
    const other = measuredCost();
    const outcome = { drafted: 3, accepted: 1, targetMs: 1, draftMs: 0 };
    for (let i = 0; i < 30; i++) {
      length.observe({ ...outcome, cut: true });
      other.observe({ ...outcome, cut: false });
    }
    expect(length.next(10)).toBeGreaterThan(other.next(10));
  });

  test("rejects options outside their intervals", () => {
    for (const options of [
      { max: -1 },
      { max: 1.5 },
      { exploreEvery: 0 },
      { rate: 0 },
      { rate: 2 },
    ]) {
      expect(() => measuredCost(options)).toThrow(
        expect.toSatisfy((error: unknown) => InferenceError.is(error, "range")),
      );
    }
  });
});

describe("constantLength", () => {
  test("is the same every time, or as much as fits", () => {
    const length = constantLength(4);
    expect([length.next(9), length.next(3), length.next(0)]).toEqual([4, 3, 0]);
  });

  test("rejects what is not a count", () => {
    for (const bad of [-1, 0.5, Number.NaN]) {
      expect(() => constantLength(bad)).toThrow(`length: expected an integer >= 0, got ${bad}`);
    }
  });
});
