import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import {
  createReferenceTransformer,
  expectClose,
  llamaConfigJson,
  loadReferenceWeights,
  parseLlamaConfig,
  randomWeights,
  readSafetensors,
  roundToBfloat16,
  tinyConfig,
  writeSafetensors,
  type TensorMap,
} from "../src/index.ts";

const row = (...values: number[]): TensorMap =>
  new Map([["x", { shape: [values.length], data: Float32Array.from(values) }]]);

const roundTrip = (values: number[], dtype: "F32" | "F16" | "BF16"): number[] => [
  ...readSafetensors(writeSafetensors(row(...values), { dtype })).tensors.get("x")!.data,
];

describe("writeSafetensors", () => {
  test("writes a padded header with offsets from its end, then the values", () => {
    const tensors: TensorMap = new Map([
      ["a", { shape: [2, 1], data: Float32Array.of(1, -2) }],
      ["b", { shape: [], data: Float32Array.of(0.5) }],
    ]);
    const bytes = writeSafetensors(tensors, { metadata: { format: "pt" } });
    const view = new DataView(bytes.buffer);
    const length = Number(view.getBigUint64(0, true));
    expect(length % 8).toBe(0);
    expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toEqual({
      __metadata__: { format: "pt" },
      a: { dtype: "F32", shape: [2, 1], data_offsets: [0, 8] },
      b: { dtype: "F32", shape: [], data_offsets: [8, 12] },
    });
    expect(bytes.length).toBe(8 + length + 12);
    expect(view.getFloat32(8 + length + 4, true)).toBe(-2);
  });

  test("reads back what it wrote", () => {
    const tensors = randomWeights(tinyConfig, 1);
    const file = readSafetensors(writeSafetensors(tensors, { metadata: { made: "here" } }));
    expect(file.tensors).toEqual(tensors);
    expect(file.metadata).toEqual({ made: "here" });
  });

  test("rounds bfloat16 to nearest, ties to even", () => {
    const exact = [0, -0, 1, -1.5, Infinity, -Infinity, 2 ** -126, 3.3895313892515355e38];
    expect(roundTrip(exact, "BF16")).toEqual(exact);
    const step = 2 ** -7;
    const between = [1 + step / 2, 1 + 1.5 * step, 1 + 0.51 * step, -1 - step / 2, 3.4e38];
    const rounded = [1, 1 + 2 * step, 1 + step, -1, Infinity];
    expect(roundTrip(between, "BF16")).toEqual(rounded);
    expect(roundTrip([Number.NaN], "BF16")).toEqual([Number.NaN]);
    expect([...roundToBfloat16(row(...between)).get("x")!.data]).toEqual(rounded);
  });

  test("rounds float16 to nearest, ties to even, through the subnormals", () => {
    const exact = [0, -0, 1, -1.5, Infinity, 65504, 2 ** -14, 2 ** -24, -3 * 2 ** -24];
    expect(roundTrip(exact, "F16")).toEqual(exact);
    const between = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25, 3 * 2 ** -25, 2047.5];
    const rounded = [1, 1 + 2 ** -9, 65504, Infinity, 0, 2 ** -23, 2048];
    expect(roundTrip(between, "F16")).toEqual(rounded);
  });
});

describe("readSafetensors", () => {
  test("reads 64-bit integers as numbers", () => {
    const header = '{"ids":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}}';
    const bytes = new Uint8Array(8 + header.length + 16);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(header.length), true);
    bytes.set(new TextEncoder().encode(header), 8);
    view.setBigInt64(8 + header.length, -5n, true);
    view.setBigInt64(16 + header.length, 2n ** 40n, true);
    expect(readSafetensors(bytes).integers.get("ids")).toEqual({ shape: [2], data: [-5, 2 ** 40] });
  });

  test("refuses other types", () => {
    const bytes = writeSafetensors(row(1));
    const other = new TextDecoder("latin1").decode(bytes).replace("F32", "I08");
    const broken = Uint8Array.from(other, (c) => c.charCodeAt(0));
    expect(() => readSafetensors(broken)).toThrow(
      expect.toSatisfy((error: unknown) => InferenceError.is(error, "unsupported")),
    );
  });
});

test("a model written to files and read back gives the same logits", async () => {
  const config = { ...tinyConfig, tieWordEmbeddings: false, attentionBias: true };
  const tensors = roundToBfloat16(randomWeights(config, 3));
  const json = JSON.stringify(llamaConfigJson(config));
  expect(parseLlamaConfig(json)).toEqual({ ...config, mlpBias: false });
  const weights = loadReferenceWeights(json, writeSafetensors(tensors, { dtype: "BF16" }));
  const [actual, expected] = await Promise.all(
    [weights, { config, tensors }].map(async (source) => {
      const sequence = await createReferenceTransformer(source).createSequence();
      const { logits } = await sequence.step(
        { tokens: Uint32Array.of(3, 1, 4) },
        { logits: "all" },
      );
      return logits!;
    }),
  );
  expectClose(actual!, expected!, 0);
});
