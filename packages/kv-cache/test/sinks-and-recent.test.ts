import { InferenceError } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { keepSinksAndRecent, sinksAndRecent } from "../src/index.ts";

describe("keepSinksAndRecent", () => {
  test("keeps both ends", () => {
    expect([...keepSinksAndRecent(10, 2, 3)]).toEqual([0, 1, 7, 8, 9]);
  });

  test("keeps everything that fits", () => {
    expect([...keepSinksAndRecent(5, 2, 3)]).toEqual([0, 1, 2, 3, 4]);
    expect([...keepSinksAndRecent(3, 2, 3)]).toEqual([0, 1, 2]);
    expect([...keepSinksAndRecent(0, 2, 3)]).toEqual([]);
  });

  test("does without sinks and without a window", () => {
    expect([...keepSinksAndRecent(6, 0, 2)]).toEqual([4, 5]);
    expect([...keepSinksAndRecent(6, 2, 0)]).toEqual([0, 1]);
  });

  test("rejects what is not a count and says what it got", () => {
    for (const bad of [-1, 0.5, Number.NaN, Infinity]) {
      expect(() => keepSinksAndRecent(bad, 1, 1)).toThrow(`length: expected an integer >= 0`);
      expect(() => keepSinksAndRecent(1, bad, 1)).toThrow(`sinks: expected an integer >= 0`);
      expect(() => keepSinksAndRecent(1, 1, bad)).toThrow(`got ${bad}`);
    }
  });
});

describe("sinksAndRecent", () => {
  test("makes room for what comes in", () => {
    const policy = sinksAndRecent({ sinks: 2, recent: 3, slack: 0 });
    expect([...policy(10, 0)!]).toEqual([0, 1, 7, 8, 9]);
    expect([...policy(10, 2)!]).toEqual([0, 1, 9]);
  });

  test("changes nothing while there is room", () => {
    const policy = sinksAndRecent({ sinks: 2, recent: 3, slack: 0 });
    expect(policy(0, 5)).toBeNull();
    expect(policy(4, 1)).toBeNull();
    expect([...policy(5, 1)!]).toEqual([0, 1, 3, 4]);
  });

  test("evicts ahead by its slack", () => {
    const policy = sinksAndRecent({ sinks: 1, recent: 8, slack: 3 });
    expect(policy(8, 1)).toBeNull();
    const kept = policy(9, 1)!;
    expect([...kept]).toEqual([0, 5, 6, 7, 8]);
    for (let length = kept.length; length + 1 <= 9; length++) expect(policy(length, 1)).toBeNull();
    expect(policy(9, 1)).not.toBeNull();
  });

  test("keeps the sinks before a block that is larger than the window", () => {
    const policy = sinksAndRecent({ sinks: 2, recent: 3, slack: 0 });
    expect([...policy(9, 7)!]).toEqual([0, 1]);
    expect(policy(2, 7)).toBeNull();
  });

  test("rejects options outside their intervals", () => {
    const isRange = expect.toSatisfy((error: unknown) => InferenceError.is(error, "range"));
    for (const options of [
      { sinks: -1, recent: 4 },
      { recent: 0 },
      { recent: 1.5 },
      { recent: 4, slack: -1 },
      { recent: 4, slack: 4 },
    ]) {
      expect(() => sinksAndRecent(options)).toThrow(isRange);
    }
  });
});

describe("sinksAndRecent, for any settings", () => {
  const settings = fc
    .record({ sinks: fc.nat(5), recent: fc.integer({ min: 1, max: 12 }) })
    .chain(({ sinks, recent }) =>
      fc.record({
        sinks: fc.constant(sinks),
        recent: fc.constant(recent),
        slack: fc.nat(recent - 1),
      }),
    );

  test("a text fed in blocks stays within bounds, and its ends survive", () => {
    fc.assert(
      fc.property(settings, fc.array(fc.integer({ min: 1, max: 6 })), (options, blocks) => {
        const { sinks, recent } = options;
        const policy = sinksAndRecent(options);
        let rows: number[] = [];
        let next = 0;
        for (const block of blocks) {
          const kept = policy(rows.length, block) ?? Uint32Array.from(rows.keys());
          expect([...kept]).toEqual([...new Set(kept)].sort((x, y) => x - y));
          rows = Array.from(kept, (slot) => rows[slot]!);
          for (let i = 0; i < block; i++) rows.push(next++);
          expect(rows.length).toBeLessThanOrEqual(sinks + Math.max(recent, block));
          expect(rows.slice(0, sinks)).toEqual(
            Array.from({ length: Math.min(sinks, next) }, (_, i) => i),
          );
          expect(rows.at(-1)).toBe(next - 1);
        }
      }),
    );
  });

  test("is a pure function", () => {
    fc.assert(
      fc.property(settings, fc.nat(40), fc.nat(9), (options, length, incoming) => {
        const policy = sinksAndRecent(options);
        const first = policy(length, incoming);
        policy(length + 3, 1);
        expect(policy(length, incoming)).toEqual(first);
      }),
    );
  });
});
