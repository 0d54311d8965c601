import { describe, expect, test } from "vitest";

import type { DecoderSignature } from "../../src/exported/decoder-signature.ts";
import { findResidualStream } from "../../src/exported/residual-stream.ts";
import { type GraphNode, sortNodes } from "../../src/onnx/read-nodes.ts";

/** `outputs = type(inputs)`, separated by spaces; `_` for an output that is not there. */
function parse(line: string): GraphNode {
  const [outputs, call] = line.split(" = ") as [string, string];
  const [type, ...inputs] = call.split(" ");
  const made = outputs.split(" ").map((name) => (name === "_" ? "" : name));
  return { type: type!, inputs, inner: [], outputs: made, ints: new Map() };
}

const float = "float32" as const;

/** A signature with this many layers, of which only the names matter. */
function signature(layers: number, takes: "ids" | "embeddings" = "ids"): DecoderSignature {
  const port = (layer: number) => ({
    name: `past.${layer}`,
    present: `present.${layer}`,
    layer,
    side: "key" as const,
    type: float,
    before: [1, 1],
    width: 2,
  });
  return {
    ids: takes === "ids" ? { name: "ids", type: "int64" } : null,
    embeddings: takes === "ids" ? null : { name: "embeds", type: float, width: 4 },
    mask: null,
    positions: null,
    logitCount: null,
    bias: null,
    branch: null,
    logits: { name: "logits", type: float, vocabSize: 4 },
    cache: Array.from({ length: layers }, (_, layer) => port(layer)),
  };
}

const find = (lines: readonly string[], of: DecoderSignature) =>
  findResidualStream(sortNodes(lines.map(parse)), of);

/** A layer in single operators, with a norm of several nodes, from `h{l}` to `h{l+1}`. */
const layer = (l: number): string[] => [
  `square${l} = Pow h${l} two`,
  `mean${l} = ReduceMean square${l}`,
  `rate${l} = Sqrt mean${l}`,
  `x${l} = Div h${l} rate${l}`,
  `shape${l} = Shape x${l}`,
  `k${l} = MatMul x${l} wk${l}`,
  `present.${l} = Concat past.${l} k${l}`,
  `q${l} = MatMul x${l} wq${l}`,
  `attended${l} = MatMul q${l} present.${l}`,
  `mixed${l} = Reshape attended${l} shape${l}`,
  `mid${l} = Add h${l} mixed${l}`,
  `norm${l} = SimplifiedLayerNormalization mid${l} g${l}`,
  `up${l} = MatMul norm${l} wu${l}`,
  `biased${l} = Add up${l} b${l}`,
  `h${l + 1} = Add mid${l} biased${l}`,
];
const head = (l: number): string[] => [
  `final = SimplifiedLayerNormalization h${l} g`,
  "logits = MatMul final wh",
];

describe("findResidualStream", () => {
  test("finds sums between layers, whatever the order of the nodes", () => {
    const lines = ["h0 = Gather table ids", ...layer(0), ...layer(1), ...layer(2), ...head(3)];
    const expected = { states: [["h0"], ["h1"], ["h2"], ["h3"]], final: "final" };
    expect(find(lines, signature(3))).toEqual(expected);
    expect(find([...lines].reverse(), signature(3))).toEqual(expected);
  });

  test("sees sums inside of norms, and makes the last one", () => {
    const fused = (l: number, sum: string): string[] => [
      `attended${l} present.${l} _ = GroupQueryAttention x${l} k v past.${l}`,
      `o${l} = MatMul attended${l} wo${l}`,
      `y${l} _ _ mid${l} = SkipSimplifiedLayerNormalization ${sum} o${l} g`,
      `down${l} = MatMul y${l} wd${l}`,
    ];
    const lines = [
      "x0 = SimplifiedLayerNormalization embeds g",
      ...fused(0, "embeds"),
      "x1 _ _ h1 = SkipSimplifiedLayerNormalization mid0 down0 g",
      ...fused(1, "h1"),
      "final = SkipSimplifiedLayerNormalization mid1 down1 g b",
      "logits = MatMulNBits final wh",
    ];
    expect(find(lines, signature(2, "embeddings"))).toEqual({
      states: [["embeds"], ["h1"], ["mid1", "down1", "b"]],
      final: "final",
    });
  });

  test("looks through casts, scales of products and parallel parts", () => {
    const lines = [
      "table0 = Gather table ids",
      "h0 = Mul table0 sqrt",
      "x0 = LayerNormalization h0 g",
      "kv0 = MatMul x0 wkv",
      "present.0 = Concat past.0 kv0",
      "attended0 = MatMul x0 present.0",
      "mlp0 = MatMul x0 w",
      "both0 = Add attended0 mlp0",
      "sum0 = Add h0 both0",
      "wide0 = Cast sum0",
      "x1 = LayerNormalization wide0 g",
      "half1 = Cast wide0",
      "kv1 = MatMul x1 wkv",
      "present.1 = Concat past.1 kv1",
      "attended1 = MatMul x1 present.1",
      "h2 = Add half1 attended1",
      "kept = Slice h2 start end",
      "final = LayerNormalization kept g",
      "bytes scale zero = DynamicQuantizeLinear final",
      "whole = MatMulInteger bytes wh zero",
      "float = Cast whole",
      "raw = Mul float scale",
      "softcap = Tanh raw",
      "logits = Mul softcap cap",
    ];
    expect(find(lines, signature(2))).toEqual({
      states: [["h0"], ["wide0"], ["h2"]],
      final: "final",
    });
  });

  test.for<[string, string[], RegExp]>([
    [
      "norms behind the sums",
      [
        "h0 = Gather table ids",
        ...layer(0).slice(0, -1),
        "sum = Add mid0 biased0",
        "h1 = LayerNormalization sum g",
        ...layer(1),
        ...head(2),
      ],
      /no sum before layer 1, but LayerNormalization/,
    ],
    [
      "a cache that two layers read",
      [
        "h0 = Gather table ids",
        ...layer(0),
        ...layer(1).map((line) => line.replace("q1 = MatMul x1 wq1", "q1 = MatMul x1 present.0")),
        ...head(2),
      ],
      /no hidden state before layer 1/,
    ],
    [
      "a decoder inside an If",
      ["logits present.0 present.1 = If ids past.0 past.1"],
      /no product that makes the logits/,
    ],
    ["no product", ["h0 = Gather table ids", ...layer(0), "logits = Relu h1"], /no product/],
  ])("refuses %s, saying what it looked for", ([, lines, message]) => {
    const search = () => find(lines, signature(2));
    expect(search).toThrow(message);
    expect(search).toThrow(/expected a sum of the hidden states before every layer/);
    expect(search).toThrow(expect.objectContaining({ code: "unsupported" }));
  });
});
