import fc from "fast-check";
import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { decoderSignature } from "../src/exported/decoder-signature.ts";
import { addOutputs } from "../src/exported/add-outputs.ts";
import { GraphBuilder } from "../src/graph/graph-builder.ts";
import { summarizeModel } from "../src/onnx/model-summary.ts";
import { protobufFields } from "../src/onnx/protobuf-reader.ts";
import { ProtobufWriter } from "../src/onnx/protobuf-writer.ts";
import { relocateWeights } from "../src/onnx/relocate-weights.ts";
import { readOnnx } from "./read-onnx.ts";

/** A decoder in outline: weights in two files, one of them with a name of its own. */
function model(): Uint8Array {
  const graph = new GraphBuilder();
  const ids = graph.input("input_ids", "int64", ["batch", "s"]);
  const past = graph.input("past_key_values.0.key", "float32", ["batch", 2, "past", 4]);
  const data = { location: "a.data", offset: 4096, length: 240 };
  const table = graph.external("table", "float32", [10, 6], data);
  graph.external("blocks", "uint8", [3, 5], { location: "文件", offset: 0, length: 15 });
  graph.output("present.0.key", graph.node("Identity", [past]), "float32", ["batch", 2, "past", 4]);
  graph.output("logits", graph.node("Gather", [table, ids]), "float32", ["batch", "s", 6]);
  return graph.finish("outline");
}

/** Nodes with one input and one output each. */
function writeNodes(graph: ProtobufWriter, nodes: readonly (readonly [string, string])[]): void {
  for (const [input, output] of nodes) {
    graph.message(1, (node) => {
      node.string(1, input);
      node.string(2, output);
      node.string(4, "Identity");
    });
  }
}

/** An input of one dimension. */
function writeInput(graph: ProtobufWriter, dim: number): void {
  graph.message(11, (value) => {
    value.string(1, "x");
    value.message(2, (type) =>
      type.message(1, (tensor) => {
        tensor.int(1, 1);
        tensor.message(2, (shape) => shape.message(1, (to) => to.int(1, dim)));
      }),
    );
  });
}

describe("summarizeModel", () => {
  test("reads what a session would say, and what the file needs", () => {
    expect(summarizeModel(model())).toMatchObject({
      opset: 21,
      weights: 60 + 2 * 15,
      locations: new Map([
        ["a.data", 4336],
        ["文件", 15],
      ]),
      inputs: [
        { name: "input_ids", isTensor: true, type: "int64", shape: ["batch", "s"] },
        {
          name: "past_key_values.0.key",
          isTensor: true,
          type: "float32",
          shape: ["batch", 2, "past", 4],
        },
      ],
      outputs: [
        { name: "present.0.key", isTensor: true, type: "float32", shape: ["batch", 2, "past", 4] },
        { name: "logits", isTensor: true, type: "float32", shape: ["batch", "s", 6] },
      ],
    });
  });

  test("reads dimensions that come packed, and inputs that are constants", () => {
    const writer = new ProtobufWriter();
    writer.message(7, (graph) => {
      graph.message(5, (tensor) => {
        tensor.bytes(1, Uint8Array.of(3, 0x80, 0x02));
        tensor.int(2, 1);
        tensor.string(8, "weight");
      });
      for (const name of ["weight", "x"]) graph.message(11, (value) => value.string(1, name));
    });
    const { weights, inputs } = summarizeModel(writer.finish());
    expect(weights).toBe(3 * 256);
    expect(inputs).toEqual([{ name: "x", isTensor: false }]);
  });

  test.for<[string, (graph: ProtobufWriter) => void, RegExp]>([
    [
      "a node that waits for itself",
      (graph) =>
        writeNodes(graph, [
          ["a", "b"],
          ["b", "a"],
        ]),
      /waits/,
    ],
    [
      "an output that nothing makes",
      (graph) => graph.message(12, (value) => value.string(1, "logits")),
      /makes output logits/,
    ],
    [
      "a negative dimension of a constant",
      (graph) => graph.message(5, (tensor) => tensor.int(1, -5)),
      /dimension below 2\^53, got a negative one/,
    ],
    [
      "a negative dimension of an input",
      (graph) => writeInput(graph, -1),
      /dimension below 2\^53, got a negative one/,
    ],
    [
      "a constant that is cut off",
      (graph) =>
        graph.message(5, (tensor) => {
          for (const dim of [4, 5]) tensor.int(1, dim);
          tensor.int(2, 1);
          tensor.string(8, "w");
          tensor.bytes(9, new Uint8Array(79));
        }),
      /constant w \[4, 5\]: expected 80 bytes, found 79/,
    ],
    [
      "a constant that claims more than any file has",
      (graph) =>
        graph.message(5, (tensor) => {
          for (let i = 0; i < 3; i++) tensor.int(1, 2 ** 52);
          tensor.int(2, 1);
          tensor.bytes(9, new Uint8Array(0));
        }),
      /expected \d.*e\+47 bytes, found 0/,
    ],
    [
      "external data before the beginning of a file",
      (graph) =>
        graph.message(5, (tensor) => {
          tensor.int(2, 1);
          for (const [key, value] of Object.entries({ location: "a", offset: "-8" })) {
            tensor.message(13, (entry) => {
              entry.string(1, key);
              entry.string(2, value);
            });
          }
        }),
      /external data: offset -8/,
    ],
    [
      "graphs in graphs without end",
      (graph) => {
        const nest = (writer: ProtobufWriter, depth: number): void =>
          writer.message(1, (node) =>
            node.message(5, (attribute) =>
              attribute.message(6, (inner) => depth > 0 && nest(inner, depth - 1)),
            ),
          );
        nest(graph, 60);
      },
      /graphs in each other/,
    ],
  ])("refuses %s", ([, write, message]) => {
    const writer = new ProtobufWriter();
    writer.message(7, write);
    const summarize = () => summarizeModel(writer.finish());
    expect(summarize).toThrow(message);
    expect(summarize).toThrow(expect.objectContaining({ code: "format" }));
  });

  test("any bytes give a summary or an error of ours", () => {
    const valid = model();
    const attempt = (bytes: Uint8Array): void => {
      try {
        summarizeModel(bytes);
        relocateWeights(bytes, (name) => name);
      } catch (error) {
        if (!InferenceError.is(error, "format")) throw error;
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), attempt));
    const change = fc.record({
      at: fc.nat(valid.length - 1),
      to: fc.nat(255),
      end: fc.nat(valid.length),
    });
    fc.assert(
      fc.property(change, ({ at, to, end }) => {
        const changed = valid.slice(0, end);
        changed[at] = to;
        attempt(changed);
      }),
    );
  });

  test("reads every number that protobuf writes", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 500 }), (value, field) => {
        const writer = new ProtobufWriter();
        writer.int(field, value);
        writer.float(field, 0.5);
        writer.string(field + 1, "é");
        const fields = [...protobufFields(writer.finish())];
        expect(fields.map((one) => [one.field, one.value, one.bytes.length])).toEqual([
          [field, value, 0],
          [field, 0, 0],
          [field + 1, 0, 2],
        ]);
        expect(Buffer.concat(fields.map((one) => one.raw)).equals(writer.finish())).toBe(true);
      }),
    );
  });
});

describe("relocateWeights", () => {
  test("changes the names of files and not one byte else", () => {
    const moved = relocateWeights(model(), (name) =>
      name === "a.data" ? "0123456789abcdef" : name,
    );
    const [before, after] = [readOnnx(model()), readOnnx(moved)];
    const [table, ...others] = after.graph.initializer;
    expect(table!.externalData).toContainEqual({ key: "location", value: "0123456789abcdef" });
    expect(table!.externalData).toContainEqual({ key: "offset", value: "4096" });
    expect(others).toEqual(before.graph.initializer.slice(1));
    expect({ ...after, graph: { ...after.graph, initializer: [] } }).toEqual({
      ...before,
      graph: { ...before.graph, initializer: [] },
    });
    const same = relocateWeights(model(), (name) => name);
    expect(Buffer.compare(same, model())).toBe(0);
  });

  test("preserves fields that nobody knows", () => {
    const writer = new ProtobufWriter();
    writer.string(999, "future");
    writer.raw(model());
    writer.int(998, 7);
    const moved = relocateWeights(writer.finish(), (name) => name);
    expect(Buffer.compare(moved, writer.finish())).toBe(0);
  });
});

describe("addOutputs", () => {
  test("appends a part that reads the logits, and leaves the rest alone", () => {
    const { inputs, outputs } = summarizeModel(model());
    const edited = addOutputs(model(), decoderSignature(inputs, outputs), {
      vocabSize: 6,
      hiddenSize: 6,
      stream: null,
    });
    expect(Buffer.compare(edited.subarray(0, model().length), model())).toBe(0);
    // That ONNX Runtime joins the two is shown where it runs them; this decoder does not.
    const { graph } = readOnnx(edited.subarray(model().length));
    expect(graph.input.map((input) => input.name)).toEqual(["frugal.top_extent", "frugal.top_k"]);
    expect(graph.output.map((output) => output.name)).toEqual([
      "frugal.top_values",
      "frugal.top_ids",
      "frugal.log_sum_exp",
    ]);
    const made = graph.node.flatMap((node) => node.output);
    expect(new Set(made).size).toBe(made.length);
  });
});
