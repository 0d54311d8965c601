import { expect, test } from "vitest";

import { samePrefix } from "../src/index.ts";

test("counts the rows that stay where they are", () => {
  const of = (...slots: number[]): number => samePrefix(Uint32Array.from(slots));
  expect([of(), of(0, 1, 2), of(0, 1, 3), of(1, 2), of(0, 2, 3)]).toEqual([0, 3, 2, 0, 1]);
});
