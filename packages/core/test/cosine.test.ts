import { describe, expect, test } from "vitest";

import { cosine } from "../src/index.ts";

describe("cosine", () => {
  test("gives the specified numbers", () => {
    expect(cosine([1, 2, 3, 4], [1.1, 1.9, 3.2, 3.9])).toBeCloseTo(0.998849, 6);
    expect(cosine([1, 2, 3, 4], [1, -2, 3, 0])).toBeCloseTo(0.29277, 6);
    expect(cosine([0, 0], [1, 2])).toBe(0);
  });
});
