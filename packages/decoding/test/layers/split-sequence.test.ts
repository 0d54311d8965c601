import { InferenceError, type LanguageModel, type Matrix } from "@frugal/core";
import { expectClose, seededRandom, testLanguageModel } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { generate, kangaroo, splitSequence } from "../../src/index.ts";
import { config, counted, randomModel, splitModel } from "./ranges.ts";

const model = randomModel(1);

for (const bounds of [
  [0, 2, 6],
  [0, 1, 3, 6],
]) {
  const ranges = (): LanguageModel[] => bounds.slice(1).map((to, i) => model([bounds[i]!, to]));
  testLanguageModel(`a model split at ${bounds.join()}`, async () => splitModel(ranges()), {
    reference: async () => model(),
    tolerance: 1e-5,
    trees: 30,
  });
}

const strange = randomModel(9)([3, 4]);
testLanguageModel(
  "a model that drafts for itself",
  async () =>
    splitModel([model([0, 2]), model([2, 6])], async ([shallow, deep]) => {
      const adapter = await strange.createSequence();
      return kangaroo({ shallow: shallow!, deep: deep!, adapter }).sequence;
    }),
  { reference: async () => model(), tolerance: 1e-5, trees: 10 },
);

describe("a split sequence", () => {
  const open = (...bounds: readonly number[]) =>
    splitModel(bounds.slice(1).map((to, i) => model([bounds[i]!, to]))).createSequence();

  test("numbers its taps as the whole model does", async () => {
    const tokens = seededRandom(2).tokens(7, 32);
    const taps = [6, 3, 0, 1, 2, 3, 5];
    const tap = async (sequence = open(0, 1, 3, 6)): Promise<readonly Matrix[]> => {
      const output = await (await sequence).step({ tokens }, { logits: "none", taps });
      return output.taps;
    };
    const expected = await tap(model().createSequence());
    for (const [i, actual] of (await tap()).entries()) expectClose(actual, expected[i]!, 1e-5);
  });

  test("whose first range takes hidden states does not continue a text", async () => {
    const deep = await open(1, 3, 6);
    expect(deep.capabilities.tokens).toBe(false);
    expect(() => generate(deep, Uint32Array.of(1))).toThrow(/sequence: expected a model of tokens/);
  });

  test("is left as it was where a later range fails", async () => {
    const [shallow, deep] = [
      await model([0, 2]).createSequence(),
      await model([2, 6]).createSequence(),
    ];
    let fails = false;
    const split = splitSequence([
      shallow,
      {
        ...deep,
        info: deep.info,
        capabilities: deep.capabilities,
        get length() {
          return deep.length;
        },
        step: (block, options) =>
          fails ? Promise.reject(new InferenceError("backend", "no")) : deep.step(block, options),
        keep: (slots) => deep.keep(slots),
      },
    ]);
    const tokens = Uint32Array.of(1, 2, 3);
    await split.step({ tokens }, { logits: "none" });
    fails = true;
    await expect(split.step({ tokens }, { logits: "last" })).rejects.toThrow("no");
    expect([split.length, shallow.length, deep.length]).toEqual([3, 3, 3]);
    fails = false;
    const { logits } = await split.step({ tokens }, { logits: "last" });
    const whole = await model().createSequence();
    const all = Uint32Array.of(1, 2, 3, 1, 2, 3);
    expectClose(logits!, (await whole.step({ tokens: all }, { logits: "last" })).logits!, 1e-5);
  });

  test("refuses what does not fit together, and a second call at once", async () => {
    const code = (make: () => unknown): string => {
      try {
        make();
      } catch (error) {
        if (InferenceError.is(error)) return error.code;
      }
      return "none";
    };
    const shallow = await model([0, 2]).createSequence();
    const deep = await model([2, 6]).createSequence();
    expect(code(() => splitSequence([shallow]))).toBe("range");
    const narrow = await randomModel(1, { ...config, hiddenSize: 12 })([1, 2]).createSequence();
    expect(code(() => splitSequence([shallow, narrow]))).toBe("shape");
    const blind = { ...counted(deep), capabilities: { ...deep.capabilities, embeddings: false } };
    expect(code(() => splitSequence([shallow, blind]))).toBe("unsupported");
    await deep.step(
      { embeddings: { data: new Float32Array(16), rows: 1, cols: 16 } },
      { logits: "none" },
    );
    expect(code(() => splitSequence([shallow, deep]))).toBe("state");

    const split = await open(0, 2, 6);
    const step = () => split.step({ tokens: Uint32Array.of(1) }, { logits: "none" });
    const first = step();
    await expect(step()).rejects.toMatchObject({ code: "state" });
    await first;
    expect(split.length).toBe(1);
  });
});
