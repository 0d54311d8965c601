import { readFileSync } from "node:fs";

import { argMax, type LanguageModel, type Matrix } from "@frugal/core";
import { expectClose, readSafetensors } from "@frugal/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadModel } from "../src/index.ts";

const models = new URL("../../../models/", import.meta.url);

describe.for(["frugal-tiny", "frugal-tiny-draft"])("%s", (name) => {
  const golden = readSafetensors(readFileSync(new URL(`${name}/golden.safetensors`, models)));
  let model: LanguageModel;
  beforeAll(async () => {
    model = await loadModel(new URL(name, models), { inline: true });
  });
  afterAll(() => model.dispose());

  test.for([0, 1, 2])("gives PyTorch's logits for prompt %i", async (prompt) => {
    const tokens = Uint32Array.from(golden.integers.get(`prompt${prompt}.input_ids`)!.data);
    const { shape, data } = golden.tensors.get(`prompt${prompt}.logits`)!;
    const expected: Matrix = { data, rows: shape[0]!, cols: shape[1]! };
    const sequence = await model.createSequence();
    const { logits } = await sequence.step({ tokens }, { logits: "all" });
    expectClose(logits!, expected, 2e-3);
    for (let row = 0; row < expected.rows; row++) {
      const best = (m: Matrix): number => argMax(m.data, row * m.cols, m.cols);
      expect(best(logits!)).toBe(best(expected));
    }
    await sequence.dispose();
  });

  test("keeps the parameter count of its card", () => {
    expect(model.info.parameters).toBe(name === "frugal-tiny" ? 6_951_168 : 893_568);
  });
});
