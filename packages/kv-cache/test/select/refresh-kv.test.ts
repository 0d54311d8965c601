import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { createRowSelector, type LayerView, refreshKv } from "../../src/index.ts";
import { geometry, randomView } from "./fixtures.ts";

describe("refreshKv", () => {
  const policy = refreshKv({ budget: 10, minLength: 0, sinks: 2, recent: 2, stride: 4 });

  /** Runs all layers of a step; what the last one attends to. */
  function step(
    selector: ReturnType<typeof createRowSelector>,
    length: number,
    change: Partial<LayerView> = {},
  ): readonly (readonly number[])[] | null {
    let rows: ReturnType<typeof selector.select> = null;
    for (let layer = 0; layer < geometry.layers; layer++) {
      rows = selector.select({ ...randomView(7 + layer, 60, { layer }), length, ...change, layer });
    }
    return rows === null ? null : Array.from(rows as readonly Uint32Array[], (r) => [...r]);
  }

  test("attends to what the full step noted and to what came since", () => {
    const selector = createRowSelector(policy, geometry);
    expect(step(selector, 20)).toBeNull();
    const [a, b] = step(selector, 21)!;
    for (const rows of [a!, b!]) {
      expect(rows).toHaveLength(8);
      expect(rows).toEqual(expect.arrayContaining([0, 1, 18, 19, 20]));
    }
    expect(step(selector, 23)).toEqual([
      [...a!, 21, 22],
      [...b!, 21, 22],
    ]);
    expect(step(selector, 23)![0]!.length).toBeLessThanOrEqual(policy.budget);
    expect(step(selector, 24)).toBeNull();
    expect(step(selector, 25)).not.toBeNull();
  });

  test("with a stride of 1 every step is full", () => {
    const every = refreshKv({ budget: 10, minLength: 0, sinks: 0, recent: 0, stride: 1 });
    const selector = createRowSelector(every, geometry);
    for (let length = 20; length < 26; length++) expect(step(selector, length)).toBeNull();
  });

  test("is full again after a rollback behind the last full step, and after a prompt", () => {
    const selector = createRowSelector(policy, geometry);
    step(selector, 20);
    selector.keep(Uint32Array.from({ length: 20 }, (_, i) => i));
    expect(step(selector, 21)).not.toBeNull();
    selector.keep(Uint32Array.from({ length: 19 }, (_, i) => i));
    expect(step(selector, 21)).toBeNull();
    const prompt = randomView(1, 60, { rows: 65 });
    expect(step(selector, 22, prompt)).toBeNull();
    expect(step(selector, 23)).toBeNull();
    expect(step(selector, 24)).not.toBeNull();
  });

  test("a fork goes its own way", () => {
    const selector = createRowSelector(policy, geometry);
    step(selector, 20);
    const fork = selector.fork();
    expect(step(fork, 21)).toEqual(step(selector, 21));
    expect(step(fork, 24)).toBeNull();
    expect(step(selector, 23)).not.toBeNull();
  });

  test("rejects options outside their intervals", () => {
    const isRange = expect.toSatisfy((error: unknown) => InferenceError.is(error, "range"));
    for (const bad of [
      { budget: 0 },
      { budget: 7 },
      { stride: 0 },
      { drift: { every: 0 } },
      { drift: { cosine: 2 } },
    ]) {
      const options = { budget: 40, sinks: 2, recent: 2, stride: 4, ...bad };
      expect(() => refreshKv(options)).toThrow(isRange);
    }
  });
});
