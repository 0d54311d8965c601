import { llamaConfigJson, tinyConfig } from "@frugal/testkit";
import fc from "fast-check";
import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { llamaNames } from "../src/architectures/llama-layout.ts";
import { parseModelConfig } from "../src/index.ts";

const required = {
  model_type: "llama",
  vocab_size: 100,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  max_position_embeddings: 512,
};

const llama3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

describe("parseModelConfig", () => {
  test("fills in what transformers fills in", () => {
    expect(parseModelConfig(required)).toEqual({
      architecture: "llama",
      vocabSize: 100,
      hiddenSize: 64,
      intermediateSize: 96,
      layers: 3,
      heads: 4,
      kvHeads: 4,
      headDim: 16,
      maxLength: 512,
      eosIds: [],
      tieWordEmbeddings: false,
      norm: { kind: "rms", epsilon: 1e-6, plusOne: false },
      attentionKinds: [
        { window: null, rotary: { theta: 10_000, dim: 16, scaling: { kind: "none" } } },
      ],
      layerKinds: [0, 0, 0],
      attentionScale: 0.25,
      biases: { qkv: false, attentionOutput: false, mlp: false },
      activation: "silu",
      names: llamaNames,
    });
  });

  test("reads every field", () => {
    const reference = {
      ...tinyConfig,
      tieWordEmbeddings: false,
      attentionBias: true,
      mlpBias: true,
      eosIds: [1, 2],
    };
    const { normEpsilon, ropeTheta, attentionBias, mlpBias, ...same } = reference;
    expect(parseModelConfig(llamaConfigJson(reference))).toMatchObject({
      architecture: "llama",
      ...same,
      norm: { epsilon: normEpsilon },
      attentionKinds: [{ rotary: { theta: ropeTheta, dim: reference.headDim } }],
      biases: { qkv: attentionBias, attentionOutput: attentionBias, mlp: mlpBias },
    });
  });

  test("takes null for absent, as transformers writes it", () => {
    const nulls = {
      num_key_value_heads: null,
      head_dim: null,
      rope_scaling: null,
      rope_parameters: null,
      eos_token_id: null,
      attention_bias: null,
    };
    expect(parseModelConfig({ ...required, ...nulls })).toEqual(parseModelConfig(required));
  });

  test("reads the rotary fields of transformers 4 and 5", () => {
    const scaling = {
      kind: "llama3",
      factor: 8,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalLength: 8192,
    };
    const four = parseModelConfig({ ...required, rope_theta: 500_000, rope_scaling: llama3 });
    const nested = { ...llama3, rope_theta: 500_000 };
    const five = parseModelConfig({ ...required, rope_parameters: nested });
    expect(four.attentionKinds[0]!.rotary).toEqual({ theta: 500_000, dim: 16, scaling });
    expect(five).toEqual(four);
    const old = parseModelConfig({ ...required, rope_scaling: { type: "linear", factor: 2 } });
    expect(old.attentionKinds[0]!.rotary!.scaling).toEqual({ kind: "linear", factor: 2 });
    const plain = { rope_type: "default", rope_theta: 7 };
    const { rotary } = parseModelConfig({ ...required, rope_parameters: plain }).attentionKinds[0]!;
    expect(rotary).toEqual({ theta: 7, dim: 16, scaling: { kind: "none" } });
  });

  test("prefers the end tokens of generation_config.json", () => {
    const ids = (config: object, generation?: unknown) =>
      parseModelConfig({ ...required, ...config }, generation).eosIds;
    expect(ids({ eos_token_id: 3 })).toEqual([3]);
    expect(ids({ eos_token_id: [3, 4] })).toEqual([3, 4]);
    expect(ids({ eos_token_id: 3 }, { eos_token_id: [5, 0] })).toEqual([5, 0]);
    expect(ids({ eos_token_id: 3 }, {})).toEqual([3]);
    expect(ids({ eos_token_id: 3 }, { eos_token_id: null })).toEqual([3]);
  });

  const without = (field: string) =>
    Object.fromEntries(Object.entries(required).filter(([name]) => name !== field));

  test.for<[string, unknown, string, string]>([
    ["null", null, "format", "config.json: expected an object, got null"],
    ["an array", [], "format", "expected an object, got []"],
    ["text", "llama", "format", 'expected an object, got "llama"'],
    ["another architecture", { model_type: "bert" }, "unsupported", 'got "bert"'],
    ["no architecture", {}, "unsupported", "model_type: expected one of llama, got undefined"],
    ["another activation", { ...required, hidden_act: "gelu" }, "unsupported", 'got "gelu"'],
    [
      "another rotary scaling",
      { ...required, rope_scaling: { rope_type: "yarn", factor: 4 } },
      "unsupported",
      'got "yarn"',
    ],
    [
      "a rotary scaling without its fields",
      { ...required, rope_scaling: { ...llama3, low_freq_factor: undefined } },
      "format",
      "low_freq_factor: expected a positive number, got undefined",
    ],
    ["a rotary scaling that is text", { ...required, rope_scaling: "x" }, "format", 'got "x"'],
    [
      "heads that do not share out",
      { ...required, num_key_value_heads: 3 },
      "format",
      "num_attention_heads 4 is not a multiple of num_key_value_heads 3",
    ],
    ["an odd head", { ...required, head_dim: 15 }, "format", "an even number, got 15"],
    ["heads that do not divide", { ...required, hidden_size: 65 }, "format", "got 16.25"],
    ["a negative theta", { ...required, rope_theta: -1 }, "format", "rope_theta"],
    ["an epsilon of zero", { ...required, rms_norm_eps: 0 }, "format", "got 0"],
    ["an infinite theta", { ...required, rope_theta: Infinity }, "format", "got Infinity"],
    ["a flag in words", { ...required, mlp_bias: "true" }, "format", 'got "true"'],
    ["a negative end token", { ...required, eos_token_id: -1 }, "format", "got -1"],
    ["end tokens in words", { ...required, eos_token_id: ["</s>"] }, "format", 'got ["</s>"]'],
  ])("refuses %s", ([, config, code, message]) => {
    expect(() => parseModelConfig(config)).toThrow(expect.objectContaining({ code }));
    expect(() => parseModelConfig(config)).toThrow(message);
  });

  test.for(Object.keys(required).filter((field) => field !== "model_type"))(
    "refuses %s that is missing or no count",
    (field) => {
      expect(() => parseModelConfig(without(field))).toThrow(`config.json: ${field}: expected`);
      for (const value of [0, -1, 1.5, "3", [3], {}, true, 2 ** 40]) {
        expect(() => parseModelConfig({ ...required, [field]: value })).toThrow(
          expect.objectContaining({ name: "InferenceError", code: "format" }),
        );
      }
    },
  );

  test("gives an InferenceError or a configuration for any JSON", () => {
    const fields = [
      ...Object.keys(required),
      "rope_scaling",
      "rope_parameters",
      "head_dim",
      "eos_token_id",
      "tie_word_embeddings",
    ];
    const change = fc.dictionary(fc.constantFrom(...fields), fc.jsonValue());
    fc.assert(
      fc.property(change, fc.jsonValue(), (changes, generation) => {
        try {
          parseModelConfig({ ...required, ...changes }, generation);
        } catch (error) {
          if (!InferenceError.is(error)) throw error;
        }
      }),
      { numRuns: 1000, seed: 1 },
    );
  });
});
