import { describe, expect, test } from "vitest";

import { llamaNames } from "../src/architectures/llama-layout.ts";
import type { Weight } from "../src/index.ts";
import { alignNames } from "../src/weights/align-names.ts";

const weight = (offset: number): Weight => ({
  dtype: "F32",
  shape: [1],
  offset,
  length: 4,
  location: "model.safetensors",
});

const align = (...names: string[]) =>
  Object.fromEntries(
    [...alignNames(new Map(names.map((name, i) => [name, weight(i)])), llamaNames)].map(
      ([name, { offset }]) => [name, names[offset]],
    ),
  );

describe("alignNames", () => {
  test("leaves expected names alone", () => {
    const names = ["model.embed_tokens.weight", "lm_head.weight", "vision.embed_tokens.weight"];
    expect(Object.keys(align(...names))).toEqual(names);
  });

  test("adds a prefix that is not there", () => {
    expect(align("embed_tokens.weight", "layers.0.mlp.up_proj.weight", "lm_head.weight")).toEqual({
      "model.embed_tokens.weight": "embed_tokens.weight",
      "model.layers.0.mlp.up_proj.weight": "layers.0.mlp.up_proj.weight",
      "lm_head.weight": "lm_head.weight",
    });
  });

  test("takes a decoder out of a larger model", () => {
    expect(
      align(
        "language_model.model.embed_tokens.weight",
        "language_model.model.norm.weight",
        "language_model.lm_head.weight",
        "vision_tower.norm.weight",
      ),
    ).toEqual({
      "model.embed_tokens.weight": "language_model.model.embed_tokens.weight",
      "model.norm.weight": "language_model.model.norm.weight",
      "lm_head.weight": "language_model.lm_head.weight",
      "vision_tower.norm.weight": "vision_tower.norm.weight",
    });
  });

  test("does not guess between several tables", () => {
    const names = ["a.embed_tokens.weight", "b.embed_tokens.weight"];
    expect(Object.keys(align(...names))).toEqual(names);
    expect(align("norm.weight")).toEqual({ "norm.weight": "norm.weight" });
  });
});
