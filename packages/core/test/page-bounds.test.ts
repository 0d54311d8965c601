import fc from "fast-check";
import { expect, test } from "vitest";

import { PageBounds, philox } from "../src/index.ts";

test("bounds grown step by step, cut and grown again, equal those of the keys", () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(fc.nat(24), { maxLength: 8 }), (seed, lengths) => {
      const random = philox(seed);
      const [capacity, length] = [27, 24];
      const keys = Float32Array.from({ length: 2 * capacity * 3 }, (_, i) => random.uniform(i));
      const bounds = new PageBounds(2, 3, 4);
      for (const part of lengths) {
        bounds.truncate(part);
        bounds.extend({ keys, capacity, length: part });
      }
      bounds.extend({ keys, capacity, length });
      expect(bounds.pages).toBe(6);
      const copy = bounds.clone();
      for (let i = 0; i < 2 * 6 * 3; i++) {
        const [kvHead, page, c] = [Math.floor(i / 18), Math.floor(i / 3) % 6, i % 3];
        const values = [0, 1, 2, 3].map((r) => keys[(kvHead * capacity + page * 4 + r) * 3 + c]!);
        const at = (kvHead * bounds.capacity + page) * 3 + c;
        expect(bounds.minima[at]).toBe(Math.min(...values));
        expect(copy.maxima[at]).toBe(Math.max(...values));
      }
    }),
    { numRuns: 40 },
  );
});
