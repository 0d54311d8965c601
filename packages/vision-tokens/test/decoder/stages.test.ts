import { type LayerStage, type Matrix, philox, type StageView } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  chooseRaters,
  countByLayer,
  type DecoderDims,
  estimateCost,
  linearRetention,
  meanAttention,
  mergeBipartite,
  mergeRuns,
  pageRank,
  type PlannedStage,
  pruneAndRecycle,
  pruneByAttention,
  pruneByRank,
  pruneInSteps,
  pruneToBudget,
  ratioForBudget,
  recycleBudgets,
  reduceImages,
  withdrawImages,
} from "../../src/index.ts";

const llama7: DecoderDims = { layers: 32, width: 4096, kvWidth: 4096, hidden: 11008 };
const qwen7: DecoderDims = { layers: 28, width: 3584, kvWidth: 512, hidden: 18944 };
const encoder = { layers: 24, width: 1024, hidden: 4096, tokens: 577 };

function matrix(rows: readonly (readonly number[])[]): Matrix {
  return { data: Float32Array.from(rows.flat()), rows: rows.length, cols: rows[0]?.length ?? 0 };
}

function randomMatrix(seed: number, rows: number, cols: number): Matrix {
  const random = philox(seed);
  const data = Float32Array.from({ length: rows * cols }, (_, i) => random.uniform(i));
  return { data, rows, cols };
}

/** A view of `n` rows of images, in front of `t` rows of text. */
function viewOf(stage: LayerStage, n: number, t: number, seed: number, total = n): StageView {
  const { reads } = stage;
  const cols = reads?.keys === "all" ? n + t : n;
  const queries = reads?.queries === "last" ? 1 : reads?.queries === "text" ? t : n + t;
  const heads = reads?.kind === "logits" ? 3 : 1;
  return {
    states: randomMatrix(seed, n, 6),
    text: randomMatrix(seed + 1, t, 6),
    scores: reads && randomMatrix(seed + 2, heads * queries, cols),
    columns: Uint32Array.from({ length: n }, (_, i) => i),
    total,
  };
}

/** The part of a prompt's work that stages leave. */
function share(dims: DecoderDims, visual: number, text: number, stages: readonly PlannedStage[]) {
  const model = { encoder, decoder: dims };
  const whole = estimateCost(model, { tiles: 1, visual, text }).prefill;
  const seen = countByLayer(dims.layers, visual, stages);
  return estimateCost(model, { tiles: 1, visual: seen, text }).prefill / whole;
}

describe("every stage", () => {
  const all: readonly (readonly [string, readonly PlannedStage[]])[] = [
    ["pruneByAttention", pruneByAttention()],
    ["pruneByAttention of all rows", pruneByAttention({ queries: "all", drop: 0.8 })],
    ["pruneInSteps", pruneInSteps()],
    ["pruneToBudget", pruneToBudget({ layers: 28, merged: [0.5] })],
    ["pruneAndRecycle", pruneAndRecycle({ keep: [30, 20, 11], recycle: false })],
    ["pruneByRank", pruneByRank({ layers: 28 })],
    ["withdrawImages", withdrawImages(16)],
  ];

  test.each(all)(
    "keeps as many rows as planned, ascending, and fewer each time: %s",
    (_, stages) => {
      let n = 40;
      for (const stage of stages) {
        const before = stage.layer;
        const { keep, states } = stage.decide(viewOf(stage, n, 4, before, 40));
        expect(keep).toHaveLength(Math.min(n, stage.count(40)));
        expect([...keep]).toEqual([...new Set(keep)].sort((a, b) => a - b));
        expect(Math.max(-1, ...keep)).toBeLessThan(n);
        expect(states).toBeUndefined();
        n = keep.length;
      }
    },
  );

  test.each(all)("says the same twice: %s", (_, stages) => {
    for (const stage of stages) {
      const view = viewOf(stage, 12, 3, 5);
      expect(stage.decide(view)).toEqual(stage.decide(view));
    }
  });
});

describe("pruneByAttention", () => {
  test("reproduces the example: positions 1 and 4", () => {
    const heads = matrix([
      [0.1, 0.2, 0.05, 0.05, 0.3, 0.3],
      [0.2, 0.1, 0.1, 0.2, 0.2, 0.2],
    ]);
    const scores = meanAttention(heads, Uint32Array.of(1, 2, 3, 4));
    for (const [i, score] of [0.15, 0.075, 0.125, 0.25].entries()) {
      expect(scores[i]).toBeCloseTo(score, 6);
    }
    const [stage] = pruneByAttention();
    const view = { ...viewOf(stage!, 4, 1, 1), scores: { data: scores, rows: 1, cols: 4 } };
    expect([...stage!.decide(view).keep]).toEqual([0, 3]);
    expect([stage!.layer, stage!.reads]).toEqual([
      2,
      { kind: "attention", queries: "last", keys: "images" },
    ]);
  });

  test("truncates what it drops, and ties go to the lower index", () => {
    const [stage] = pruneByAttention({ drop: 0.5 });
    expect([0, 1, 2, 5, 576].map((n) => stage!.count(n))).toEqual([0, 1, 1, 3, 288]);
    const scores = matrix([[1, 2, 2, 2, 1]]);
    const { keep } = stage!.decide({ ...viewOf(stage!, 5, 1, 1), scores });
    expect([...keep]).toEqual([1, 2, 3]);
    const even = matrix([[1, 1, 1, 1, 1]]);
    expect([...stage!.decide({ ...viewOf(stage!, 5, 1, 1), scores: even }).keep]).toEqual([
      0, 1, 2,
    ]);
  });

  test("a drop of 0 keeps all of them", () => {
    const [stage] = pruneByAttention({ drop: 0 });
    expect(stage!.decide(viewOf(stage!, 7, 2, 3)).keep).toHaveLength(7);
  });
});

describe("work and counts of the published schedules", () => {
  test.each([
    ["FastV, half after 2", pruneByAttention(), 0.572],
    ["FastV, a quarter after 2", pruneByAttention({ drop: 0.75 }), 0.362],
    ["FastV, half after 3", pruneByAttention({ layer: 3 }), 0.587],
    ["FastV, half after 5", pruneByAttention({ layer: 5 }), 0.615],
    ["FastV, a tenth after 2", pruneByAttention({ drop: 0.9 }), 0.238],
    ["PyramidDrop", pruneInSteps(), 0.518],
    ["SparseVLM", pruneAndRecycle(), 0.389],
    ["VTW", withdrawImages(16), 0.549],
  ] as const)("%s", (_, stages, expected) => {
    expect(share(llama7, 576, 64, stages)).toBeCloseTo(expected, 3);
  });

  const meanOf = (layers: number, stages: readonly PlannedStage[], visual = 576) =>
    countByLayer(layers, visual, stages).reduce((sum, count) => sum + count, 0) / layers;

  test("PyramidDrop sees 270 of 576 rows, SparseVLM as many as its budgets say", () => {
    expect(meanOf(32, pruneInSteps())).toBe(270);
    const means = ([192, 128, 64] as const).map((budget) =>
      Number(meanOf(32, pruneAndRecycle({ keep: recycleBudgets[budget] })).toFixed(1)),
    );
    expect(means).toEqual([188.2, 123.9, 61.7]);
  });

  test("AIM: 1668 tokens down to 100, and 14.83 % of the work of 6372", () => {
    const stages = pruneByRank({ layers: 28 });
    const tokens = countByLayer(28, 1568, stages).map((count) => count + 100);
    expect(tokens).toEqual([
      ...Array<number>(14).fill(1668),
      1472,
      1276,
      1080,
      884,
      688,
      492,
      296,
      ...Array<number>(7).fill(100),
    ]);
    expect(meanOf(28, stages, 1568) / 1568).toBe(0.625);
    const model = { encoder, decoder: qwen7 };
    const visual = tokens.map((count) => count - 100);
    const merged = estimateCost(model, { tiles: 0, visual, text: 100 });
    const whole = estimateCost(model, { tiles: 0, visual: 6272, text: 100 });
    expect(Number((100 * (merged.prefill / whole.prefill)).toFixed(2))).toBe(14.83);
  });
});

describe("ratioForBudget", () => {
  test.each([
    [[], 0.7],
    [[0.5], 0.414815],
    [[0.5, 0.2], 0.278846],
  ] as const)("reproduces the example: merged %o", (merged, expected) => {
    expect(ratioForBudget(28, 0.3, merged)).toBeCloseTo(expected, 6);
  });

  test("spends the budget, or says that it is spent", () => {
    const merged = [0.3, 0.4, 0.1];
    const ratio = ratioForBudget(20, 0.3, merged);
    let left = 1;
    let seen = 0;
    for (const part of merged) seen += left *= 1 - part;
    expect((seen + 17 * left * (1 - ratio)) / 20).toBeCloseTo(0.3, 12);
    expect(ratioForBudget(20, 1, [])).toBe(0);
    expect(ratioForBudget(4, 0.2, [0, 0])).toBe(1);
    expect(() => pruneToBudget({ layers: 4, cost: 0.2, merged: [0, 0] })).toThrow("cost: expected");
  });
});

describe("pageRank", () => {
  const logits = matrix([
    [0, -1e30, -1e30, -1e30],
    [0.1, 0.3, -1e30, -1e30],
    [0, 0.2, 0.1, -1e30],
    [0.2, 0, 0.3, 0.1],
  ]);

  test.each([
    [1, [0.361529, 0.394524, 0.222161, 0.021786]],
    [5, [0.611097, 0.38779, 0.001111, 0.000001]],
  ] as const)("reproduces the example after %i steps", (steps, expected) => {
    for (const [i, value] of pageRank(logits, 1, { steps }).entries()) {
      expect(value).toBeCloseTo(expected[i]!, 6);
    }
  });

  test("mass stays one, of one head, whatever the options; none moves in no steps", () => {
    for (const options of [{}, { damping: 0.15 }, { temperature: 1 }, { steps: 9, damping: 1 }]) {
      const sum = pageRank(logits, 1, options).reduce((total, value) => total + value, 0);
      expect(sum).toBeCloseTo(1, 5);
    }
    expect([...pageRank(logits, 1, { steps: 0 })]).toEqual([0.25, 0.25, 0.25, 0.25]);
  });

  test("is the root of the mean square of its heads", () => {
    const other = matrix(
      Array.from({ length: 4 }, (_, row) => [0, 1, 2, 3].map((col) => (col <= row ? col : -1e30))),
    );
    const both = { data: Float32Array.of(...logits.data, ...other.data), rows: 8, cols: 4 };
    const [a, b] = [pageRank(logits, 1), pageRank(other, 1)];
    for (const [i, value] of pageRank(both, 2).entries()) {
      expect(value).toBeCloseTo(Math.sqrt((a[i]! ** 2 + b[i]! ** 2) / 2), 6);
    }
  });

  test("lets kept sets of rows nest, rows of text aside, to none at a rate of 0", () => {
    expect(Array.from(linearRetention(28).slice(13, 23))).toEqual([
      1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0,
    ]);
    const stages = pruneByRank({ layers: 8, start: 2, slope: 0.5 });
    expect(stages.map(({ layer, reads }) => [layer, reads?.kind ?? null])).toEqual([
      [2, "logits"],
      [3, null],
    ]);
    expect(stages[1]!.decide(viewOf(stages[1]!, 4, 2, 1)).keep).toHaveLength(0);
  });
});

describe("pruneAndRecycle", () => {
  test("raters are what the images are drawn to more than to the mean row of text", () => {
    const images = matrix([
      [4, 0],
      [3, 1],
    ]);
    const text = matrix([
      [1, 0],
      [0, 1],
      [-1, 0],
      [1, 0.1],
    ]);
    expect([...chooseRaters(text, images)]).toEqual([0, 3]);
    expect([
      ...chooseRaters(
        matrix([
          [1, 1],
          [1, 1],
        ]),
        images,
      ),
    ]).toEqual([0, 1]);
  });

  test("only raters decide, and some of the rest goes on in means of clusters", () => {
    const [stage] = pruneAndRecycle({ layers: [1], keep: [2] });
    const n = 24;
    const states = matrix(
      Array.from({ length: n }, (_, i) => [i < 12 ? 5 : 9, i < 12 ? 1 : 20, i / 100]),
    );
    const text = matrix([
      [1, 1, 0],
      [-9, -9, 0],
    ]);
    const rated = Array.from({ length: n }, (_, i) => (i === 3 || i === 20 ? 1 : 0.5 - i / 100));
    const ignored = Array.from({ length: n }, (_, i) => (i === 7 ? 9 : 0));
    const view = {
      states,
      text,
      scores: matrix([rated, ignored]),
      columns: Uint32Array.from({ length: n }, (_, i) => i),
      total: n,
    };
    const { keep, states: out } = stage!.decide(view);
    // 22 end, trunc(6.6) + 1 = 7 of them are recycled, in 0 + 1 cluster: rows 0, 1, 2, 4, 5, 6, 7.
    expect(keep).toHaveLength(3);
    const kept = [...keep].filter((row) => row !== 3 && row !== 20);
    expect([0, 1, 2, 4, 5, 6, 7]).toContain(kept[0]);
    const at = keep.indexOf(kept[0]!);
    const mean = (0 + 1 + 2 + 4 + 5 + 6 + 7) / 700;
    const row = out!.data.subarray(at * 3, at * 3 + 3);
    for (const [i, value] of [5, 1, mean].entries()) expect(row[i]).toBeCloseTo(value, 6);
    const own = keep.indexOf(20);
    expect([...out!.data.subarray(own * 3, own * 3 + 3)]).toEqual([
      ...states.data.subarray(60, 63),
    ]);
  });

  test("a budget of everything changes nothing", () => {
    const [stage] = pruneAndRecycle({ layers: [1], keep: [99] });
    const { keep, states } = stage!.decide(viewOf(stage!, 7, 3, 2));
    expect([...keep]).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(states).toBeUndefined();
  });
});

describe("reduceImages", () => {
  test("merges the states that enter its layer: frames that stand still become one", () => {
    const frame = [
      [1, 0],
      [0, 1],
      [2, 2],
    ];
    const moved = [
      [1, 0],
      [1, 0],
      [4, 4],
    ];
    const states = matrix([...frame, ...moved]);
    const stage = reduceImages(3, (rows) => mergeRuns(rows, 0.9, 3));
    const decision = stage.decide({ ...viewOf(stage, 6, 1, 1), states });
    expect([...decision.keep]).toEqual([0, 1, 2, 4]);
    expect([...decision.states!.data]).toEqual([1, 0, 0, 1, 3, 3, 1, 0]);
    expect([stage.layer, stage.reads]).toEqual([3, null]);
  });

  test("takes any method that makes a reduction, and one that merges nothing", () => {
    const stage = reduceImages(1, (rows) => mergeBipartite(rows, 2).reduction);
    const view = viewOf(stage, 8, 1, 4);
    expect(stage.decide(view).keep).toHaveLength(6);
    const idle = reduceImages(1, (rows) => mergeBipartite(rows, 0).reduction).decide(view);
    expect(idle.keep).toHaveLength(8);
    expect(idle.states!.data).toEqual(view.states.data);
  });
});

describe("stages refuse", () => {
  test.each([
    [() => pruneByAttention({ layer: 0 }), "layer: expected an integer >= 1, got 0"],
    [() => pruneByAttention({ drop: 1.1 }), "drop: expected a number in [0, 1], got 1.1"],
    [() => pruneInSteps({ layers: [2, 2], keep: [1, 1] }), "layers[1]: expected"],
    [() => pruneInSteps({ layers: [2] }), "keep.length: expected"],
    [() => pruneAndRecycle({ layers: [2, 6] }), "keep.length: expected"],
    [() => pruneByRank({ layers: 4, slope: -1 }), "slope: expected"],
    [() => withdrawImages(0), "layer: expected"],
    [() => reduceImages(0, () => mergeRuns(randomMatrix(1, 1, 1), 0)), "layer: expected"],
    [() => ratioForBudget(2, 0.5, [0.1, 0.1]), "merged.length: expected"],
    [() => pageRank(randomMatrix(1, 4, 4), 2), "logits: expected 32 entries, got 16"],
    [() => meanAttention(randomMatrix(1, 2, 3), Uint32Array.of(3)), "columns: expected"],
    [() => countByLayer(0, 1, []), "layers: expected"],
  ])("%#", (make, message) => {
    expect(make).toThrow(message);
  });
});
