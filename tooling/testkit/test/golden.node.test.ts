import { readFileSync } from "node:fs";

import { argMax, type Matrix } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  createReferenceTransformer,
  expectClose,
  loadReferenceWeights,
  readSafetensors,
} from "../src/index.ts";

const models = new URL("../../../models/", import.meta.url);

describe.for(["frugal-tiny", "frugal-tiny-draft"])("%s", (name) => {
  const file = (path: string): Buffer => readFileSync(new URL(`${name}/${path}`, models));
  const golden = readSafetensors(file("golden.safetensors"));
  const config = file("config.json").toString();
  const model = createReferenceTransformer(loadReferenceWeights(config, file("model.safetensors")));

  test.for([0, 1, 2])("gives PyTorch's logits for prompt %i", async (prompt) => {
    const tokens = Uint32Array.from(golden.integers.get(`prompt${prompt}.input_ids`)!.data);
    const { shape, data } = golden.tensors.get(`prompt${prompt}.logits`)!;
    const expected: Matrix = { data, rows: shape[0]!, cols: shape[1]! };
    const sequence = await model.createSequence();
    const { logits } = await sequence.step({ tokens }, { logits: "all" });
    expectClose(logits!, expected, 2e-3);
    for (let r = 0; r < expected.rows; r++) {
      const best = (m: Matrix): number => argMax(m.data, r * m.cols, m.cols);
      expect(best(logits!)).toBe(best(expected));
    }
  });
});
