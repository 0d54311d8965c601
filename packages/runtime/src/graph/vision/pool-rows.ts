import type { Pooling } from "../../load/vision-config.ts";
import { activate } from "../activation.ts";
import { project, vector } from "../linear.ts";
import { normalize } from "../norm.ts";
import type { EncoderParts } from "./encoder-parts.ts";

/** Adds the output `pooled` `[n, width]`, where configuration and checkpoint have weights for it. */
export function addPooled(encoder: EncoderParts, rows: string): void {
  const { graph, config, checkpoint } = encoder;
  const { pooling, hiddenSize } = config;
  if (pooling === null) return;
  const { weights } = checkpoint;
  if (pooling.kind === "token" && weights.has(`${pooling.projection}.weight`)) {
    graph.output("pooled", poolToken(encoder, pooling, rows), "float32", ["n", pooling.outputs]);
  } else if (pooling.kind === "attention" && weights.has(`${pooling.prefix}.probe`)) {
    const pooled = poolByAttention(encoder, pooling.prefix, rows);
    graph.output("pooled", pooled, "float32", ["n", hiddenSize]);
  }
}

/** The class token's row, projected. */
function poolToken(
  { graph, config, checkpoint }: EncoderParts,
  { projection, outputs, bias, activation }: Extract<Pooling, { readonly kind: "token" }>,
  rows: string,
): string {
  const first = graph.node("Gather", [rows, graph.ints([0], [])], { axis: { int: 1 } });
  const linear = { name: projection, inputs: config.hiddenSize, outputs, bias };
  const [projected] = project(graph, checkpoint, first, [linear]);
  return activation === "tanh" ? graph.node("Tanh", [projected!]) : projected!;
}

/** A learned query attends to all rows; what it finds goes through an MLP with a residual. */
function poolByAttention(
  { graph, config, checkpoint }: EncoderParts,
  prefix: string,
  rows: string,
): string {
  const { hiddenSize, intermediateSize, heads, norm } = config;
  const linear = (
    name: string,
    x: string,
    inputs: number = hiddenSize,
    outputs: number = hiddenSize,
  ): string =>
    project(graph, checkpoint, x, [{ name: `${prefix}.${name}`, inputs, outputs, bias: true }])[0]!;
  const probe = graph.node("Reshape", [
    vector(graph, checkpoint, `${prefix}.probe`, hiddenSize),
    graph.ints([1, 1, hiddenSize]),
  ]);
  const images = graph.node("Shape", [rows], { start: { int: 0 }, end: { int: 1 } });
  const shape = graph.node("Concat", [images, graph.ints([1, hiddenSize])], { axis: { int: 0 } });
  const query = graph.node("Expand", [linear("attention.q_proj", probe), shape]);
  const keys = linear("attention.k_proj", rows);
  const values = linear("attention.v_proj", rows);
  const attended = graph.node("MultiHeadAttention", [query, keys, values], {
    num_heads: { int: heads },
  });
  const mixed = linear("attention.out_proj", attended);
  const normed = normalize(graph, checkpoint, `${prefix}.layernorm`, hiddenSize, norm, mixed);
  const wide = activate(
    graph,
    config.activation,
    linear("mlp.fc1", normed, hiddenSize, intermediateSize),
  );
  const narrow = linear("mlp.fc2", wide, intermediateSize, hiddenSize);
  return graph.node("Reshape", [graph.node("Add", [mixed, narrow]), graph.ints([-1, hiddenSize])]);
}
