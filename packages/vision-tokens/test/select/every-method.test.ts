import { type Matrix, philox } from "@frugal/core";
import { describe, expect, test } from "vitest";

import * as package_ from "../../src/index.ts";
import type { Reduction } from "../../src/index.ts";
import { imageLike, normalRows, sortedRows } from "./fixtures.ts";

const { methods, applyReduction, planSequence } = package_;

/** An image of 12 × 12 cells, or four frames of 36, with all that a method may ask for. */
interface Image {
  readonly features: Matrix;
  readonly keys: Matrix;
  readonly attention: Float32Array;
  readonly relevance: Float32Array;
}

interface Runner {
  /** Keeps about the part `ratio` of the rows; a method without a budget does what it does. */
  readonly run: (image: Image, ratio: number) => Reduction | Uint32Array;
  /** How many rows that must be, if a budget says so. */
  readonly planned?: (ratio: number) => number;
  /** Whether a ratio of 1 changes nothing. */
  readonly identity: boolean;
  /** Whether only what rows are counts, and not where they are. */
  readonly equivariant: boolean;
}

const n = 144;
const side = 12;
const perFrame = 36;
const grid = { rows: side, cols: side };
const text = normalRows(77, 6, 160);
const rounded = (ratio: number) => Math.round(n * ratio);

/** Each method of the registry that makes rows between encoder and decoder. */
const runners: Readonly<Record<string, Runner>> = {
  clusterDensityPeaks: {
    run: ({ features }, ratio) =>
      package_.mergeClusters(package_.clusterDensityPeaks(features, rounded(ratio))),
    planned: rounded,
    identity: true,
    equivariant: true,
  },
  averagePool: {
    run: (_, ratio) => package_.averagePool(grid, squareOf(ratio)),
    planned: (ratio) => squareOf(ratio).rows ** 2,
    identity: true,
    equivariant: false,
  },
  mergeBipartite: {
    run: ({ features }, ratio) => package_.mergeBipartite(features, n - rounded(ratio)).reduction,
    planned: (ratio) => Math.max(n / 2, rounded(ratio)),
    identity: true,
    equivariant: false,
  },
  selectByGate: {
    run: ({ attention }, ratio) => package_.selectByGate(gate(attention, rounded(ratio))),
    planned: rounded,
    identity: true,
    equivariant: true,
  },
  mergeIntoOutliers: {
    run: ({ attention, keys }) => package_.mergeIntoOutliers(attention, keys),
    identity: false,
    equivariant: true,
  },
  selectByDensity: {
    run: ({ attention, keys }, ratio) =>
      package_.selectByDensity(keys, attention, {
        similarity: 0.3,
        share: Math.min(1, 0.02 + ratio),
      }),
    identity: true,
    equivariant: true,
  },
  mergeRecoverable: {
    run: ({ attention, relevance, keys }) => package_.mergeRecoverable(attention, relevance, keys),
    identity: false,
    equivariant: true,
  },
  mergeWindows: {
    run: ({ features }, ratio) =>
      package_.mergeWindows(features, grid, { count: windowsAt(ratio) }),
    planned: (ratio) => n - 8 * windowsAt(ratio),
    identity: true,
    equivariant: false,
  },
  selectByFrameGroups: {
    run: ({ features }, ratio) => package_.selectByFrameGroups(features, perFrame, 1 - ratio),
    planned: (ratio) => perFrame + 3 * Math.trunc(perFrame * ratio),
    identity: true,
    equivariant: false,
  },
  selectFromRegions: {
    run: ({ features }, ratio) =>
      package_.selectFromRegions(package_.labelRegions(features, side, 12), 1 - ratio),
    identity: true,
    equivariant: false,
  },
  selectByAttention: {
    run: ({ attention }, ratio) => package_.selectByAttention(attention, rounded(ratio)),
    planned: rounded,
    identity: true,
    equivariant: true,
  },
  selectSalientAndDistinct: {
    run: ({ attention, features }, ratio) =>
      package_.selectSalientAndDistinct(attention, features, rounded(ratio)),
    planned: rounded,
    identity: true,
    equivariant: true,
  },
  mergeHalving: {
    run: ({ features }, ratio) => package_.mergeHalving(features, Math.round(Math.log2(1 / ratio))),
    planned: (ratio) => n / 2 ** Math.round(Math.log2(1 / ratio)),
    identity: true,
    equivariant: false,
  },
  mergeRest: {
    run: ({ attention, keys }, ratio) => {
      const contextual = ratio === 1 ? 0 : Math.trunc(rounded(ratio) / 4);
      return package_.mergeRest(attention, keys, {
        dominant: rounded(ratio) - contextual,
        contextual,
      });
    },
    planned: rounded,
    identity: true,
    equivariant: false,
  },
  selectByThumbnail: {
    // A thumbnail of 8 × 8, one tile of as many, and eight newlines: 136 rows.
    run: ({ attention }, ratio) =>
      package_.selectByThumbnail(attention.slice(0, 64), [attention.slice(64, 128)], {
        cols: 1,
        rows: 1,
        width: 336,
        height: 336,
        ratio,
      }),
    planned: (ratio) => 2 * Math.trunc(64 * ratio) + 8,
    identity: false,
    equivariant: false,
  },
  selectDissimilar: {
    run: ({ features }, ratio) => package_.selectDissimilar(features, text, 1 - ratio),
    planned: (ratio) => Math.min(n, 4 + 8 * Math.trunc((n * ratio) / 8)),
    identity: true,
    equivariant: false,
  },
  selectMaxMin: {
    run: ({ features }, ratio) => package_.selectMaxMin(features, rounded(ratio)).keep,
    planned: rounded,
    identity: true,
    equivariant: true,
  },
  selectDeterminant: {
    run: ({ features, relevance }, ratio) =>
      package_.selectDeterminant(features, relevance, rounded(ratio)).keep,
    planned: rounded,
    identity: true,
    equivariant: true,
  },
  mergeConnected: {
    run: ({ features }, ratio) => package_.mergeConnected(features, n, ratio === 1 ? 1 : 0.8),
    identity: true,
    equivariant: true,
  },
  selectChanged: {
    run: ({ features }, ratio) => package_.selectChanged(features, perFrame, 1 - ratio),
    planned: (ratio) => Math.max(perFrame, Math.trunc(n * ratio)),
    identity: true,
    equivariant: false,
  },
  mergeRuns: {
    run: ({ features }, ratio) =>
      package_.mergeRuns(features, ratio === 1 ? 1 : 2 * ratio - 1, perFrame),
    identity: true,
    equivariant: false,
  },
  mergeScenes: {
    run: ({ features }, ratio) =>
      package_.mergeScenes(features, perFrame, { spatial: ratio, minSimilarity: ratio }),
    identity: true,
    equivariant: false,
  },
  mergeAroundAnchors: {
    run: ({ features, attention }, ratio) =>
      package_.mergeAroundAnchors(features, perFrame, attention, { ratio, period: 1 }),
    identity: true,
    equivariant: false,
  },
  mergeStillAndSalient: {
    run: ({ features, attention }, ratio) =>
      package_.mergeStillAndSalient(features, perFrame, attention, { ratio, minSimilarity: 1 }),
    planned: rounded,
    identity: true,
    equivariant: false,
  },
  selectCovering: {
    run: ({ features }, ratio) => package_.selectCovering(features, rounded(ratio)).keep,
    planned: rounded,
    identity: true,
    equivariant: true,
  },
};

const ratios = [1, 0.5, 0.25, 0.0625];
const entries = methods.filter(({ stage, does }) => {
  return stage === "before-decoder" && does !== "budgets";
});

test("every method that makes rows before the decoder is tried, and no other", () => {
  const listed = entries.map((method) => method.function);
  expect(Object.keys(runners).sort()).toEqual([...listed].sort());
});

describe.each(entries)("$function", ({ function: name, rowSums, does }) => {
  const { run, planned } = runners[name]!;

  test("keeps rows in their order, as many as planned", () => {
    for (const ratio of ratios) {
      const keep = keptBy(run(imageOf(3), ratio));
      const sorted = [...new Set(keep)].sort((a, b) => a - b);
      expect([...keep]).toEqual(sorted);
      expect(keep.length).toBe(planned?.(ratio) ?? keep.length);
      expect(sorted.at(-1)!).toBeLessThan(n);
    }
  });

  test("has weights that are none below zero and sum to what is declared", () => {
    for (const ratio of ratios) {
      const result = run(imageOf(4), ratio);
      // A choice is a reduction whose weights are all 1.
      expect(result instanceof Uint32Array).toBe(does === "selects");
      const reduction = result instanceof Uint32Array ? asReduction(result) : result;
      expect(reduction.weights.every((weight) => weight >= 0)).toBe(true);
      expect(reduction.indices.every((row) => row < reduction.rows)).toBe(true);
      expect(rowSums).toBeDefined();
      expect(declared(reduction, rowSums!)).toEqual([]);
    }
  });

  test("gives the same for the same, and changes nothing that it is given", () => {
    const image = imageOf(5);
    const first = run(image, 0.25);
    expect(image).toEqual(imageOf(5));
    expect(run(copyOf(image), 0.25)).toEqual(first);
  });

  test("the same image twice in a prompt is twice as many tokens", () => {
    const rows = name === "selectByThumbnail" ? 136 : n;
    const keep = keptBy(run(imageOf(6), 0.25));
    const again = keptBy(run(copyOf(imageOf(6)), 0.25));
    const ids = Uint32Array.from([1, ...Array<number>(rows).fill(9), 2]);
    const twice = Uint32Array.from([...ids, ...ids]);
    const options = { placeholder: 9, positions: { kind: "linear" } } as const;
    const one = planSequence(ids, [{ rows, keep }], options);
    const two = planSequence(
      twice,
      [
        { rows, keep },
        { rows, keep: again },
      ],
      options,
    );
    expect([...two.source]).toEqual([...one.source, ...one.source.map((i) => ids.length + i)]);
  });
});

test.each(entries.filter(({ function: name }) => runners[name]?.identity))(
  "$function changes nothing if everything may stay",
  ({ function: name }) => {
    const { run } = runners[name]!;
    const { features } = imageOf(7);
    const result = run(imageOf(7), 1);
    const whole = result instanceof Uint32Array ? asReduction(result) : result;
    const { data, rows } = applyReduction(whole, features);
    expect(rows).toBe(n);
    expect(distance(data, features.data)).toBeLessThan(1e-5);
  },
);

test.each(entries.filter(({ function: name }) => runners[name]?.equivariant))(
  "$function sees what rows are and not where they are",
  ({ function: name }) => {
    const { run } = runners[name]!;
    const image = imageOf(8);
    const order = shuffled(n, 21);
    const moved = permuted(image, order);
    // Few rows: of two that represent nothing but each other, either may be chosen.
    for (const ratio of [0.125, 0.0625]) {
      const rows = rowsOf(run(image, ratio), image.features).flat();
      const others = rowsOf(run(moved, ratio), moved.features).flat();
      expect(others.length).toBe(rows.length);
      expect(distance(others, rows)).toBeLessThan(1e-4);
    }
  },
);

function imageOf(seed: number): Image {
  const skewed = normalRows(seed + 2, n, 1).data.map((x) => Math.exp(1.5 * x));
  const total = skewed.reduce((sum, x) => sum + x, 0);
  return {
    features: imageLike(seed, side, 160),
    keys: imageLike(seed + 1, side, 24),
    attention: skewed.map((x) => x / total),
    relevance: normalRows(seed + 3, n, 1).data.map((x) => 0.2 + 1 / (1 + Math.exp(-x))),
  };
}

function copyOf(image: Image): Image {
  return permuted(
    image,
    Uint32Array.from({ length: n }, (_, i) => i),
  );
}

function permuted({ features, keys, attention, relevance }: Image, order: Uint32Array): Image {
  const rows = ({ data, cols }: Matrix): Matrix => {
    const out = new Float32Array(data.length);
    for (const [i, row] of order.entries()) {
      out.set(data.subarray(row * cols, (row + 1) * cols), i * cols);
    }
    return { data: out, rows: order.length, cols };
  };
  return {
    features: rows(features),
    keys: rows(keys),
    attention: Float32Array.from(order, (row) => attention[row]!),
    relevance: Float32Array.from(order, (row) => relevance[row]!),
  };
}

function shuffled(count: number, seed: number): Uint32Array {
  const rng = philox(seed);
  const keys = Float64Array.from({ length: count }, (_, i) => rng.uniform(i));
  return Uint32Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]!);
}

function squareOf(ratio: number) {
  const cells = Math.round(side * Math.sqrt(ratio));
  return { rows: cells, cols: cells };
}

function windowsAt(ratio: number): number {
  return Math.round(16 * (1 - ratio));
}

/** Logits that prefer to keep the `count` most attended rows. */
function gate(attention: Float32Array, count: number): Matrix {
  const kept = new Set(package_.selectByAttention(attention, count));
  const data = Float32Array.from({ length: 2 * n }, (_, i) => {
    return kept.has(i >> 1) === (i % 2 === 0) ? -0.1 : -2.3;
  });
  return { data, rows: n, cols: 2 };
}

function keptBy(result: Reduction | Uint32Array): Uint32Array {
  return result instanceof Uint32Array ? result : result.keep;
}

function asReduction(keep: Uint32Array): Reduction {
  return {
    rows: n,
    starts: Uint32Array.from({ length: keep.length + 1 }, (_, i) => i),
    indices: keep,
    weights: new Float32Array(keep.length).fill(1),
    keep,
  };
}

function rowsOf(result: Reduction | Uint32Array, features: Matrix): number[][] {
  const reduction = result instanceof Uint32Array ? asReduction(result) : result;
  return sortedRows(applyReduction(reduction, features));
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
}

/** The rows whose weights are not as declared. */
function declared(
  { starts, indices, weights, keep }: Reduction,
  rowSums: "stochastic" | "sum" | "free",
): number[] {
  return [...keep.keys()].filter((row) => {
    const range = [starts[row], starts[row + 1]] as const;
    const own = weights.subarray(...range);
    const sum = own.reduce((total, weight) => total + weight, 0);
    if (rowSums === "stochastic") return Math.abs(sum - 1) > 1e-5;
    if (rowSums === "sum") return own[indices.subarray(...range).indexOf(keep[row]!)] !== 1;
    return false;
  });
}
