import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { argMax, type LanguageModel, type Matrix, type Sequence, type Tap } from "@frugal/core";
import { largestDifference } from "@frugal/testkit";
import { addExport, type ExportStyle } from "@frugal/testkit/export-decoder";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadDraftHead, loadModel, type LoadOptions, type Variant } from "../../src/index.ts";
import { goldenTexts, tinyFolder } from "../tiny-models.ts";
import { embeddedModel } from "./embedded.ts";

const { config, tensors } = await embeddedModel("frugal-tiny");
const [text] = goldenTexts() as [Uint32Array];

/** How each variant is written, and how far its logits may be from those of the float32 graph. */
interface Case {
  readonly variant: Variant;
  readonly suffix: string;
  readonly style: Omit<ExportStyle, "attention">;
  /** Share of the range of the logits, and of the size of hidden states. */
  readonly tolerance: number;
  /** Activations are rounded by the largest of a block, so that rows change each other. */
  readonly isCoupled?: true;
}

const variants: readonly Case[] = [
  { variant: "fp32", suffix: "", style: {}, tolerance: 1e-5 },
  { variant: "fp16", suffix: "_fp16", style: { type: "float16" }, tolerance: 0.0015 },
  { variant: "q8", suffix: "_quantized", style: { weights: "q8" }, tolerance: 0.015 },
  {
    variant: "int8",
    suffix: "_int8",
    style: { weights: "int8" },
    tolerance: 0.05,
    isCoupled: true,
  },
  {
    variant: "uint8",
    suffix: "_uint8",
    style: { weights: "uint8" },
    tolerance: 0.05,
    isCoupled: true,
  },
  { variant: "q4", suffix: "_q4", style: { weights: "q4", accuracyLevel: 0 }, tolerance: 0.14 },
  {
    variant: "q4f16",
    suffix: "_q4f16",
    style: { weights: "q4", type: "float16" },
    tolerance: 0.14,
  },
  { variant: "bnb4", suffix: "_bnb4", style: { weights: "bnb4" }, tolerance: 0.14 },
];

const layouts = [
  ["optimum", { attention: "concat", logitCount: true, dataFiles: 3 }],
  ["genai", { attention: "grouped", fusedNorms: true }],
] as const;

const open: LanguageModel[] = [];
let root = "";
let built: LanguageModel;
let expected: Matrix;
let range = 0;

const load = async (source: string | URL, options: LoadOptions = {}): Promise<LanguageModel> => {
  const model = await loadModel(source, { inline: true, ...options });
  open.push(model);
  return model;
};

async function logitsOf(model: LanguageModel, ids = text): Promise<Matrix> {
  const sequence = await model.createSequence();
  const { logits } = await sequence.step({ tokens: ids }, { logits: "all" });
  await sequence.dispose();
  return logits!;
}

/** The largest difference, as a share of the range of the logits. */
const distance = (actual: Matrix, other: Matrix): number =>
  largestDifference(actual, other) / range;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "frugal-variants-"));
  for (const [layout, attention] of layouts) {
    await mkdir(join(root, layout, "onnx"), { recursive: true });
    for (const { suffix, style } of variants) {
      const whole = { ...attention, ...style, dataFile: "x" };
      await addExport(join(root, layout), config, tensors, whole, layout, suffix);
    }
  }
  built = await load(tinyFolder("frugal-tiny"));
  expected = await logitsOf(built);
  range = Math.max(...expected.data) - Math.min(...expected.data);
});

afterAll(async () => {
  await Promise.all(open.map((model) => model.dispose()));
  await rm(root, { recursive: true });
});

/** Greedy continuations, one token at a time. */
async function generate(sequence: Sequence, first: number, count: number): Promise<number[]> {
  const ids = [first];
  while (ids.length <= count) {
    const { logits } = await sequence.step(
      { tokens: Uint32Array.of(ids.at(-1)!) },
      { logits: "last" },
    );
    ids.push(argMax(logits!.data, 0, logits!.cols));
  }
  return ids.slice(1);
}

describe.each(layouts)("%s's layout", (layout) => {
  describe.each(variants)("$variant", ({ variant, tolerance, isCoupled = false }) => {
    let model: LanguageModel;
    beforeAll(async () => {
      model = await load(join(root, layout), { variant, chunk: 16 });
    });

    test("is close to the graph that is built here", async () => {
      const { top, evict, taps, positions, tree } = model.capabilities;
      expect([top, evict, taps, positions, tree]).toEqual([
        true,
        true,
        true,
        layout === "optimum",
        false,
      ]);
      expect(distance(await logitsOf(model), expected)).toBeLessThan(tolerance);
    });

    test("has the hidden states of the graph that is built here", async () => {
      const taps: Tap[] = [0, 1, config.layers - 1, config.layers, "final"];
      const states = async (of: LanguageModel, tapRows: "all" | "last") => {
        const sequence = await of.createSequence();
        return (await sequence.step({ tokens: text }, { logits: "last", taps, tapRows })).taps;
      };
      const reference = await states(built, "all");
      for (const [i, state] of (await states(model, "all")).entries()) {
        const size = Math.sqrt(
          reference[i]!.data.reduce((sum, value) => sum + value ** 2, 0) /
            reference[i]!.data.length,
        );
        const error = Math.sqrt(
          state.data.reduce((sum, value, at) => sum + (value - reference[i]!.data[at]!) ** 2, 0) /
            state.data.length,
        );
        expect([state.rows, state.cols]).toEqual([text.length, config.hiddenSize]);
        expect(error / size).toBeLessThan(tolerance);
      }
      const last = await states(model, "last");
      expect(last.map(({ rows }) => rows)).toEqual(taps.map(() => 1));
    });

    test("generates, and checks drafts in one step", async () => {
      const prompt = text.subarray(0, 10);
      const plain = await model.createSequence();
      await plain.step({ tokens: prompt.subarray(0, -1) }, { logits: "none" });
      const ids = await generate(plain, prompt.at(-1)!, 12);

      const sequence = await model.createSequence();
      await sequence.step({ tokens: prompt.subarray(0, -1) }, { logits: "none" });
      const made: number[] = [];
      let accepted = 0;
      for (let next = prompt.at(-1)!; made.length < 12; next = made.at(-1)!) {
        // The second of three drafts is wrong in every other round.
        const drafts = ids.slice(made.length, made.length + 3);
        if (accepted % 2 === 0 && drafts.length > 1) drafts[1] = (drafts[1]! + 1) % 4096;
        const tokens = Uint32Array.of(next, ...drafts);
        const { top } = await sequence.step({ tokens }, { logits: { top: 1 } });
        let right = 0;
        while (right < drafts.length && top!.ids[right] === drafts[right]) right++;
        made.push(...drafts.slice(0, right), top!.ids[right]!);
        accepted += right;
        const kept = sequence.length - (drafts.length - right);
        await sequence.keep(Uint32Array.from({ length: kept }, (_, slot) => slot));
      }
      expect(accepted).toBeGreaterThan(4);
      const same = made.slice(0, 12).filter((id, i) => id === ids[i]).length;
      expect(same).toBeGreaterThanOrEqual(isCoupled ? 6 : 12);
    });

    test("goes on after rows were evicted between steps, as the graph that is built here", async () => {
      const evicted = async (of: LanguageModel): Promise<Matrix> => {
        const sequence = await of.createSequence();
        await sequence.step({ tokens: text.subarray(0, 12) }, { logits: "none" });
        await sequence.keep(Uint32Array.of(0, 1, 5, 6, 7, 9, 10, 11));
        await sequence.step({ tokens: text.subarray(12, 14) }, { logits: "none" });
        const copy = await sequence.fork();
        await sequence.keep(Uint32Array.of(0, 3, 4, 5, 6, 7, 8, 9));
        const { logits } = await sequence.step(
          { tokens: text.subarray(14, 17) },
          { logits: "all" },
        );
        // The fork has what the other evicted.
        expect(copy.length).toBe(10);
        const { logits: other } = await copy.step(
          { tokens: text.subarray(14, 15) },
          { logits: "all" },
        );
        const data = Float32Array.of(...logits!.data, ...other!.data);
        return { data, rows: 4, cols: logits!.cols };
      };
      expect(distance(await evicted(model), await evicted(built))).toBeLessThan(1.5 * tolerance);
    });
  });

  test("a draft head reads its states as it does those of the graph that is built here", async () => {
    const folder = new URL("../frugal-tiny-eagle/", tinyFolder("frugal-tiny"));
    const head = await loadDraftHead(folder, tinyFolder("frugal-tiny"));
    const drafter = head.kind === "medusa" ? null : head.model;
    const guesses = async (of: LanguageModel): Promise<Matrix> => {
      const target = await of.createSequence();
      const { reads } = drafter!.info;
      const { taps } = await target.step({ tokens: text }, { logits: "none", taps: reads! });
      const sequence = await drafter!.createSequence();
      const block = { tokens: text, features: taps };
      return (await sequence.step(block, { logits: "all" })).logits!;
    };
    const other = await load(join(root, layout), { variant: "fp32" });
    expect(distance(await guesses(other), await guesses(built))).toBeLessThan(1e-5);
    await drafter!.dispose();
  });

  test("q4 is the product that quantized weights have in a graph that is built here", async () => {
    const quantize = { bits: 4, headBits: 4, blockSize: 32 } as const;
    const cacheFolder = join(root, "cache");
    const own = await load(tinyFolder("frugal-tiny"), { quantize, cacheFolder, accuracyLevel: 0 });
    const other = await load(join(root, layout), { variant: "q4" });
    expect(distance(await logitsOf(other), await logitsOf(own))).toBeLessThan(1e-5);
  });
});
