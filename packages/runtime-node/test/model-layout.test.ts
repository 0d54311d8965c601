import { describe, expect, test } from "vitest";

import { modelLayout, type OnnxLayout } from "../src/model-layout.ts";

const onnx = (names: readonly string[], genai: object | null = null, options = {}): OnnxLayout => {
  const layout = modelLayout(names, genai && JSON.stringify(genai), options);
  expect(layout.kind).toBe("onnx");
  return layout as OnnxLayout;
};

describe("modelLayout", () => {
  test("prefers safetensors, and the one file to shards", () => {
    const names = ["model.safetensors", "model.safetensors.index.json", "onnx/model.onnx"];
    expect(modelLayout(names, null)).toEqual({
      kind: "safetensors",
      index: null,
      files: ["model.safetensors"],
    });
    expect(modelLayout(names.slice(1), null)).toMatchObject({ index: names[1] });
    expect(modelLayout(names, null, { format: "onnx" })).toMatchObject({ kind: "onnx" });
  });

  test("takes the widest weights that are there, or those that are asked for", () => {
    const names = ["onnx/model_q4.onnx", "onnx/model_quantized.onnx", "onnx/model_q4f16.onnx"];
    expect(onnx(names).decoder).toBe("onnx/model_quantized.onnx");
    expect(onnx([...names, "onnx/model.onnx"]).decoder).toBe("onnx/model.onnx");
    expect(onnx(names, null, { variant: "q4" }).decoder).toBe("onnx/model_q4.onnx");
    expect(onnx(names, null, { variant: "q4f16" }).decoder).toBe("onnx/model_q4f16.onnx");
    expect(() => onnx(names, null, { variant: "fp16" })).toThrow(/"fp16".*onnx\/model_q4.onnx/);
  });

  test("takes the parts of a vision-language model, each in the wanted variant or the widest", () => {
    const names = [
      "onnx/decoder_model_merged_q4.onnx",
      "onnx/decoder_model_merged_q4.onnx_data",
      "onnx/decoder_model_merged_q4.onnx_data_1",
      "onnx/decoder_model_merged_q4f16.onnx_data",
      "onnx/embed_tokens.onnx",
      "onnx/embed_tokens.onnx_data",
      "onnx/vision_encoder_fp16.onnx",
      "onnx/vision_encoder_q4.onnx",
    ];
    expect(onnx(names, null, { variant: "q4" })).toEqual({
      kind: "onnx",
      decoder: names[0],
      embedding: "onnx/embed_tokens.onnx",
      vision: "onnx/vision_encoder_q4.onnx",
      files: [names[0], names[4], names[7], names[1], names[2], names[5]],
    });
    expect(onnx(names).vision).toBe("onnx/vision_encoder_fp16.onnx");
  });

  test("takes the variant beside what genai_config.json names, or in the other layout", () => {
    const genai = {
      model: { decoder: { filename: "model_q4.onnx" }, embedding: { filename: "embedding.onnx" } },
    };
    const names = [
      "embedding.onnx",
      "embedding_fp16.onnx",
      "model.onnx",
      "model.onnx.data",
      "model_fp16.onnx",
      "model_fp16.onnx.data",
      "model_q4.onnx",
      "onnx/model_int8.onnx",
      "onnx/model_int8.onnx_data",
    ];
    expect(onnx(names, genai).decoder).toBe("model_q4.onnx");
    expect(onnx(names, genai, { variant: "fp32" }).files).toEqual([
      "model.onnx",
      "embedding.onnx",
      "model.onnx.data",
    ]);
    expect(onnx(names, genai, { variant: "fp16" })).toMatchObject({
      decoder: "model_fp16.onnx",
      embedding: "embedding_fp16.onnx",
      files: ["model_fp16.onnx", "embedding_fp16.onnx", "model_fp16.onnx.data"],
    });
    expect(onnx(names, genai, { variant: "int8" }).files).toEqual([
      "onnx/model_int8.onnx",
      "onnx/model_int8.onnx_data",
    ]);
    expect(() => onnx(names, genai, { variant: "bnb4" })).toThrow(/"bnb4" weights, found .*_q4/);
  });

  test("takes what genai_config.json names", () => {
    const genai = {
      model: {
        decoder: { filename: "text.onnx" },
        vision: { filename: "eye.onnx" },
        embedding: { filename: "table.onnx" },
      },
    };
    const names = ["text.onnx", "text.onnx.data", "eye.onnx", "table.onnx", "model.onnx"];
    expect(onnx(names, genai)).toMatchObject({
      decoder: "text.onnx",
      vision: "eye.onnx",
      embedding: "table.onnx",
      files: ["text.onnx", "table.onnx", "eye.onnx", "text.onnx.data"],
    });
    expect(() => onnx(["eye.onnx"], genai)).toThrow(/filename "text.onnx": no such file/);
    expect(() => onnx(names, { model: {} })).toThrow("model.decoder.filename: missing");
    expect(() => onnx(names, { model: { decoder: { filename: "../x" } } })).toThrow(
      "bad file name",
    );
    expect(() => modelLayout(names, "{")).toThrow("genai_config.json: not JSON");
    for (const text of ["null", "5", "[]", '{"model":null}', '{"model":{"decoder":5}}']) {
      expect(() => modelLayout(names, text)).toThrow(expect.objectContaining({ code: "format" }));
    }
  });

  test("takes a single graph of any name", () => {
    expect(onnx(["story.onnx", "config.json"]).decoder).toBe("story.onnx");
    expect(() => onnx(["a.onnx", "b.onnx"])).toThrow("found a.onnx, b.onnx");
  });

  test("says what it found instead", () => {
    const names = ["config.json", "pytorch_model.bin", "README.md"];
    expect(() => modelLayout(names, null)).toThrow(
      "model: expected model.safetensors, an ONNX graph or one GGUF file (`file` says which), found pytorch_model.bin",
    );
    expect(() => modelLayout([], null)).toThrow("found no files");
    expect(() => modelLayout(["onnx/model.onnx"], null, { format: "safetensors" })).toThrow(
      "expected model.safetensors, found onnx/model.onnx",
    );
  });
});
