import { describe, expect, test } from "vitest";

import { decoderSignature } from "../../src/exported/decoder-signature.ts";
import { genaiNames } from "../../src/exported/genai-names.ts";

type Type = "float32" | "float16" | "int64" | "int32" | "bool" | "float64";
const tensor = (name: string, type: Type, shape: (number | string)[]) =>
  ({ name, isTensor: true, type, shape }) as const;
const past = (name: string, type: Type = "float32") => tensor(name, type, ["b", 2, "past", 8]);
const ids = tensor("input_ids", "int64", ["b", "s"]);
const logits = tensor("logits", "float32", ["b", "s", 32]);

const usual = {
  inputs: [
    ids,
    tensor("attention_mask", "int64", ["b", "t"]),
    past("past_key_values.0.key"),
    past("past_key_values.0.value"),
  ],
  outputs: [logits, past("present.0.key"), past("present.0.value")],
};

describe("decoderSignature", () => {
  test("reads the layout of optimum", () => {
    const signature = decoderSignature(usual.inputs, usual.outputs);
    expect(signature).toMatchObject({
      ids: { name: "input_ids", type: "int64" },
      mask: { name: "attention_mask" },
      positions: null,
      embeddings: null,
      logitCount: null,
      logits: { name: "logits", type: "float32", vocabSize: 32 },
    });
    expect(signature.cache).toEqual([
      {
        name: "past_key_values.0.key",
        present: "present.0.key",
        type: "float32",
        layer: 0,
        side: "key",
        before: [1, 2],
        width: 8,
      },
      {
        name: "past_key_values.0.value",
        present: "present.0.value",
        type: "float32",
        layer: 0,
        side: "value",
        before: [1, 2],
        width: 8,
      },
    ]);
  });

  test("reads keys and values in one tensor, three rows of positions, and what else there is", () => {
    const both = (name: string) => tensor(name, "float32", [2, "b", 4, "past", 8]);
    const inputs = [
      tensor("inputs_embeds", "float16", ["b", "s", 64]),
      tensor("position_ids", "int64", [3, "b", "s"]),
      tensor("num_logits_to_keep", "int64", []),
      tensor("attention_bias", "float32", ["b", 1, "s", "t"]),
      tensor("use_cache_branch", "bool", [1]),
      both("past_3"),
    ];
    expect(decoderSignature(inputs, [logits, both("present_3")])).toMatchObject({
      ids: null,
      embeddings: { type: "float16", width: 64 },
      positions: { rows: 3 },
      logitCount: { type: "int64" },
      bias: { name: "attention_bias" },
      branch: { name: "use_cache_branch" },
      cache: [{ layer: 3, side: null, before: [2, 1, 4], width: 8 }],
    });
  });

  test("reads the names that genai_config.json gives", () => {
    const genai = {
      model: {
        decoder: {
          inputs: { input_ids: "ids", past_key_names: "k.%d.in", past_value_names: "v.%d.in" },
          outputs: {
            logits: "scores",
            present_key_names: "k.%d.out",
            present_value_names: "v.%d.out",
          },
        },
      },
    };
    const inputs = [tensor("ids", "int32", ["b", "s"]), past("k.12.in"), past("v.12.in")];
    const outputs = [
      tensor("scores", "float32", ["b", "s", "v"]),
      past("k.12.out"),
      past("v.12.out"),
    ];
    expect(decoderSignature(inputs, outputs, genaiNames(genai))).toMatchObject({
      ids: { name: "ids", type: "int32" },
      logits: { name: "scores", vocabSize: null },
      cache: [
        { name: "k.12.in", present: "k.12.out", layer: 12 },
        { name: "v.12.in", side: "value" },
      ],
    });
    for (const odd of [
      null,
      {},
      { model: 1 },
      { model: { decoder: { inputs: { input_ids: 5 } } } },
    ]) {
      expect(genaiNames(odd)("input_ids")).toBe("input_ids");
    }
  });

  test.for<[string, Partial<typeof usual>, string]>([
    ["no logits", { outputs: usual.outputs.slice(1) }, "no output called logits"],
    [
      "no cache",
      { inputs: [ids] as never, outputs: [logits] as never },
      "no inputs for cached keys",
    ],
    ["no text", { inputs: usual.inputs.slice(1) }, "neither input_ids nor inputs_embeds"],
    [
      "a cache that does not come out",
      { outputs: usual.outputs.slice(0, 2) },
      "past_key_values.0.value",
    ],
    ["a recurrent state", { inputs: [...usual.inputs, past("past_conv.0")] }, "past_conv.0"],
    [
      "the states of an encoder",
      { inputs: [...usual.inputs, past("encoder_hidden_states")] },
      "encoder_hidden_states",
    ],
    [
      "ids of another type",
      { inputs: [tensor("input_ids", "float64", []), ...usual.inputs.slice(1)] as never },
      "float64",
    ],
    [
      "a cache of unknown width",
      { inputs: [ids, tensor("past_key_values.0.key", "float32", ["b", 2, "p", "d"])] as never },
      "[b, 2, p, d]",
    ],
  ])("refuses %s, naming it", ([, change, message]) => {
    const { inputs, outputs } = { ...usual, ...change };
    expect(() => decoderSignature(inputs, outputs)).toThrow(message);
    expect(() => decoderSignature(inputs, outputs)).toThrow(
      expect.objectContaining({ code: "unsupported" }),
    );
  });
});
