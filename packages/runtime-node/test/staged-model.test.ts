import { readFile } from "node:fs/promises";

import type { ImageRows, LanguageModel, LayerStage, Sequence } from "@frugal/core";
import { createStagedModel, generate, promptLookup, stagedRanges } from "@frugal/decoding";
import {
  type AttentionHook,
  createReferenceTransformer,
  expectClose,
  loadReferenceWeights,
  seededRandom,
  testLanguageModel,
  tinyConfig,
} from "@frugal/testkit";
import {
  chooseWithdrawal,
  meanDivergence,
  mergeBipartite,
  pruneAndRecycle,
  pruneByAttention,
  pruneByRank,
  pruneInSteps,
  reduceImages,
  withdrawImages,
} from "@frugal/vision-tokens";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";
import { goldenTexts, tinyFolder } from "./tiny-models.ts";

const folder = tinyFolder("frugal-tiny");
const options = { inline: true, chunk: 32 } as const;
const text = goldenTexts().flatMap((ids) => [...ids]);
/** A text whose middle plays the part of an image. */
const tokens = Uint32Array.from({ length: 80 }, (_, i) => text[i % text.length]!);
const image: ImageRows = { from: 8, to: 60 };

const open: LanguageModel[] = [];
afterAll(async () => {
  for (const model of open) await model.dispose();
});

async function load(stages: readonly LayerStage[]): Promise<LanguageModel> {
  const ranges = stagedRanges(8, stages).map((range) =>
    loadModel(folder, { ...options, ...range }),
  );
  const model = createStagedModel(await Promise.all(ranges), stages);
  open.push(model);
  return model;
}

/** Notes, by layer, which rows of the image go on. */
function noting(stages: readonly LayerStage[]) {
  const seen = new Map<number, Set<number>>();
  let left = Array.from({ length: image.to - image.from }, (_, i) => i + image.from);
  const noted = stages.map((stage): LayerStage => ({
    ...stage,
    decide(view) {
      const decision = stage.decide(view);
      left = Array.from(decision.keep, (index) => left[index]!);
      seen.set(stage.layer, new Set(left));
      return decision;
    },
  }));
  return { stages: noted, seen };
}

async function continued(sequence: Sequence, start: number, count: number, drafts = false) {
  const ids: number[] = [];
  const drafting = drafts ? { drafter: promptLookup() } : {};
  for await (const event of generate(sequence, Uint32Array.of(start), {
    maxTokens: count,
    stopIds: [],
    ...drafting,
  })) {
    if (event.type === "token-accepted") ids.push(event.token);
  }
  return ids;
}

const random = await writeRandomModel({ ...tinyConfig, layers: 3, heads: 6, kvHeads: 2 });
afterAll(random.remove);
const absolute = (model: LanguageModel): LanguageModel => ({
  ...model,
  createSequence: () => model.createSequence({ positions: "absolute" }),
});

testLanguageModel(
  "a staged model of built graphs, without images",
  async () => {
    const stages = [...pruneByAttention({ layer: 1 }), ...withdrawImages(2)];
    const ranges = stagedRanges(3, stages).map((range) =>
      loadModel(random.folder, { inline: true, chunk: 16, ...range }),
    );
    return absolute(createStagedModel(await Promise.all(ranges), stages));
  },
  { reference: async () => absolute(await random.reference()), positions: ["absolute"], trees: 10 },
);

describe("a staged model of built graphs", { timeout: 120_000 }, () => {
  test.for([
    ["pruneByAttention", pruneByAttention({ layer: 2, drop: 0.5 })],
    ["pruneByAttention of all rows", pruneByAttention({ layer: 1, drop: 0.9, queries: "all" })],
    ["pruneInSteps", pruneInSteps({ layers: [2, 4, 6], keep: [0.5, 0.25, 0.125] })],
    [
      "pruneAndRecycle, without",
      pruneAndRecycle({ layers: [1, 3], keep: [30, 9], recycle: false }),
    ],
    ["pruneByRank", pruneByRank({ layers: 8, start: 4, slope: 0.3 })],
    ["withdrawImages", withdrawImages(4)],
  ] as const)("is the model that is masked: %s", async ([, plan]) => {
    const { stages, seen } = noting(plan);
    const model = await load(stages);
    const sequence = await model.createSequence();
    const head = { tokens: tokens.subarray(0, 60), images: [image] };
    await sequence.step(head, { logits: "none" });
    const rest = { tokens: tokens.subarray(60) };
    const { logits } = await sequence.step(rest, { logits: "last" });
    expect([...seen.keys()]).toEqual(plan.map(({ layer }) => layer));

    const visible = (layer: number): Set<number> | null => {
      const before = plan.findLast((stage) => stage.layer <= layer);
      return before === undefined ? null : seen.get(before.layer)!;
    };
    const hook = (): AttentionHook => ({
      select({ layer, length }) {
        const kept = visible(layer);
        const slots = Uint32Array.from({ length }, (_, slot) => slot);
        if (kept === null) return slots;
        return slots.filter((slot) => slot < image.from || slot >= image.to || kept.has(slot));
      },
      keep: () => {},
      fork: hook,
    });
    const weights = await referenceWeights();
    const oracle = createReferenceTransformer(weights, { chunkRows: 1, attention: hook });
    const masked = await oracle.createSequence();
    const expected = await masked.step({ tokens }, { logits: "last" });
    expectClose(logits!, expected.logits!, 1e-4);
    const fork = await sequence.fork();
    const start = 17;
    const generated = await continued(sequence, start, 52);
    expect(generated).toEqual(await continued(masked, start, 52));
    expect(await continued(fork, start, 52, true)).toEqual(generated);
  });

  test("with a budget of everything gives the model's ids, also where rows are recycled", async () => {
    const whole = await loadModel(folder, options);
    open.push(whole);
    const texts = [];
    const plans = [pruneByAttention({ drop: 0 }), pruneAndRecycle({ layers: [3], keep: [99] })];
    for (const model of [whole, ...(await Promise.all(plans.map(load)))]) {
      const sequence = await model.createSequence();
      await sequence.step({ tokens, images: [image] }, { logits: "last" });
      texts.push(await continued(sequence, 17, 60));
    }
    expect(texts[1]).toEqual(texts[0]);
    expect(texts[2]).toEqual(texts[0]);
  });

  test("goes on with merged and recycled rows, in chains and trees of drafts alike", async () => {
    const merge = reduceImages(1, (states) => mergeBipartite(states, 12).reduction);
    const model = await load([merge, ...pruneAndRecycle({ layers: [2, 5], keep: [20, 8] })]);
    const sequence = await model.createSequence();
    await sequence.step({ tokens, images: [image] }, { logits: "last" });
    const fork = await sequence.fork();
    const generated = await continued(sequence, 17, 50);
    expect(await continued(fork, 17, 50, true)).toEqual(generated);
  });
});

test("the layer to withdraw images at is found by calibration", async () => {
  const whole = await loadModel(folder, options);
  open.push(whole);
  const law = async (model: LanguageModel) => {
    const sequence = await model.createSequence();
    const block = { tokens, images: [image] };
    return (await sequence.step(block, { logits: "last" })).logits!;
  };
  const full = await law(whole);
  const divergences = [NaN];
  for (let layer = 1; layer < 8; layer++) {
    divergences.push(meanDivergence(full, await law(await load(withdrawImages(layer)))));
  }
  expect(divergences.slice(1).every((divergence) => divergence > 0)).toBe(true);
  expect(divergences[7]!).toBeLessThan(divergences[1]!);
  const limit = divergences[7]! * 1.5;
  const chosen = chooseWithdrawal(divergences, limit)!;
  expect(divergences.slice(chosen).every((divergence) => divergence <= limit)).toBe(true);
  expect(chosen === 1 || divergences[chosen - 1]! > limit).toBe(true);
});

test("rows of images keep positions of three numbers", async () => {
  const place = new URL("oracles/vision-language/qwen2-vl/", import.meta.url);
  const whole = await loadModel(place, options);
  const { layers, hiddenSize: cols } = whole.info;
  const draw = seededRandom(3);
  const data = Float32Array.from({ length: 9 * cols }, () => draw.next() - 0.5);
  // Two rows of text, an image of 2 x 3, a row of text.
  const triples = [
    [0, 1, 2, 2, 2, 2, 2, 2, 5],
    [0, 1, 2, 2, 2, 3, 3, 3, 5],
    [0, 1, 2, 3, 4, 2, 3, 4, 5],
  ];
  const block = {
    embeddings: { data, rows: 9, cols },
    positions: Int32Array.from(triples.flat()),
    images: [{ from: 2, to: 8, width: 3 }],
  };
  const keep = [1, 4, 5];
  const stages: LayerStage[] = [
    { layer: 1, reads: null, decide: () => ({ keep: Uint32Array.from(keep) }) },
  ];
  const ranges = await Promise.all(
    stagedRanges(layers, stages).map((range) => loadModel(place, { ...options, ...range })),
  );
  const [first, rest] = await Promise.all(
    ranges.map((range) => range.createSequence({ positions: "absolute" })),
  );
  const all = await first!.step(block, { logits: "none", taps: [1] });
  const rows = [0, 1, ...keep.map((row) => row + 2), 8];
  const gathered = rows.flatMap((row) => [
    ...all.taps[0]!.data.subarray(row * cols, (row + 1) * cols),
  ]);
  const expected = await rest!.step(
    {
      embeddings: { data: Float32Array.from(gathered), rows: rows.length, cols },
      positions: Int32Array.from(triples.flatMap((axis) => rows.map((row) => axis[row]!))),
    },
    { logits: "last" },
  );
  const staged = createStagedModel(ranges, stages);
  open.push(staged, whole);
  const sequence = await staged.createSequence();
  const actual = await sequence.step(block, { logits: "last" });
  expectClose(actual.logits!, expected.logits!, 1e-6);
  // The next row stands behind the largest number, 5, in every range.
  const next = { tokens: Uint32Array.of(7) };
  const said = { tokens: Uint32Array.of(7), positions: Int32Array.of(6) };
  const fork = await sequence.fork();
  expectClose(
    (await sequence.step(next, { logits: "last" })).logits!,
    (await fork.step(said, { logits: "last" })).logits!,
    0,
  );
});

let reference: ReturnType<typeof loadReferenceWeights> | null = null;

async function referenceWeights() {
  reference ??= loadReferenceWeights(
    await readFile(new URL("config.json", folder), "utf8"),
    await readFile(new URL("model.safetensors", folder)),
  );
  return reference;
}
