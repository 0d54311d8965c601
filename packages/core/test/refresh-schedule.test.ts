import { describe, expect, test } from "vitest";

import { RefreshSchedule } from "../src/index.ts";

describe("RefreshSchedule", () => {
  test("is full at multiples of the stride", () => {
    const schedule = new RefreshSchedule({ stride: 4, drift: null });
    const full: number[] = [];
    for (let step = 0; step < 10; step++) {
      if (!schedule.isFull(step)) continue;
      full.push(step);
      schedule.refresh(step);
    }
    expect(full).toEqual([0, 4, 8]);
  });

  test("is full when queries have turned away", () => {
    const schedule = new RefreshSchedule({ stride: 100, drift: { every: 3, cosine: 0.9 } });
    schedule.refresh(10);
    expect([11, 12, 13].map((length) => schedule.looks(length))).toEqual([false, false, true]);
    schedule.observe(13, 0.95);
    expect(schedule.isFull(14)).toBe(false);
    expect([14, 15, 16].map((length) => schedule.looks(length))).toEqual([false, false, true]);
    schedule.observe(16, 0.85);
    expect(schedule.isFull(17)).toBe(true);
    schedule.refresh(17);
    expect(schedule.isFull(18)).toBe(false);
  });

  test("takes a cosine that is no number for a turn", () => {
    const schedule = new RefreshSchedule({ stride: 100, drift: { every: 1, cosine: 0.9 } });
    schedule.refresh(0);
    schedule.observe(1, Number.NaN);
    expect(schedule.isFull(2)).toBe(true);
  });
});
