import type { LanguageModel, LayerStage, Sequence, StageView } from "@frugal/core";
import {
  expectClose,
  type ReferenceConfig,
  seededRandom,
  testLanguageModel,
  tinyConfig,
} from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  createStagedModel,
  generate,
  promptLookup,
  stagedRanges,
  tokenRecycling,
} from "../../src/index.ts";
import { run } from "../run.ts";
import { randomModel } from "./ranges.ts";
import { keeping, type Prompt, promptOf, sliceOf, stagedPair } from "./staged-models.ts";

const config: ReferenceConfig = { ...tinyConfig, layers: 4, eosIds: [], maxLength: 256 };
const pair = stagedPair(1, config);
const width = config.hiddenSize;

/** Reads a prompt block by block, cut at the given rows, and asks for the last logits. */
async function read(sequence: Sequence, { block }: Prompt, cuts: readonly number[] = []) {
  const { rows } = block.embeddings;
  const bounds = [0, ...cuts, rows];
  for (let i = 0; i + 2 < bounds.length; i++) {
    await sequence.step(sliceOf(block, bounds[i]!, bounds[i + 1]!), { logits: "none" });
  }
  const { logits } = await sequence.step(sliceOf(block, bounds.at(-2)!, rows), { logits: "last" });
  return logits!;
}

const dropsAfterTheFirstRange: readonly LayerStage[] = [keeping(2, () => [])];

/** Without images a staged model is the model; keeps of absolute positions. */
const absolute = (model: LanguageModel): LanguageModel => ({
  ...model,
  createSequence: () => model.createSequence({ positions: "absolute" }),
});

testLanguageModel(
  "a staged model without images",
  async () => absolute(pair.staged([keeping(1, () => []), keeping(3, () => [])])),
  {
    reference: async () => absolute(pair.whole()),
    positions: ["absolute"],
    tolerance: 1e-5,
    trees: 30,
  },
);

describe("a staged model", () => {
  test("is the model that is masked: random keeps, any cut, and 60 tokens after", async () => {
    const random = seededRandom(5);
    for (let trial = 0; trial < 12; trial++) {
      const before = random.below(4);
      const count = 3 + random.below(12);
      const prompt = promptOf(trial, width, [before, count, 1 + random.below(5)]);
      const first = 1 + random.below(2);
      const layers = [first, first + 1];
      const kept = [random.subset(count, 0.5)];
      kept.push(kept[0]!.filter(() => random.next() < 0.5));
      const ofFirst = Array.from(kept[1]!, (row) => kept[0]!.indexOf(row));
      const staged = pair.staged([
        keeping(layers[0]!, () => [...kept[0]!]),
        keeping(layers[1]!, () => ofFirst),
      ]);
      const masked = pair.masked((layer) => {
        if (layer < layers[0]!) return null;
        const stays = new Set(layer < layers[1]! ? kept[0] : kept[1]);
        return (slot) => slot < before || slot >= before + count || stays.has(slot - before);
      });
      const sequences = [await staged.createSequence(), await masked.createSequence()] as const;
      const { rows } = prompt.block.embeddings;
      const cuts = [...random.subset(rows - 1, 0.3)].filter((row) => row > 0);
      const last = prompt.images.to;
      const allowed = cuts.filter((row) => row <= last);
      const [actual, expected] = [
        await read(sequences[0], prompt, allowed),
        await read(sequences[1], prompt),
      ];
      expectClose(actual, expected, 1e-4);
      const start = [random.below(config.vocabSize)];
      const texts = [];
      for (const sequence of sequences) {
        texts.push((await run(sequence, start, { maxTokens: 60 })).tokens);
      }
      expect(texts[0]).toEqual(texts[1]);
      expect(texts[0]).toHaveLength(60);
      const probe = { tokens: Uint32Array.of(3) };
      expectClose(
        (await sequences[0].step(probe, { logits: "last" })).logits!,
        (await sequences[1].step(probe, { logits: "last" })).logits!,
        1e-4,
      );
    }
  });

  test("that keeps everything is the model, id by id", async () => {
    const prompt = promptOf(2, width, [2, 9, 3]);
    const everything = keeping(2, ({ states }) => Array.from({ length: states.rows }, (_, i) => i));
    const texts = [];
    for (const model of [pair.staged([everything]), pair.whole()]) {
      const sequence = await model.createSequence();
      await read(sequence, prompt, [5]);
      texts.push((await run(sequence, [1], { maxTokens: 50, temperature: 0.8, seed: 4 })).tokens);
    }
    expect(texts[0]).toEqual(texts[1]);
  });

  test.for([
    ["chains", () => promptLookup()],
    ["trees", () => tokenRecycling({ vocabSize: config.vocabSize })],
  ] as const)("gives the same text with drafts: %s", async ([, drafter]) => {
    const prompt = promptOf(3, width, [1, 8, 2]);
    const stages = [keeping(1, () => [1, 4, 6]), keeping(3, () => [2])];
    const texts = [];
    for (const draft of [null, drafter()]) {
      const sequence = await pair.staged(stages).createSequence();
      await read(sequence, prompt, [9]);
      const options = { maxTokens: 80, temperature: 0.5, seed: 9 };
      const drafting = draft && { drafter: draft, draftLength: constantLength(4) };
      texts.push((await run(sequence, [2], { ...options, ...drafting })).tokens);
      expect(sequence.length).toBe(11 + 80);
    }
    expect(texts[0]).toEqual(texts[1]);
  });

  test("sees several images, of one prompt or of later turns", async () => {
    const [one, two] = [promptOf(6, width, [1, 5, 0]), promptOf(7, width, [1, 4, 2])];
    const stage = keeping(2, ({ states }) => (states.rows === 9 ? [0, 6, 8] : [1]));
    const together = await pair.staged([stage]).createSequence();
    await together.step(one.block, { logits: "none" });
    const joint = await read(together, two);
    const masked = (slots: readonly number[]) =>
      pair.masked((layer) => (layer < 2 ? null : (slot) => slots.includes(slot)));
    const oracle = await masked([0, 1, 6, 8, 10, 11, 12]).createSequence();
    await oracle.step(one.block, { logits: "none" });
    expectClose(joint, await read(oracle, two), 1e-4);

    const turns = await pair.staged([stage]).createSequence();
    const turn = promptOf(6, width, [1, 5, 2]);
    await read(turns, turn);
    const later = await read(turns, two);
    const other = await masked([0, 2, 6, 7, 8, 10, 13, 14]).createSequence();
    await read(other, turn);
    expectClose(later, await read(other, two), 1e-4);
  });

  /** Rows that run before `drop` see what `upper` leaves; later ones in no layer see what was dropped. */
  const dropping = (upper: readonly number[], dropped: readonly number[]) => {
    let isDropped = false;
    const model = pair.masked((layer) => (slot) => {
      if (layer >= 2 && upper.includes(slot)) return false;
      return !(isDropped && dropped.includes(slot));
    });
    return {
      open: () => model.createSequence({ positions: "absolute" }),
      drop: () => {
        isDropped = true;
      },
    };
  };

  test("drops rows in the middle, and forks", async () => {
    const prompt = promptOf(9, width, [2, 6, 3]);
    const sequence = await pair.staged([keeping(2, () => [1, 2, 4])]).createSequence();
    await read(sequence, prompt);
    const fork = await sequence.fork();
    await sequence.keep(Uint32Array.of(0, 3, 4, 5, 8, 10));
    expect([sequence.length, fork.length]).toEqual([6, 11]);
    // Rows 3, 4 and 6 were let into the upper layers; the last of them goes with the others.
    const { open, drop } = dropping([2, 5, 7], [1, 2, 6, 7, 9]);
    const oracle = await open();
    await read(oracle, prompt);
    const kept = await oracle.fork();
    const block = { tokens: Uint32Array.of(7, 8, 9) };
    const ask = async (one: Sequence) => (await one.step(block, { logits: "all" })).logits!;
    expectClose(await ask(fork), await ask(oracle), 1e-4);
    drop();
    expectClose(await ask(sequence), await ask(kept), 1e-4);
  });

  test("drops rows that still wait, and forks while they do", async () => {
    const prompt = promptOf(8, width, [3, 6, 4]);
    const stage = keeping(2, ({ states }) => (states.rows === 3 ? [0, 2] : []));
    const sequence = await pair.staged([stage]).createSequence();
    await sequence.step(sliceOf(prompt.block, 0, 9), { logits: "none" });
    await sequence.keep(Uint32Array.of(0, 2, 3, 5, 8));
    expect(sequence.length).toBe(5);
    const fork = await sequence.fork();
    const { open, drop } = dropping([1, 4, 5, 6, 7], [1, 4, 6, 7]);
    const oracle = await open();
    await oracle.step(sliceOf(prompt.block, 0, 9), { logits: "none" });
    drop();
    const rest = sliceOf(prompt.block, 9, 13);
    const ask = async (one: Sequence) => (await one.step(rest, { logits: "last" })).logits!;
    const expected = await ask(oracle);
    for (const one of [sequence, fork]) expectClose(await ask(one), expected, 1e-4);
  });

  test("is left as it was where a later range fails or the step is aborted", async () => {
    const prompt = promptOf(10, width, [1, 5, 2]);
    const fails: LayerStage = {
      layer: 2,
      reads: null,
      decide: () => ({ keep: Uint32Array.of(9) }),
    };
    let broken = true;
    const stage: LayerStage = {
      layer: 2,
      reads: null,
      decide: (view) => (broken ? fails.decide(view) : { keep: Uint32Array.of(0, 1) }),
    };
    const sequence = await pair.staged([stage]).createSequence();
    await sequence.step(sliceOf(prompt.block, 0, 4), { logits: "none" });
    const rest = sliceOf(prompt.block, 4, 8);
    await expect(sequence.step(rest, { logits: "last" })).rejects.toMatchObject({ code: "range" });
    expect(sequence.length).toBe(4);
    broken = false;
    const signal = { aborted: true, reason: new Error("enough") };
    await expect(sequence.step(rest, { logits: "last", signal })).rejects.toThrow("enough");
    const { logits } = await sequence.step(rest, { logits: "last" });
    const straight = await pair.staged([stage]).createSequence();
    expectClose(logits!, await read(straight, prompt, [4]), 1e-6);
  });
});

describe("what a stage is shown", () => {
  const view = async (
    reads: LayerStage["reads"],
    prompt: Prompt,
    cuts: readonly number[],
    earlier: readonly LayerStage[] = [],
  ): Promise<StageView> => {
    let seen: StageView | null = null;
    const stage: LayerStage = {
      layer: 3,
      reads,
      decide(shown) {
        seen = { ...shown, states: shown.states, text: shown.text };
        return { keep: Uint32Array.of(0) };
      },
    };
    await read(await pair.staged([...earlier, stage]).createSequence(), prompt, cuts);
    return seen!;
  };
  const prompt = promptOf(11, width, [2, 5, 3]);

  test.for(["attention", "logits"] as const)(
    "are the scores of the layer before: %s",
    async (kind) => {
      const below = stagedRanges(4, [
        {
          layer: 3,
          reads: { kind, queries: "all", keys: "all" },
          decide: () => ({ keep: Uint32Array.of() }),
        },
      ]);
      expect(below.map(({ head, scores }) => [head, scores])).toEqual([
        [false, kind],
        [true, undefined],
      ]);
      const whole = await view({ kind, queries: "all", keys: "all" }, prompt, []);
      const heads = kind === "logits" ? config.heads : 1;
      expect([whole.scores!.rows, whole.scores!.cols, whole.total]).toEqual([heads * 10, 10, 5]);
      expect([...whole.columns]).toEqual([2, 3, 4, 5, 6]);
      const line = (head: number, row: number) =>
        whole.scores!.data.subarray((head * 10 + row) * 10, (head * 10 + row + 1) * 10);
      for (let row = 0; row < 10; row++) {
        const unseen = [...line(0, row).subarray(row + 1)];
        expect(unseen.every((score) => (kind === "logits" ? score < -1e29 : score === 0))).toBe(
          true,
        );
      }
      // Weights of a row sum to one.
      const sum = whole.scores!.data.reduce((all, score) => all + Math.max(score, -100), 0);
      expect(kind === "logits" || Math.abs(sum - 10) < 1e-4).toBe(true);
      for (const cuts of [[], [4], [2, 7, 8]]) {
        const last = await view({ kind, queries: "last", keys: "images" }, prompt, cuts);
        for (let head = 0; head < heads; head++) {
          expectClose(
            { data: last.scores!.data.subarray(head * 5, head * 5 + 5), rows: 1, cols: 5 },
            { data: line(head, 9).subarray(2, 7), rows: 1, cols: 5 },
            1e-5,
          );
        }
        const text = await view({ kind, queries: "text", keys: "images" }, prompt, cuts);
        expect(text.scores!.rows).toBe(heads * 3);
        expect(text.text.rows).toBe(3);
        expectClose(
          { data: text.scores!.data.subarray(0, 5), rows: 1, cols: 5 },
          { data: line(0, 7).subarray(2, 7), rows: 1, cols: 5 },
          1e-5,
        );
        const states = text.states.data;
        expectClose(
          { ...text.states, data: states },
          { ...whole.states, data: whole.states.data },
          1e-5,
        );
      }
    },
  );

  test("are those of the rows that an earlier stage let on", async () => {
    const reads = { kind: "attention", queries: "last", keys: "all" } as const;
    const shown = await view(reads, prompt, [4], [keeping(1, () => [1, 3])]);
    expect([shown.states.rows, shown.total, shown.scores!.cols]).toEqual([2, 5, 7]);
    expect([...shown.columns]).toEqual([2, 3]);
    expect(shown.scores!.data.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
  });

  test("may go on as other states", async () => {
    const other: LayerStage = {
      layer: 2,
      reads: null,
      decide: ({ states }) => ({
        keep: Uint32Array.of(0, 4),
        states: { data: new Float32Array(2 * states.cols).fill(0.5), rows: 2, cols: states.cols },
      }),
    };
    const changed = await read(await pair.staged([other]).createSequence(), prompt);
    const plain = await read(
      await pair.staged([keeping(2, () => [0, 4])]).createSequence(),
      prompt,
    );
    expect(changed.data).not.toEqual(plain.data);
  });
});

describe("staged models refuse", () => {
  const open = (): Promise<Sequence> => pair.staged(dropsAfterTheFirstRange).createSequence();
  const prompt = promptOf(12, width, [1, 4, 2]);

  test("what rows that end leave undefined", async () => {
    const sequence = await open();
    const { block } = prompt;
    const step = (options: Parameters<Sequence["step"]>[1], rows = 7) =>
      sequence.step(sliceOf(block, 0, rows), options);
    await expect(step({ logits: "all" })).rejects.toMatchObject({ code: "unsupported" });
    await expect(step({ logits: "last" }, 5)).rejects.toMatchObject({ code: "unsupported" });
    await expect(step({ logits: "none", taps: [0] })).rejects.toMatchObject({
      code: "unsupported",
    });
    const images = [{ from: 3, to: 9 }];
    await expect(sequence.step({ ...block, images }, { logits: "last" })).rejects.toThrow(
      "images[0]: expected rows in [0, 7), got [3, 9)",
    );
    expect(sequence.length).toBe(0);
    const first = sequence.step(block, { logits: "last" });
    await expect(sequence.keep(Uint32Array.of())).rejects.toMatchObject({ code: "state" });
    await first;
    expect(generate(sequence, Uint32Array.of(1))).toBeDefined();
  });

  test("stages that stand elsewhere, and ranges that do not say what is read", async () => {
    const code = (make: () => unknown): unknown => {
      try {
        make();
        return null;
      } catch (error) {
        return (error as { code?: unknown }).code;
      }
    };
    const stage = (layer: number): LayerStage => keeping(layer, () => []);
    for (const layers of [[0], [4], [2, 2], [1.5]]) {
      expect(code(() => stagedRanges(4, layers.map(stage)))).toBe("range");
    }
    const model = randomModel(1, config);
    const ranges = [model([0, 2]), model([2, 4])];
    expect(code(() => createStagedModel(ranges, [stage(1)]))).toBe("range");
    const reads = { kind: "attention", queries: "last", keys: "images" } as const;
    expect(code(() => createStagedModel(ranges, [{ ...stage(2), reads }]))).toBe("unsupported");
    const staged = createStagedModel(ranges, [stage(2)]);
    await expect(staged.createSequence({ positions: "cache-relative" })).rejects.toMatchObject({
      code: "unsupported",
    });
    await staged.dispose();
    await expect(staged.createSequence()).rejects.toMatchObject({ code: "state" });
  });
});
