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
      attentionCap: null,
      logitCap: null,
      queryKeyNorm: null,
      biases: { qkv: false, attentionOutput: false, mlp: false },
      activation: "silu",
      gated: true,
      embeddingScale: 1,
      learnedPositions: false,
      transposed: false,
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

  test("takes nothing for dynamic scaling, which begins beyond the model's length", () => {
    const dynamic = { ...required, rope_scaling: { type: "dynamic", factor: 2 } };
    expect(parseModelConfig(dynamic)).toEqual(parseModelConfig(required));
  });

  test("reads Gemma 3 as transformers 4 and 5 write it", () => {
    const gemma = { ...required, model_type: "gemma3_text", sliding_window: 9 };
    const four = {
      ...gemma,
      sliding_window_pattern: 3,
      rope_theta: 3e5,
      rope_local_base_freq: 2e4,
      rope_scaling: { rope_type: "linear", factor: 8 },
    };
    const five = {
      ...gemma,
      layer_types: ["sliding_attention", "sliding_attention", "full_attention"],
      rope_parameters: {
        full_attention: { rope_type: "linear", factor: 8, rope_theta: 3e5 },
        sliding_attention: { rope_type: "default", rope_theta: 2e4 },
      },
    };
    expect(parseModelConfig(five)).toEqual(parseModelConfig(four));
    const plain = { kind: "none" };
    expect(parseModelConfig(four)).toMatchObject({
      layerKinds: [0, 0, 1],
      attentionKinds: [
        { window: 9, rotary: { theta: 2e4, dim: 256, scaling: plain } },
        { window: null, rotary: { theta: 3e5, dim: 256, scaling: { kind: "linear", factor: 8 } } },
      ],
    });
    expect(parseModelConfig(gemma).attentionKinds).toEqual([
      { window: 9, rotary: { theta: 1e4, dim: 256, scaling: plain } },
    ]);
  });

  test("reads Phi-3 as transformers 4 and 5 write it, up to its original length", () => {
    const phi = {
      ...required,
      model_type: "phi3",
      max_position_embeddings: 4096,
      original_max_position_embeddings: 1024,
    };
    const factors = { short_factor: [1, 2, 3, 4], long_factor: [5, 6, 7, 8] };
    const four = {
      ...phi,
      partial_rotary_factor: 0.5,
      rope_theta: 100,
      rope_scaling: { type: "su", ...factors },
    };
    const nested = { rope_theta: 100, partial_rotary_factor: 0.5, ...factors };
    const five = { ...phi, rope_parameters: { rope_type: "longrope", ...nested } };
    expect(parseModelConfig(five)).toEqual(parseModelConfig(four));
    const attentionFactor = Math.sqrt(1 + Math.log(4) / Math.log(1024));
    expect(parseModelConfig(four)).toMatchObject({
      maxLength: 1024,
      attentionKinds: [
        {
          window: null,
          rotary: {
            theta: 100,
            dim: 8,
            scaling: { kind: "longrope", factors: [1, 2, 3, 4], attentionFactor },
          },
        },
      ],
    });
  });

  test("knows the defaults of each family", () => {
    const read = (model_type: string, fields: object = {}) =>
      parseModelConfig({ ...required, model_type, num_attention_heads: 16, ...fields });
    expect(read("mistral")).toMatchObject({ kvHeads: 8, attentionKinds: [{ window: 4096 }] });
    expect(read("mistral", { sliding_window: null }).attentionKinds[0]!.window).toBeNull();
    expect(read("gemma")).toMatchObject({ headDim: 256, tieWordEmbeddings: true, kvHeads: 16 });
    expect(read("gemma2")).toMatchObject({ attentionCap: 50, logitCap: 30, layerKinds: [0, 1, 0] });
    expect(read("gemma2", { attn_logit_softcapping: null }).attentionCap).toBeNull();
    expect(read("qwen3", { num_key_value_heads: 2 })).toMatchObject({ headDim: 128 });
    expect(read("smollm3", { num_hidden_layers: 5 })).toMatchObject({
      tieWordEmbeddings: true,
      attentionKinds: [{ rotary: { theta: 2e6 } }, { rotary: null }],
      layerKinds: [0, 0, 0, 1, 0],
    });
    expect(read("olmo2").norm.epsilon).toBe(1e-5);
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
    ["no architecture", {}, "unsupported", "qwen2_vl, smolvlm, got undefined"],
    ["another activation", { ...required, hidden_act: "gelu" }, "unsupported", 'got "gelu"'],
    [
      "another rotary scaling",
      { ...required, rope_scaling: { rope_type: "axial", factor: 4 } },
      "unsupported",
      'got "axial"',
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
    [
      "another type of layer",
      { ...required, model_type: "qwen2", num_key_value_heads: 2, layer_types: ["x", "y", "z"] },
      "unsupported",
      'layer_types: expected "full_attention" or "sliding_attention", got "x"',
    ],
    [
      "too few types of layers",
      { ...required, model_type: "gemma2", layer_types: ["full_attention"] },
      "format",
      "layer_types: expected a list for 3 layers",
    ],
    [
      "attention both ways",
      { ...required, model_type: "gemma3_text", use_bidirectional_attention: true },
      "unsupported",
      "use_bidirectional_attention: expected false, got true",
    ],
    [
      "layers with half a rotary embedding",
      { ...required, model_type: "smollm3", no_rope_layers: [1, 0.5, 0] },
      "format",
      "no_rope_layers: expected 0 or 1, got 0.5",
    ],
    [
      "too few divisors of LongRoPE",
      {
        ...required,
        model_type: "phi3",
        rope_scaling: { type: "longrope", short_factor: [1], long_factor: [1] },
      },
      "format",
      "short_factor: expected 8 positive numbers, got [1]",
    ],
    [
      "an odd share of rotated channels",
      { ...required, partial_rotary_factor: 0.2 },
      "format",
      "partial_rotary_factor: expected to leave an even number of channels, got 3 of 16",
    ],
    [
      "scores divided by the layer",
      {
        model_type: "gpt2",
        vocab_size: 9,
        n_embd: 8,
        n_layer: 1,
        n_head: 2,
        n_positions: 9,
        scale_attn_by_inverse_layer_idx: true,
      },
      "unsupported",
      "scale_attn_by_inverse_layer_idx: expected false, got true",
    ],
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
      "sliding_window",
      "layer_types",
      "no_rope_layers",
      "partial_rotary_factor",
      "eos_token_id",
      "tie_word_embeddings",
    ];
    const change = fc.dictionary(fc.constantFrom(...fields), fc.jsonValue());
    const families = ["llama", "mistral", "smollm3", "qwen2", "gemma2", "gemma3_text", "phi3"];
    const shared = { num_key_value_heads: 2, head_dim: 16 };
    const family = fc.constantFrom(...families);
    fc.assert(
      fc.property(change, family, fc.jsonValue(), (changes, model_type, generation) => {
        try {
          parseModelConfig({ ...required, ...shared, model_type, ...changes }, generation);
        } catch (error) {
          if (!InferenceError.is(error)) throw error;
        }
      }),
      { numRuns: 1000, seed: 1 },
    );
  });
});
