import type { CachePolicy, LanguageModel } from "@frugal/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  constantLength,
  type Drafter,
  earlyExitSelfDraft,
  type GenerateOptions,
  gumbelCoupled,
  kangaroo,
  rejection,
  sampleMatch,
  type SelfDraftOptions,
} from "../../src/index.ts";
import { expectAbortable, type Watch } from "../abort.ts";
import { config, type CountedSequence, openCounted, randomModel, total } from "../layers/ranges.ts";
import { run } from "../run.ts";

const model = randomModel(1);
const exit = 2;
/** A layer of another model: an adapter that knows nothing. */
const strange = randomModel(9)([3, 4]);
/** The other layers themselves: an adapter that is always right. */
const perfect = model([exit, 6]);

interface Parts {
  readonly shallow: CountedSequence;
  readonly deep: CountedSequence;
  readonly adapter: CountedSequence;
}

async function openParts(adapter: LanguageModel): Promise<Parts> {
  return {
    shallow: await openCounted(model([0, exit])),
    deep: await openCounted(model([exit, 6])),
    adapter: await openCounted(adapter),
  };
}

/** The parts, with an abort possible around every call. */
async function watchedParts(around: Watch) {
  const { shallow, deep, adapter } = await openParts(strange);
  return { shallow: around(shallow), deep: around(deep), adapter: around(adapter) };
}

const methods = {
  "kangaroo, strange adapter": async (options: SelfDraftOptions) =>
    kangaroo(await openParts(strange), options),
  "kangaroo, perfect adapter": async (options: SelfDraftOptions) =>
    kangaroo(await openParts(perfect), options),
  "early exit": async (options: SelfDraftOptions) =>
    earlyExitSelfDraft(await openParts(strange), options),
};

/** What plain decoding by the whole model gives. */
async function plainText(prompt: readonly number[], options: GenerateOptions): Promise<number[]> {
  return (await run(await model().createSequence(), prompt, options)).tokens;
}

/** Four sinks and a window of eight. */
const window: CachePolicy = (length, incoming) => {
  if (length + incoming <= 16) return null;
  const recent = 12 - 4 - incoming;
  return Uint32Array.from({ length: 4 + recent }, (_, i) => (i < 4 ? i : length - recent + i - 4));
};

describe.for(Object.entries(methods))("%s", ([, make]) => {
  const settings = fc.record({
    seed: fc.nat(1000),
    prompt: fc.array(fc.nat(31), { minLength: 1, maxLength: 9 }),
    temperature: fc.constantFrom(0, 0, 0.7),
    topK: fc.constantFrom(5, 32),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    gamma: fc.nat(7),
    maxTokens: fc.integer({ min: 1, max: 24 }),
    maxSteps: fc.integer({ min: 1, max: 6 }),
    threshold: fc.constantFrom(0, 0.3, 0.6, 2),
    windowed: fc.boolean(),
    verifier: fc.constantFrom(sampleMatch(), gumbelCoupled()),
  });

  test("leaves the text as it is, for every setting", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        settings,
        async ({ prompt, gamma, maxSteps, threshold, windowed, ...rest }) => {
          const options = { ...rest, stopIds: [7], ...(windowed && { cache: window }) };
          const { sequence, drafter } = await make({ maxSteps, threshold });
          const drafted = await run(sequence, prompt, {
            ...options,
            drafter,
            draftLength: constantLength(gamma),
          });
          expect(drafted.tokens).toEqual(await plainText(prompt, options));
        },
      ),
      { seed: 3, numRuns: 40 },
    );
  });

  test("and goes on in the same cache", async () => {
    const { sequence, drafter } = await make({ threshold: 0 });
    const options = { maxTokens: 8, drafter, draftLength: constantLength(3) };
    const first = await run(sequence, [1, 2, 3], options);
    const rest = await run(sequence, [first.tokens.at(-1)!, 4], options);
    const text = [1, 2, 3, ...first.tokens, 4];
    expect(rest.tokens).toEqual(await plainText(text, { maxTokens: 8 }));
  });

  test("draws, for rejection, from laws it reports", async () => {
    const { sequence, drafter } = await make({ threshold: 0 });
    const options = { temperature: 1, maxTokens: 12, seed: 1, verifier: rejection() };
    const draftLength = constantLength(3);
    const drafted = await run(sequence, [1], { ...options, drafter, draftLength });
    expect(drafted.tokens).toHaveLength(12);
    expect(drafted.last.stats.drafted).toBeGreaterThan(0);
  });
});

test.for([
  ["kangaroo", kangaroo],
  ["earlyExitSelfDraft", earlyExitSelfDraft],
] as const)("%s is left usable by an abort at any moment", async ([, make]) => {
  const plain = () => model().createSequence();
  await expectAbortable(plain, async (around) =>
    make(await watchedParts(around), { threshold: 0 }),
  );
});

/** What the parts had done when a draft was asked for, when it was made, and after its step. */
interface Round {
  readonly drafted: number;
  readonly before: Counts;
  readonly after: Counts;
}
type Counts = Readonly<Record<keyof Parts, number>>;

/** Runs a generation and notes rows run and rows cached around every draft. */
async function watch(
  adapter: LanguageModel,
  options: SelfDraftOptions,
  maxTokens = 30,
): Promise<{
  parts: Parts;
  rounds: Round[];
  lengths: Counts[];
  tokens: number[];
  accepted: number;
}> {
  const parts = await openParts(adapter);
  const { sequence, drafter } = kangaroo(parts, options);
  const rounds: Round[] = [];
  const lengths: Counts[] = [];
  const of = (read: (part: CountedSequence) => number): Counts => ({
    shallow: read(parts.shallow),
    deep: read(parts.deep),
    adapter: read(parts.adapter),
  });
  const rows = (): Counts => of(({ steps }) => total(steps));
  const watched: Drafter = {
    ...drafter,
    async propose(context) {
      lengths.push(of(({ length }) => length));
      const before = rows();
      const draft = await drafter.propose(context);
      rounds.push({ drafted: draft.tokens.length, before, after: rows() });
      return draft;
    },
  };
  const prompt = [3, 1, 4, 1, 5];
  const { tokens, last } = await run(sequence, prompt, {
    maxTokens,
    drafter: watched,
    draftLength: constantLength(100),
  });
  lengths.push(of(({ length }) => length));
  expect(tokens).toEqual(await plainText(prompt, { maxTokens }));
  return { parts, rounds, lengths, tokens, accepted: last.stats.accepted };
}

describe("kangaroo", () => {
  test.for([
    ["a strange adapter", strange],
    ["a perfect adapter", perfect],
  ] as const)(
    "runs the first layers once per token of a block and never to verify, with %s",
    async ([, adapter]) => {
      const { parts, rounds } = await watch(adapter, { maxSteps: 4, threshold: 0 });
      expect(rounds.length).toBeGreaterThan(3);
      for (const [i, { drafted, before, after }] of rounds.entries()) {
        // The root and every drafted token.
        expect(after.shallow - before.shallow).toBe(drafted + 1);
        expect(after.deep).toBe(before.deep);
        const next = rounds[i + 1]?.before;
        if (next === undefined) continue;
        expect(next.shallow).toBe(after.shallow);
        expect(next.deep - after.deep).toBe(drafted + 1);
        expect(next.adapter).toBe(after.adapter);
      }
      // One row per step while drafting; whole blocks behind the exit.
      expect(new Set(parts.shallow.steps.slice(1))).toEqual(new Set([1]));
    },
  );

  test("keeps its three caches in step", async () => {
    const { lengths, tokens } = await watch(strange, { maxSteps: 3, threshold: 0 });
    expect(lengths[0]).toEqual({ shallow: 5, deep: 5, adapter: 0 });
    for (const [i, { shallow, deep, adapter }] of lengths.slice(1).entries()) {
      expect(shallow).toBe(deep);
      expect(deep).toBeGreaterThan(lengths[i]!.deep);
      expect([deep - 1, deep]).toContain(adapter);
    }
    expect(lengths.at(-1)!.deep).toBe(5 + tokens.length - 1);
  });

  test("lacks one entry after a whole draft was accepted, and feeds two rows then", async () => {
    const { parts, lengths, rounds, accepted } = await watch(perfect, {
      maxSteps: 4,
      threshold: 0,
    });
    expect(accepted).toBe(total(rounds.map(({ drafted }) => drafted)));
    for (const { deep, adapter } of lengths.slice(1)) expect(adapter).toBe(deep - 1);
    // The prompt, a root, three single tokens; then always two rows first.
    expect(parts.adapter.steps.slice(0, 10)).toEqual([5, 1, 1, 1, 1, 2, 1, 1, 1, 2]);
  });

  test("drafts maxSteps tokens at threshold 0 and one above 1", async () => {
    const lengthsOf = async (threshold: number) =>
      (await watch(strange, { maxSteps: 4, threshold }, 40)).rounds.map(({ drafted }) => drafted);
    const fixed = await lengthsOf(0);
    expect(new Set(fixed.slice(0, -4))).toEqual(new Set([4]));
    expect(new Set(await lengthsOf(1.01))).toEqual(new Set([1]));
    const between = await lengthsOf(0.35);
    expect(new Set(between).size).toBeGreaterThan(1);
  });

  test("refuses an adapter of another width, parts in use, and bad options", async () => {
    const parts = await openParts(strange);
    const narrow = randomModel(1, { ...config, vocabSize: 31 })([1, 2]);
    const other = await narrow.createSequence();
    expect(() => kangaroo({ ...parts, adapter: other })).toThrow(/adapter: expected 16 channels/);
    expect(() => kangaroo(parts, { maxSteps: 0 })).toThrow(/maxSteps/);
    expect(() => kangaroo(parts, { threshold: -1 })).toThrow(/threshold/);
    expect(() => kangaroo(parts, { threshold: Number.NaN })).toThrow(/threshold/);
    const row = { data: new Float32Array(16), rows: 1, cols: 16 };
    await parts.adapter.step({ embeddings: row }, { logits: "none" });
    expect(() => kangaroo(parts)).toThrow(/adapter: expected 0 cached positions, got 1/);
  });
});
