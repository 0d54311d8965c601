import { readFileSync } from "node:fs";

import { llamaConfigJson, randomWeights, tinyConfig, writeSafetensors } from "@frugal/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  type AttentionProfile,
  buildDecoder,
  buildProbe,
  groupedQueryAttention,
  parseModelConfig,
  quantizeCheckpoint,
  segmentedAttention,
} from "../src/index.ts";
import { encodeOnnxModel, type OnnxModel, onnxType } from "../src/onnx/model-proto.ts";
import { MemoryFiles, readWeights } from "./memory-files.ts";
import { readOnnx, type ReadModel } from "./read-onnx.ts";

const empty: OnnxModel = {
  name: "g",
  nodes: [],
  initializers: [],
  inputs: [],
  outputs: [],
  opsets: { "": 21 },
};

describe("encodeOnnxModel", () => {
  test("writes every kind of field so that ONNX's own schema reads it back", () => {
    const model = readOnnx(
      encodeOnnxModel({
        name: "graph",
        nodes: [
          {
            type: "Op",
            domain: "com.microsoft",
            inputs: ["x", "", "w"],
            outputs: ["y", "z"],
            attributes: {
              one: { int: 1 },
              minus: { int: -1 },
              most: { int: Number.MAX_SAFE_INTEGER },
              least: { int: -Number.MAX_SAFE_INTEGER },
              real: { float: -0.5 },
              word: { string: "exact" },
              list: { ints: [0, -2, 300] },
              none: { ints: [] },
            },
          },
        ],
        initializers: [
          { name: "w", type: "int64", dims: [0], data: new Uint8Array() },
          { name: "raw", type: "uint8", dims: [3], data: Uint8Array.of(1, 0, 255) },
          {
            name: "far",
            type: "bfloat16",
            dims: [2, 2 ** 31],
            data: { location: "модель.safetensors", offset: 2 ** 40, length: 2 ** 33 },
          },
        ],
        inputs: [{ name: "x", type: "float32", dims: [1, "s"] }],
        outputs: [{ name: "y", type: "bool", dims: [] }],
        opsets: { "": 21, "com.microsoft": 1 },
      }),
    );

    expect(model).toMatchObject({ irVersion: 10, producerName: "frugal" });
    expect(model.opsetImport).toEqual([
      { domain: "", version: 21 },
      { domain: "com.microsoft", version: 1 },
    ]);
    const [node] = model.graph.node;
    expect(node).toMatchObject({ opType: "Op", domain: "com.microsoft", name: "y" });
    expect(node!.input).toEqual(["x", "", "w"]);
    expect(node!.output).toEqual(["y", "z"]);
    const attributes = Object.fromEntries(node!.attribute.map((a) => [a["name"], a]));
    expect(attributes["one"]).toMatchObject({ type: 2, i: 1 });
    expect(attributes["minus"]).toMatchObject({ type: 2, i: -1 });
    expect(attributes["most"]).toMatchObject({ type: 2, i: Number.MAX_SAFE_INTEGER });
    expect(attributes["least"]).toMatchObject({ type: 2, i: -Number.MAX_SAFE_INTEGER });
    expect(attributes["real"]).toMatchObject({ type: 1, f: -0.5 });
    expect(new TextDecoder().decode(attributes["word"]!["s"] as Uint8Array)).toBe("exact");
    expect(attributes["word"]).toMatchObject({ type: 3 });
    expect(attributes["list"]).toMatchObject({ type: 7, ints: [0, -2, 300] });
    expect(attributes["none"]).toMatchObject({ type: 7, ints: [] });

    const [none, raw, far] = model.graph.initializer;
    expect(none).toMatchObject({ dims: [0], dataType: 7, dataLocation: 0 });
    expect([...raw!.rawData]).toEqual([1, 0, 255]);
    expect(far).toMatchObject({ dims: [2, 2 ** 31], dataType: 16, dataLocation: 1 });
    expect(far!.externalData).toEqual([
      { key: "location", value: "модель.safetensors" },
      { key: "offset", value: String(2 ** 40) },
      { key: "length", value: String(2 ** 33) },
    ]);
    const [x, y] = [model.graph.input[0]!, model.graph.output[0]!];
    expect(x.type.tensorType).toMatchObject({ elemType: 1 });
    expect(x.type.tensorType.shape.dim).toMatchObject([{ dimValue: 1 }, { dimParam: "s" }]);
    expect(y.type.tensorType).toMatchObject({ elemType: 9, shape: { dim: [] } });
  });

  test("numbers its types as ONNX does", () => {
    expect(onnxType).toEqual({
      float32: 1,
      uint8: 2,
      int8: 3,
      int32: 6,
      int64: 7,
      bool: 9,
      float16: 10,
      bfloat16: 16,
    });
  });

  test("round-trips any model", () => {
    const name = fc.string({ minLength: 1, unit: "grapheme" });
    const int = fc.maxSafeInteger();
    const attribute = fc.oneof(
      int.map((value) => ({ int: value })),
      fc.float({ noNaN: true }).map((value) => ({ float: value })),
      fc.string({ unit: "grapheme" }).map((value) => ({ string: value })),
      fc.array(int).map((value) => ({ ints: value })),
    );
    const type = fc.constantFrom(...(Object.keys(onnxType) as (keyof typeof onnxType)[]));
    const dims = fc.array(fc.nat());
    const arbitrary: fc.Arbitrary<OnnxModel> = fc.record({
      name,
      nodes: fc.array(
        fc.record({
          type: name,
          domain: fc.string(),
          inputs: fc.array(fc.string()),
          outputs: fc.array(name, { minLength: 1 }),
          attributes: fc.dictionary(name, attribute, { noNullPrototype: true }),
        }),
        { maxLength: 4 },
      ),
      initializers: fc.array(
        fc.record({
          name,
          type,
          dims,
          data: fc.oneof(
            fc.uint8Array(),
            fc.record({ location: name, offset: fc.nat(), length: fc.nat() }),
          ),
        }),
        { maxLength: 4 },
      ),
      inputs: fc.array(fc.record({ name, type, dims: fc.array(fc.oneof(fc.nat(), name)) })),
      outputs: fc.constant([]),
      opsets: fc.dictionary(name, fc.nat(), { noNullPrototype: true }),
    });
    fc.assert(
      fc.property(arbitrary, (model) => {
        const { graph, opsetImport } = readOnnx(encodeOnnxModel(model));
        expect(graph.name).toBe(model.name);
        expect(opsetImport).toEqual(
          Object.entries(model.opsets).map(([domain, version]) => ({ domain, version })),
        );
        expect(
          graph.node.map((node) => [node.opType, node.domain, node.input, node.output]),
        ).toEqual(model.nodes.map((node) => [node.type, node.domain, node.inputs, node.outputs]));
        for (const [i, node] of model.nodes.entries()) {
          const read = graph.node[i]!.attribute.map((a) => [
            a["name"],
            a["type"] === 1
              ? { float: a["f"] }
              : a["type"] === 2
                ? { int: a["i"] }
                : a["type"] === 3
                  ? { string: new TextDecoder().decode(a["s"] as Uint8Array) }
                  : { ints: a["ints"] },
          ]);
          expect(read).toEqual(Object.entries(node.attributes));
        }
        for (const [i, { data, ...rest }] of model.initializers.entries()) {
          const tensor = graph.initializer[i]!;
          expect([tensor.name, tensor.dims, tensor.dataType]).toEqual([
            rest.name,
            rest.dims,
            onnxType[rest.type],
          ]);
          const isInside = data instanceof Uint8Array;
          expect(tensor.rawData.length).toBe(isInside ? data.length : 0);
          expect([...tensor.rawData]).toEqual(isInside ? [...data] : []);
          expect(tensor.externalData.map(({ value }) => value)).toEqual(
            isInside ? [] : Object.values(data).map(String),
          );
        }
        expect(
          graph.input.map((value) =>
            value.type.tensorType.shape.dim.map((dim) => dim.dimParam || (dim.dimValue ?? 0)),
          ),
        ).toEqual(model.inputs.map((value) => value.dims));
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  test("does not lose a graph without anything in it", () => {
    expect(readOnnx(encodeOnnxModel(empty)).graph.name).toBe("g");
  });
});

const grouped = {
  ...tinyConfig,
  heads: 6,
  kvHeads: 2,
  tieWordEmbeddings: false,
  attentionBias: true,
  mlpBias: true,
};

async function tinyCheckpoint(reference = tinyConfig, dtype: "F32" | "BF16" = "BF16") {
  const config = parseModelConfig(llamaConfigJson(reference));
  const bytes = writeSafetensors(randomWeights(reference, 1), { dtype });
  const files = new MemoryFiles({ "model.safetensors": bytes });
  return { config, files, weights: await readWeights(files, "model.safetensors") };
}

describe.for<[string, AttentionProfile]>([
  ["segmented", segmentedAttention],
  ["grouped-query", groupedQueryAttention],
])("buildDecoder with %s attention", ([, profile]) => {
  test.for([
    ["a small model", tinyConfig],
    ["biases, grouped queries and a head of its own", grouped],
  ] as const)("is a valid graph over the file's own bytes: %s", async ([, reference]) => {
    const { config, files, weights } = await tinyCheckpoint(reference);
    const bytes = buildDecoder(config, { weights, quantization: null }, profile);
    const model = readOnnx(bytes);
    expectValidGraph(model);
    const covered = externalRanges(model);
    const ranges = [...weights.values()].map(({ offset, length }) => [offset, offset + length]);
    expect(covered).toEqual(mergeRanges(ranges));
    expect(covered[0]![1]).toBe(await files.size("model.safetensors"));
    expect(bytes.length).toBeLessThan(30_000);
  });

  test("is a valid graph over quantized weights", async () => {
    const { config, files, weights } = await tinyCheckpoint(grouped, "F32");
    const parts: Uint8Array[] = [];
    await quantizeCheckpoint(
      config,
      weights,
      { bits: 4, blockSize: 16 },
      ({ location, offset, length }) => files.read(location, offset, length),
      async (part) => void parts.push(part.slice()),
    );
    files.add("q.safetensors", Uint8Array.from(parts.flatMap((part) => [...part])));
    const quantized = await readWeights(files, "q.safetensors");
    const quantization = { blockSize: 16, accuracyLevel: 4 } as const;
    const model = readOnnx(buildDecoder(config, { weights: quantized, quantization }, profile));
    expectValidGraph(model);
    const products = model.graph.node.filter((node) => node.opType === "MatMulNBits");
    // q with k and v, o, gate with up, down; and the head.
    expect(products.length).toBe(4 * config.layers + 1);
    const ranges = [...quantized.values()].map(({ offset, length }) => [offset, offset + length]);
    expect(externalRanges(model)).toEqual(mergeRanges(ranges));
  });
});

test("the graphs of the embedded models are valid and small", async () => {
  for (const name of ["frugal-tiny", "frugal-tiny-draft"]) {
    const folder = new URL(`../../../models/${name}/`, import.meta.url);
    const files = new MemoryFiles({
      "model.safetensors": readFileSync(new URL("model.safetensors", folder)),
    });
    const config = parseModelConfig(
      JSON.parse(readFileSync(new URL("config.json", folder), "utf8")),
    );
    const weights = await readWeights(files, "model.safetensors");
    const bytes = buildDecoder(config, { weights, quantization: null }, segmentedAttention);
    expectValidGraph(readOnnx(bytes));
    expect(bytes.length).toBeLessThan(60_000);
  }
});

test("the probe is a valid graph of one node", () => {
  const model = readOnnx(buildProbe());
  expectValidGraph(model);
  expect(model.graph.node.map((node) => node.opType)).toEqual(["Add"]);
});

test("a checkpoint that lacks a tensor, or has it in another shape or type, is refused", async () => {
  const { config, weights } = await tinyCheckpoint();
  const build = (name: string, change: object | null) => () => {
    const changed = new Map(weights);
    const weight = changed.get(name)!;
    if (change === null) changed.delete(name);
    else changed.set(name, { ...weight, ...change });
    return buildDecoder(config, { weights: changed, quantization: null }, segmentedAttention);
  };
  for (const name of weights.keys()) {
    expect(build(name, null)).toThrow(expect.objectContaining({ code: "format" }));
    expect(build(name, { shape: [3] })).toThrow(expect.objectContaining({ code: "shape" }));
    for (const dtype of ["U8", "I8", "F64", "F8_E4M3"]) {
      expect(build(name, { dtype })).toThrow(expect.objectContaining({ code: "unsupported" }));
    }
    expect(build(name, null)).toThrow(name);
  }
});

/** Names are unique, and every node reads only what is there before it runs. */
function expectValidGraph({ graph }: ReadModel): void {
  const problems: string[] = [];
  const known = new Set<string>();
  const define = (name: string): void => {
    if (known.has(name)) problems.push(`${name} is defined twice`);
    known.add(name);
  };
  const use = (name: string): void => {
    if (!known.has(name)) problems.push(`${name} is used before it is there`);
  };
  for (const { name } of [...graph.input, ...graph.initializer]) define(name);
  for (const { input, output } of graph.node) {
    input.filter((name) => name !== "").forEach(use);
    output.filter((name) => name !== "").forEach(define);
  }
  for (const { name } of graph.output) use(name);
  const read = new Set(graph.node.flatMap((node) => node.input));
  for (const { name } of graph.initializer) {
    if (!read.has(name)) problems.push(`${name} is never used`);
  }
  expect(problems).toEqual([]);
  for (const list of [graph.node, graph.output]) {
    expect(new Set(list.map(({ name }) => name)).size).toBe(list.length);
  }
}

/** The bytes that a model's initializers refer to, as merged ranges. */
function externalRanges({ graph }: ReadModel): number[][] {
  const ranges = graph.initializer.flatMap((tensor) => {
    if (tensor.dataLocation !== 1) return [];
    const entries = Object.fromEntries(tensor.externalData.map(({ key, value }) => [key, value]));
    const [offset, length] = [Number(entries["offset"]), Number(entries["length"])];
    const size = { 1: 4, 2: 1, 10: 2, 16: 2 }[tensor.dataType]!;
    expect(length).toBe(tensor.dims.reduce((product, dim) => product * dim, size));
    return [[offset, offset + length]];
  });
  return mergeRanges(ranges);
}

function mergeRanges(ranges: readonly number[][]): number[][] {
  const merged: number[][] = [];
  for (const [from, to] of ranges.toSorted((a, b) => a[0]! - b[0]!)) {
    const last = merged.at(-1);
    if (last !== undefined && from! <= last[1]!) last[1] = Math.max(last[1]!, to!);
    else merged.push([from!, to!]);
  }
  return merged;
}
