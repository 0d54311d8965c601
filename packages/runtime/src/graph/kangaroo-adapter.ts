import { layerProjections } from "../architectures/projections.ts";
import type { ModelConfig } from "../load/model-config.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { AttentionProfile } from "./attention/attention-profile.ts";
import { GraphBuilder } from "./graph-builder.ts";
import { project } from "./linear.ts";
import { addLogits } from "./logits.ts";
import { normalize, normalizeStream, type Stream } from "./norm.ts";

/**
 * Builds the ONNX graph of a Kangaroo adapter over a checkpoint that holds its weights and the head
 * of the model it belongs to: from the hidden states of an early exit to logits.
 *
 * `h + attention(norm(h))` for every layer, which is one, then the final norm and the head; there is
 * no MLP. `config` is that of {@link adapterConfig}. Inputs and outputs as those of a range of layers
 * that begins above layer 0, see `buildDecoder`.
 *
 * @throws {@link InferenceError} `format` or `shape` if a tensor is missing or does not fit the
 *   configuration; `unsupported` for a weight type that ONNX Runtime cannot cast.
 * @see Liu et al., arXiv:2404.18911; Equationliu/Kangaroo: kangaroo/adapter.py
 */
export function buildKangarooAdapter(
  config: ModelConfig,
  checkpoint: Checkpoint,
  profile: AttentionProfile,
): Uint8Array {
  const { hiddenSize, names, norm } = config;
  const graph = new GraphBuilder();
  const rows = graph.input("input_embeddings", "float32", ["e", hiddenSize]);
  const dims = [1, "s", hiddenSize];
  let stream: Stream = { hidden: graph.node("Unsqueeze", [rows, graph.ints([0])]), update: null };
  const attention = profile(graph, config);
  for (let layer = 0; layer < config.layers; layer++) {
    const hidden = sumOf(graph, stream);
    graph.output(`hidden.${layer}`, hidden, "float32", dims);
    const update = graph.scope(`layer.${layer}`, () => {
      const name = `${names.layers}.${layer}.${names.layer.beforeAttention}`;
      const normalized = normalize(graph, checkpoint, name, hiddenSize, norm, hidden);
      const { qkv, attentionOutput } = layerProjections(config, layer);
      const [query, key, value] = project(graph, checkpoint, normalized, qkv);
      const attended = attention(layer, { query: query!, key: key!, value: value! });
      return project(graph, checkpoint, attended, [attentionOutput])[0]!;
    });
    stream = { hidden, update };
  }
  // The configuration of an adapter always names it.
  const finalNorm = names.finalNorm as string;
  const final = normalizeStream(graph, checkpoint, finalNorm, hiddenSize, norm, stream);
  graph.output(`hidden.${config.layers}`, final.sum, "float32", dims);
  graph.output("hidden.final", final.normalized, "float32", dims);
  addLogits(graph, config, checkpoint, final.normalized);
  return graph.finish("kangaroo-adapter");
}

function sumOf(graph: GraphBuilder, { hidden, update }: Stream): string {
  return update === null ? hidden : graph.node("Add", [hidden, update]);
}
