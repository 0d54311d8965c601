import { expect, test } from "vitest";

import { roundHalfEven } from "../src/index.ts";

test("halves go to the even number, as in Python", () => {
  const values = [0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5, 0.49, 0.51, 56.448, 2 ** 40 + 0.5];
  const rounded = values.map((value) => roundHalfEven(value) + 0);
  expect(rounded).toEqual([0, 2, 2, 4, 0, -2, -2, 0, 1, 56, 2 ** 40]);
  expect(Math.round(2.5)).toBe(3);
  expect([7, -3, 0].map(roundHalfEven)).toEqual([7, -3, 0]);
});
