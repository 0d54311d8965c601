import { float16ToFloat32, InferenceError } from "@frugal/core";
import { seededRandom } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import type { CachePort } from "../../src/exported/decoder-signature.ts";
import type { ExportedCache } from "../../src/exported/exported-cache.ts";
import { float32ToFloat16 } from "../../src/exported/float16.ts";
import { GrowingCache } from "../../src/exported/growing-cache.ts";
import { SharedCache } from "../../src/exported/shared-cache.ts";
import type { Ort, Tensor } from "../../src/onnx/ort.ts";

const port = (side: "key" | "value", type: "float32" | "float16" = "float32"): CachePort => ({
  name: `past.0.${side}`,
  present: `present.0.${side}`,
  layer: 0,
  side,
  type,
  before: [1, 2],
  width: 4,
});

/** Tensors that hold what they were given. */
const ort = {
  Tensor: class {
    readonly type: string;
    readonly data: unknown;
    readonly dims: readonly number[];
    constructor(type: string, data: unknown, dims: readonly number[]) {
      this.type = type;
      this.data = data;
      this.dims = dims;
    }
  },
} as unknown as Ort;

/** Value `c` of row `r` in head `h` is `100 h + 10 r + c`, with the given sign for values. */
const number = (head: number, row: number, c: number): number => 100 * head + 10 * row + c;

/**
 * What a graph does in a step of `rows`: it writes them behind the past ones, into the tensors that it
 * was given or into new ones.
 */
function step(cache: ExportedCache, rows: number, mark = 0): ExportedCache {
  const roomy = cache.reserve(rows);
  const { length } = roomy;
  const feeds = roomy.feeds(ort);
  const outputs: Record<string, Tensor> = {};
  for (const [present, into] of Object.entries(roomy.fetches(ort))) {
    const past = feeds[present.replace("present", "past")]!;
    const [capacity, isHalf] = [past.dims[2]!, past.type === "float16"];
    const total = into === null ? length + rows : capacity;
    const wide = new Float32Array(2 * total * 4);
    const old = widen(past);
    for (let head = 0; head < 2; head++) {
      const before = old.subarray(head * capacity * 4, (head * capacity + length) * 4);
      wide.set(before, head * total * 4);
      for (let row = length; row < length + rows; row++) {
        for (let c = 0; c < 4; c++) {
          wide[(head * total + row) * 4 + c] = mark + number(head, row, c);
        }
      }
    }
    const data = isHalf ? new Uint16Array(wide.length) : wide;
    if (data instanceof Uint16Array) float32ToFloat16(wide, data);
    if (into !== null) (into.data as Float32Array).set(data);
    outputs[present] =
      into ?? new ort.Tensor(past.type as "float32", data as Float32Array, [1, 2, total, 4]);
  }
  const highs = Int32Array.from({ length: rows }, (_, i) => length + i);
  return roomy.append(outputs, { highs, lows: null, triples: null });
}

function widen({ data, type }: Tensor): Float32Array {
  if (type !== "float16") return data as Float32Array;
  const wide = new Float32Array((data as Uint16Array).length);
  float16ToFloat32(data as Uint16Array, wide);
  return wide;
}

/** The rows of every head, `[2, length, 4]`. */
function rowsOf(cache: ExportedCache, side: "key" | "value"): number[] {
  const tensor = cache.feeds(ort)[`past.0.${side}`]!;
  const data = widen(tensor);
  const capacity = tensor.dims[2]!;
  const rows = cache.length * 4;
  return [0, 1].flatMap((head) => [
    ...data.subarray(head * capacity * 4, head * capacity * 4 + rows),
  ]);
}

const expectedRows = (slots: readonly number[], mark = 0): number[] =>
  [0, 1].flatMap((head) =>
    slots.flatMap((row) => [0, 1, 2, 3].map((c) => mark + number(head, row, c))),
  );

const both = [port("key"), port("value")];
const caches: readonly (readonly [string, (ports?: readonly CachePort[]) => ExportedCache])[] = [
  ["GrowingCache", (ports = both) => GrowingCache.empty(ports)],
  ["SharedCache", (ports = both) => new SharedCache(ports)],
];

describe.each(caches)("%s", (_, empty) => {
  test("keeps any rows of every head, and where they were written", () => {
    const random = seededRandom(1);
    for (let trial = 0; trial < 30; trial++) {
      const cache = step(empty(), 1 + random.below(9));
      const slots = random.subset(cache.length, 0.6);
      const kept = cache.keep(slots, null);
      expect([...kept.positions]).toEqual([...slots]);
      for (const side of ["key", "value"] as const) {
        expect(rowsOf(kept, side)).toEqual(expectedRows([...slots]));
      }
    }
  });

  test("turns keys that move, and only keys, as if written at their new place", () => {
    const frequencies = Float64Array.of(1, 0.1);
    const kept = step(empty(), 4).keep(Uint32Array.of(0, 3), [frequencies]);
    expect([...kept.positions]).toEqual([0, 1]);
    const keys = rowsOf(kept, "key");
    expect(rowsOf(kept, "value")).toEqual(expectedRows([0, 3]));
    expect(keys.slice(0, 4)).toEqual([0, 1, 2, 3]);
    for (const [at, base] of [
      [4, 30],
      [12, 130],
    ] as const) {
      for (const [pair, frequency] of frequencies.entries()) {
        // From position 3 to 1: by -2.
        const [cos, sin] = [Math.cos(-2 * frequency), Math.sin(-2 * frequency)];
        const [a, b] = [base + pair, base + pair + 2];
        expect(keys[at + pair]).toBeCloseTo(a * cos - b * sin, 3);
        expect(keys[at + pair + 2]).toBeCloseTo(b * cos + a * sin, 3);
      }
    }
    // Rows that lie where they should already, but were written elsewhere, turn, too.
    const gap = step(empty(), 4).keep(Uint32Array.of(0, 3), null);
    expect([...gap.positions]).toEqual([0, 3]);
    const closed = gap.keep(Uint32Array.of(0, 1), [frequencies]);
    expect(rowsOf(closed, "key")).toEqual(keys);
  });

  test("forks share nothing that one of them writes", () => {
    const random = seededRandom(2);
    for (let trial = 0; trial < 40; trial++) {
      const pair = [step(empty(), 2 + random.below(300))];
      pair.push(pair[0]!.fork());
      const contents = (cache: ExportedCache) => [rowsOf(cache, "key"), [...cache.positions]];
      const before = contents(pair[0]!);
      const change = (cache: ExportedCache): ExportedCache => {
        const slots = random.subset(cache.length, 0.5);
        return [
          () => step(cache, 1 + random.below(3), 7),
          () => cache.keep(slots, [Float64Array.of(1, 0.1)]),
          () => cache.keep(slots, null),
          () => step(cache.truncate(1), 2, 9),
        ][random.below(4)]!();
      };
      const [changed, other] = [trial % 2, 1 - (trial % 2)];
      pair[changed] = change(pair[changed]!);
      expect(contents(pair[other]!)).toEqual(before);
    }
  });

  test("goes on after rows at the end were dropped", () => {
    let cache = step(step(empty(), 3), 2, 5);
    cache = step(cache.truncate(3), 1);
    expect(rowsOf(cache, "value")).toEqual(expectedRows([0, 1, 2, 3]));
    expect(step(cache.truncate(0), 1).length).toBe(1);
  });

  test("turns float16 keys with their bits", () => {
    const frequencies = [Float64Array.of(1, 0.1)];
    const slots = Uint32Array.of(1, 4);
    const narrow = step(empty([port("key", "float16")]), 5).keep(slots, frequencies);
    const exact = rowsOf(step(empty([port("key")]), 5).keep(slots, frequencies), "key");
    for (const [i, value] of rowsOf(narrow, "key").entries()) {
      expect(Math.abs(value - exact[i]!)).toBeLessThan(0.1);
    }
  });

  test("refuses slots that are not there or not ascending", () => {
    for (const slots of [[3], [1, 1], [2, 0]]) {
      const keep = (): unknown => step(empty(), 3).keep(Uint32Array.from(slots), null);
      expect(keep).toThrow(InferenceError);
      expect(keep).toThrow(/ascending slots in \[0, 3\)/);
    }
  });
});

test("a shared cache has the same tensors until it is full, then twice the room", () => {
  const cache = new SharedCache(both);
  step(cache, 200);
  const { capacity } = cache;
  expect(capacity).toBe(256);
  const { "past.0.key": past } = cache.feeds(ort);
  step(cache, 56);
  expect(cache.feeds(ort)["past.0.key"]).toBe(past);
  expect(cache.fetches(ort)["present.0.key"]).toBe(past);
  step(cache, 1);
  expect(cache.capacity).toBe(512);
  step(cache, 2000);
  expect(cache.capacity).toBe(4096);
  expect(rowsOf(cache, "key").slice(0, 4)).toEqual([0, 1, 2, 3]);
});

describe("float32ToFloat16", () => {
  test("gives every half back, and rounds to the nearest, ties to even", () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const wide = new Float32Array(65_536);
    float16ToFloat32(all, wide);
    const back = new Uint16Array(65_536);
    float32ToFloat16(wide, back);
    const isNumber = (_: number, i: number): boolean => !Number.isNaN(wide[i]!);
    expect(back.filter(isNumber)).toEqual(all.filter(isNumber));

    const one = (value: number): number => {
      const out = new Uint16Array(1);
      float32ToFloat16(Float32Array.of(value), out);
      return out[0]!;
    };
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [wide[bits]!, wide[bits + 1]!];
      const middle = (low + high) / 2;
      expect(one(middle)).toBe(bits + (bits % 2));
      expect(one(middle - (high - low) / 8)).toBe(bits);
      expect(one(-middle - (high - low) / 8)).toBe(0x8000 + bits + 1);
    }
    expect([one(65_519), one(65_520), one(-1e30), one(Number.NaN)]).toEqual([
      0x7bff, 0x7c00, 0xfc00, 0x7e00,
    ]);
  });
});
