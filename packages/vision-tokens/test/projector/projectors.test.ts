import { type Matrix, philox } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  adaptiveNorm,
  applyReduction,
  averagePool,
  type Linear,
  matryoshkaLevels,
  matryoshkaPool,
  mixByPooling,
  projectPooled,
  TemporalAttention,
  timestampEmbedding,
  VisualCache,
} from "../../src/index.ts";
import { normalRows } from "../select/fixtures.ts";

const matrix = (rows: readonly (readonly number[])[]): Matrix => ({
  data: Float32Array.from(rows.flat()),
  rows: rows.length,
  cols: rows[0]!.length,
});
const linear = (rows: readonly (readonly number[])[]): Linear => ({
  weight: matrix(rows),
  bias: new Float32Array(rows.length),
});
const identity = linear([
  [1, 0],
  [0, 1],
]);
const rounded = ({ data }: Matrix): number[] => Array.from(data, (x) => Number(x.toFixed(6)));
const square = (side: number) => ({ rows: side, cols: side });
const column = (values: readonly number[]): Matrix => matrix(values.map((value) => [value]));

describe("matryoshkaPool", () => {
  const raster = column(Array.from({ length: 16 }, (_, i) => i));

  test("has the means of squares", () => {
    expect(rounded(applyReduction(matryoshkaPool(square(4), 4), raster))).toEqual([
      2.5, 4.5, 10.5, 12.5,
    ]);
    expect(rounded(applyReduction(matryoshkaPool(square(4), 1), raster))).toEqual([7.5]);
    expect(rounded(applyReduction(matryoshkaPool(square(4), 16), raster))).toEqual(rounded(raster));
  });

  test("nests, and keeps the mean", () => {
    const x = normalRows(3, 576, 5);
    for (const [first, second] of [
      [144, 36],
      [64, 16],
      [144, 9],
    ] as const) {
      const side = Math.sqrt(first);
      const once = applyReduction(matryoshkaPool(square(24), second), x);
      const half = applyReduction(matryoshkaPool(square(24), first), x);
      const twice = applyReduction(matryoshkaPool(square(side), second), half);
      for (const [i, value] of once.data.entries()) expect(twice.data[i]).toBeCloseTo(value, 5);
      for (let c = 0; c < 5; c++) expect(mean(once, c)).toBeCloseTo(mean(x, c), 5);
    }
  });

  test("leaves constants, and is pooling of squares at every level", () => {
    const x = normalRows(8, 576, 2);
    const constant = { ...x, data: new Float32Array(1152).fill(3) };
    for (const tokens of matryoshkaLevels(square(24))) {
      const pool = matryoshkaPool(square(24), tokens);
      for (const value of applyReduction(pool, constant).data) expect(value).toBeCloseTo(3, 5);
      const side = Math.sqrt(tokens);
      const k = 24 / side;
      const cell = tokens - 1;
      const [top, left] = [Math.floor(cell / side) * k, (cell % side) * k];
      let sum = 0;
      for (let i = 0; i < k * k; i++) {
        sum += x.data[2 * ((top + Math.floor(i / k)) * 24 + left + (i % k))]!;
      }
      expect(applyReduction(pool, x).data[2 * cell]).toBeCloseTo(sum / (k * k), 5);
    }
  });

  test("knows its levels, and refuses others", () => {
    expect(matryoshkaLevels(square(24))).toEqual([576, 144, 64, 36, 16, 9, 4, 1]);
    expect(matryoshkaLevels({ rows: 4, cols: 6 })).toEqual([24, 6]);
    expect(() => matryoshkaPool(square(24), 100)).toThrow(
      "tokens: expected one of 576, 144, 64, 36, 16, 9, 4, 1, got 100",
    );
  });
});

function mean({ data, rows, cols }: Matrix, col: number): number {
  let sum = 0;
  for (let row = 0; row < rows; row++) sum += data[row * cols + col]!;
  return sum / rows;
}

describe("projectPooled", () => {
  const params = {
    norm: null,
    normFirst: false,
    gate: identity,
    up: linear([
      [0, 1],
      [1, 0],
    ]),
    down: linear([
      [1, 1],
      [1, -1],
    ]),
  };

  test("is SwiGLU of the pooled rows", () => {
    const result = projectPooled(matrix([[1, 2]]), square(1), 1, params);
    expect(rounded(result)).toEqual([3.223711, -0.299477]);
    const x = matrix([
      [1, 0],
      [1, 4],
      [1, 1],
      [1, 3],
    ]);
    expect(rounded(projectPooled(x, square(2), 1, params))).toEqual([3.223711, -0.299477]);
  });

  test("pools by overlapping bins where the side does not divide, which do not nest", () => {
    const line = column([1, 2, 3, 4, 5]);
    const bins = averagePool({ rows: 1, cols: 5 }, { rows: 1, cols: 3 });
    expect(rounded(applyReduction(bins, line))).toEqual([1.5, 3, 4.5]);
    const ends = (to: number): string =>
      Array.from({ length: to }, (_, i) => {
        const pool = averagePool({ rows: 1, cols: 32 }, { rows: 1, cols: to });
        const part = pool.indices.subarray(pool.starts[i], pool.starts[i + 1]);
        return `${part[0]}-${part.at(-1)! + 1}`;
      }).join(" ");
    expect(ends(12)).toBe("0-3 2-6 5-8 8-11 10-14 13-16 16-19 18-22 21-24 24-27 26-30 29-32");
    const x = normalRows(5, 32 * 32, 1);
    const pool = (y: Matrix, from: number, to: number): Matrix =>
      applyReduction(averagePool(square(from), square(to)), y);
    const direct = pool(x, 32, 8).data;
    pool(pool(x, 32, 16), 16, 8).data.forEach((value, i) =>
      expect(value).toBeCloseTo(direct[i]!, 5),
    );
    const sixth = pool(x, 32, 6).data;
    const through = pool(pool(x, 32, 12), 12, 6).data;
    expect(through.some((value, i) => Math.abs(value - sixth[i]!) > 1e-3)).toBe(true);
  });

  test("tells the two orders of norm and pooling apart", () => {
    const norm = { weight: Float32Array.of(1, 1), bias: Float32Array.of(0, 0) };
    const x = matrix([
      [0, 1],
      [9, 1],
      [0, 2],
      [1, 0],
    ]);
    const first = projectPooled(x, square(2), 1, { ...params, norm, normFirst: true });
    const after = projectPooled(x, square(2), 1, { ...params, norm });
    expect(rounded(first)).not.toEqual(rounded(after));
  });

  test("refuses weights that do not fit", () => {
    expect(() => projectPooled(matrix([[1, 2, 3]]), square(1), 1, params)).toThrow(
      "gate.weight: expected 6 entries, got 4",
    );
  });
});

describe("TemporalAttention", () => {
  test("attends to frames up to the present", () => {
    const attention = new TemporalAttention({ positions: 1, width: 2, heads: 1 });
    const out = [
      [1, 0],
      [0, 1],
      [1, 1],
    ].map((row) => {
      const x = matrix([row]);
      return rounded(attention.step(x, x, x));
    });
    expect(out).toEqual([
      [1, 0],
      [0.330238, 0.669762],
      [0.751745, 0.751745],
    ]);
    expect(attention.frames).toBe(3);
  });

  /** All frames at once by the definition. */
  function batch(frames: Matrix[], heads: number, window = Infinity): number[][] {
    return frames.map((query, t) => {
      const seen = frames.slice(Math.max(0, t + 1 - window), t + 1);
      const width = query.cols / heads;
      return Array.from(query.data, (_, at) => {
        const first = at - (at % width);
        const logits = seen.map((key) => {
          let sum = 0;
          for (let c = first; c < first + width; c++) sum += query.data[c]! * key.data[c]!;
          return sum / Math.sqrt(width);
        });
        const top = Math.max(...logits);
        const shares = logits.map((logit) => Math.exp(logit - top));
        const total = shares.reduce((a, b) => a + b);
        return shares.reduce((sum, share, i) => sum + (share / total) * seen[i]!.data[at]!, 0);
      });
    });
  }

  test.for([
    [1, undefined],
    [3, undefined],
    [2, 3],
  ] as const)("frame by frame is all at once, %i heads, window %s", ([heads, window]) => {
    const frames = Array.from({ length: 7 }, (_, t) => normalRows(t, 5, 6));
    const options = { positions: 5, width: 6, heads };
    const attention = new TemporalAttention({ ...options, ...(window && { window }) });
    const expected = batch(frames, heads, window);
    for (const [t, frame] of frames.entries()) {
      const { data } = attention.step(frame, frame, frame);
      for (const [i, value] of data.entries()) expect(value).toBeCloseTo(expected[t]![i]!, 5);
    }
    expect(attention.frames).toBe(window ?? 7);
  });

  test("of a repeated picture is the picture", () => {
    const attention = new TemporalAttention({ positions: 4, width: 6, heads: 2 });
    const x = normalRows(1, 4, 6);
    for (let t = 0; t < 4; t++) {
      const { data } = attention.step(x, x, x);
      for (const [i, value] of data.entries()) expect(value).toBeCloseTo(x.data[i]!, 5);
    }
  });

  test("refuses another frame size", () => {
    const attention = new TemporalAttention({ positions: 2, width: 2, heads: 1 });
    const [fits, other] = [normalRows(1, 2, 2), normalRows(1, 1, 2)];
    expect(() => attention.step(fits, other, fits)).toThrow("key: expected 2 x 2, got 1 x 2");
    expect(attention.frames).toBe(0);
    expect(() => new TemporalAttention({ positions: 1, width: 5, heads: 2 })).toThrow(
      "width / heads",
    );
  });
});

describe("adaptiveNorm", () => {
  test("without scale and shift is a layer norm, and moves by them", () => {
    const x = matrix([[1, 2, 3, 6]]);
    const zeros = new Float32Array(4);
    const plain = adaptiveNorm(x, zeros, zeros).data;
    const deviation = Math.sqrt(3.5);
    plain.forEach((value, i) => expect(value).toBeCloseTo((x.data[i]! - 3) / deviation, 5));
    const moved = adaptiveNorm(x, Float32Array.of(1, 0, -1, 0), Float32Array.of(0, 5, 7, 0)).data;
    expect(moved[0]).toBeCloseTo(2 * plain[0]!, 5);
    expect(moved[1]).toBeCloseTo(plain[1]! + 5, 5);
    expect(moved[2]).toBeCloseTo(7, 5);
  });

  test("gets a timestamp as waves", () => {
    const waves = timestampEmbedding(2, 4);
    expect(Array.from(waves, (x) => Number(x.toFixed(6)))).toEqual([
      Number(Math.cos(2).toFixed(6)),
      Number(Math.cos(0.02).toFixed(6)),
      Number(Math.sin(2).toFixed(6)),
      Number(Math.sin(0.02).toFixed(6)),
    ]);
    expect(timestampEmbedding(0.5)).toHaveLength(256);
    expect(() => timestampEmbedding(1, 3)).toThrow("size / 2");
  });
});

describe("VisualCache", () => {
  const visual = matrix([
    [1, 0],
    [0, 1],
    [1, 1],
    [2, 0],
  ]);
  const rows = matrix([
    [1, 0],
    [0, 1],
  ]);

  test("adds what rows find among the visual ones", () => {
    const cache = new VisualCache(visual, identity, identity);
    expect(rounded(cache.attend(rows, { query: identity, gate: 0.5 }))).toEqual([
      1.669762, 0.165119, 0.415119, 1.334881,
    ]);
    expect(cache.bytes).toBe(2 * 4 * 2 * 4);
  });

  test("with a closed gate changes no bit", () => {
    const cache = new VisualCache(visual, identity, identity, 2);
    const x = normalRows(2, 3, 2);
    expect(cache.attend(x, { query: identity, gate: 0 }).data).toEqual(x.data);
  });

  test("does not depend on the order of visual rows", () => {
    const random = philox(4);
    const x = normalRows(9, 12, 8);
    const order = Array.from({ length: 12 }, (_, i) => i).sort(
      (a, b) => random.uniform(a) - random.uniform(b),
    );
    const permuted = {
      ...x,
      data: Float32Array.from(order.flatMap((i) => [...x.data.subarray(8 * i, 8 * i + 8)])),
    };
    const weights = (seed: number): Linear => ({
      weight: normalRows(seed, 8, 8),
      bias: normalRows(seed + 1, 1, 8).data,
    });
    const params = { query: weights(20), gate: 0.7 };
    const [key, value] = [weights(30), weights(40)];
    const text = normalRows(50, 5, 8);
    const one = new VisualCache(x, key, value, 2).attend(text, params).data;
    const other = new VisualCache(permuted, key, value, 2).attend(text, params).data;
    one.forEach((entry, i) => expect(other[i]).toBeCloseTo(entry, 4));
  });

  test("refuses no rows, and widths that differ", () => {
    const none = { data: new Float32Array(), rows: 0, cols: 2 };
    expect(() => new VisualCache(none, identity, identity)).toThrow(
      "visual rows: expected an integer >= 1, got 0",
    );
    const narrow = linear([[1, 0]]);
    expect(() => new VisualCache(visual, identity, narrow)).toThrow(
      "expected one width, got 2 and 1",
    );
    const cache = new VisualCache(visual, identity, identity);
    expect(() => cache.attend(rows, { query: narrow, gate: 1 })).toThrow(
      "query: expected 2 outputs for rows of 2, got 1 outputs for rows of 2",
    );
  });
});

describe("mixByPooling", () => {
  const projections = {
    query: matrix([
      [1, 0],
      [0, 1],
      [1, 1],
      [0, 0],
    ]),
    key: matrix([
      [1, 0],
      [0, 1],
      [0, 0],
      [1, 1],
    ]),
    segment: matrix([
      [0, 1],
      [2, 0],
      [1, 1],
      [3, -1],
    ]),
    local: matrix([
      [0, 0],
      [1, 2],
      [2, 1],
      [0, 3],
    ]),
    output: matrix([
      [1, 1],
      [1, 0],
      [0, 1],
      [2, 2],
    ]),
  };

  test("mixes as specified", () => {
    expect(rounded(mixByPooling(projections, { segments: 2 }))).toEqual([
      3.587479, 3.587479, 4.587479, 2, 2, 4.587479, 9.174958, 2.174958,
    ]);
  });

  test("heads are mixed apart", () => {
    const twice = Object.fromEntries(
      Object.entries(projections).map(([name, x]) => {
        const rows = Array.from({ length: 4 }, (_, i) => [...x.data.subarray(2 * i, 2 * i + 2)]);
        return [name, matrix(rows.map((row) => [...row, ...row]))];
      }),
    ) as typeof projections;
    const one = rounded(mixByPooling(projections, { segments: 2 }));
    const two = rounded(mixByPooling(twice, { segments: 2, heads: 2 }));
    for (let row = 0; row < 4; row++) {
      expect(two.slice(4 * row, 4 * row + 2)).toEqual(one.slice(2 * row, 2 * row + 2));
      expect(two.slice(4 * row + 2, 4 * row + 4)).toEqual(one.slice(2 * row, 2 * row + 2));
    }
  });

  test("padding changes no row that counts", () => {
    const random = (seed: number, n: number): Matrix => normalRows(seed, n, 4);
    const names = ["query", "key", "segment", "local", "output"] as const;
    const of = (tail: number): typeof projections =>
      Object.fromEntries(
        names.map((name, i) => {
          const own = random(i, 10);
          // The last three rows are padding, whatever is in them.
          own.data.set(random(tail + i, 3).data, 7 * 4);
          return [name, own];
        }),
      ) as typeof projections;
    const valid = Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 0, 0, 0);
    const one = mixByPooling(of(100), { segments: 4, valid }).data.subarray(0, 28);
    expect(mixByPooling(of(200), { segments: 4, valid }).data.subarray(0, 28)).toEqual(one);
  });

  test("segments are those that weights were trained with", () => {
    const length = 8;
    const peak = matrix(Array.from({ length }, (_, i) => [i]));
    const zeros = matrix(Array.from({ length }, () => [0]));
    const ones = matrix(Array.from({ length }, () => [1]));
    const result = mixByPooling(
      { query: zeros, key: zeros, segment: peak, local: zeros, output: ones },
      { segments: 4 },
    );
    expect([...result.data]).toEqual([2, 2, 2, 5, 5, 5, 7, 7]);
  });

  test("a length that segments do not divide leaves the rest to the last", () => {
    const rows = (value: (i: number) => number) =>
      matrix(Array.from({ length: 10 }, (_, i) => [value(i)]));
    const zeros = rows(() => 0);
    const one = rows(() => 1);
    const peak = rows((i) => i);
    const parts = { query: zeros, key: zeros, segment: peak, local: zeros, output: one };
    const result = mixByPooling(parts, { segments: 4 });
    expect([...result.data]).toEqual([2, 2, 2, 5, 5, 5, 8, 8, 8, 9]);
  });

  test("refuses what does not fit", () => {
    const { query } = projections;
    expect(() =>
      mixByPooling(
        { ...projections, local: { ...query, data: query.data.subarray(2), rows: 3 } },
        { segments: 2 },
      ),
    ).toThrow("local: expected 4 x 2, got 3 x 2");
    expect(() => mixByPooling(projections, { segments: 2, valid: new Uint8Array(4) })).toThrow(
      "valid rows: expected an integer >= 1, got 0",
    );
  });
});
