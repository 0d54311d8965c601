import { InferenceError } from "@frugal/core";

import type { GraphNode } from "../onnx/read-nodes.ts";
import type { DecoderSignature } from "./decoder-signature.ts";

/** Where a hidden state is in a graph: a value, or the sum of some that no node gives by itself. */
export type StatePlace = readonly string[];

/** The hidden states of a decoder's graph. */
export interface ResidualStream {
  /** The input of every layer, and the output of the last one. */
  readonly states: readonly StatePlace[];
  /** What the head reads. */
  readonly final: string;
}

/** A node that everything between the text and the logits goes through. */
interface Strait {
  readonly node: GraphNode;
  readonly at: number;
  /** How many of its inputs the text is in. */
  readonly streams: number;
}

/** Their results tell of sizes, not of the text. */
const sizes: ReadonlySet<string> = /* @__PURE__ */ new Set(["Shape", "Size", "ConstantOfShape"]);

/** They pass on what they get. */
const passing: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "Cast",
  "Identity",
  "Reshape",
  "Squeeze",
  "Unsqueeze",
]);

/** Products by weights, and what quantizes their input: its scale passes by the product. */
const product = /^(MatMul|Gemm|FusedMatMul|FusedGemm|DynamicQuantize|QGemm|QLinearMatMul)/;

/** A sum and its norm in one; output 3 is the sum, where it is wanted. */
const skipNorm = /^Skip(Simplified)?LayerNormalization$/;

/**
 * Finds the hidden states of a pre-norm decoder by the structure of its graph alone.
 *
 * The residual stream is where the graph is narrow. In an order in which every node comes after those
 * it reads from, nothing of the text may pass by such a node: all that comes later depends on the text
 * through it. Norms, attention and feed-forward parts are no such places, since the stream passes by.
 * The input of layer `l` is the last of them before the cache of layer `l` is read; the output of the
 * last layer is the last sum before the head, and the head is the last product.
 *
 * Cost: O(nodes).
 *
 * @param nodes each after those whose values it reads
 * @throws {@link InferenceError} `unsupported` for a graph in which this does not find a sum before
 *   every layer but the first: norms after the sums, caches or embeddings that several layers share,
 *   a decoder inside an `If`.
 */
export function findResidualStream(
  nodes: readonly GraphNode[],
  signature: DecoderSignature,
): ResidualStream {
  const layers = new Set(signature.cache.map((port) => port.layer)).size;
  const { straits, reads } = narrowPlaces(nodes, signature);
  const head = lastIndex(straits, ({ node }) => product.test(node.type));
  if (head < 0) throw refuse("no product that makes the logits");
  const states: StatePlace[] = [];
  let before = -1;
  for (let layer = 0; layer < layers; layer++) {
    const read = reads.get(layer) ?? -1;
    const index = lastIndex(straits, ({ at }) => at < read);
    if (index <= before && layer > 0) throw refuse(`no hidden state before layer ${layer}`);
    before = index;
    if (layer === 0) states.push(entryOf(straits[index], signature));
    else states.push(sumOf(straits, index, layer));
  }
  const end = reads.get(layers - 1)!;
  const after = lastIndex(straits.slice(0, head), (strait) => isSum(strait) && strait.at > end);
  if (after < 0) throw refuse("no sum after the last layer");
  states.push(sumOf(straits, after, layers));
  return { states, final: straits[head]!.node.inputs[0]! };
}

function lastIndex(straits: readonly Strait[], is: (strait: Strait) => boolean): number {
  let at = straits.length - 1;
  while (at >= 0 && !is(straits[at]!)) at--;
  return at;
}

/** What enters the first layer. */
function entryOf(strait: Strait | undefined, { embeddings }: DecoderSignature): StatePlace {
  if (strait === undefined) {
    if (embeddings !== null) return [embeddings.name];
    throw refuse("no embeddings before layer 0");
  }
  const { outputs, type } = strait.node;
  const used = outputs.filter((name) => name !== "");
  if (used.length === 1) return used;
  // The sum of the embeddings, beside its norm.
  if (type === "EmbedLayerNormalization" && outputs[2]) return [outputs[2]];
  throw refuse(`one output of the ${type} before layer 0`);
}

/** The sum at a strait, or behind it where that only passes it on. */
function sumOf(straits: readonly Strait[], index: number, layer: number): StatePlace {
  let at = index;
  while (at > 0 && passing.has(straits[at]!.node.type)) at--;
  const strait = straits[at]!;
  const { type, inputs, outputs } = strait.node;
  if (!isSum(strait)) throw refuse(`no sum before layer ${layer}, but ${type}`);
  if (!skipNorm.test(type)) return [straits[index]!.node.outputs[0]!];
  if (outputs[3]) return [outputs[3]];
  // The norm goes on, so that only the last sum may be without an output of its own.
  if (straits.some((other) => other.at > strait.at && isSum(other))) {
    throw refuse(`norms after the sums, at layer ${layer}`);
  }
  const bias = inputs[type === "SkipLayerNormalization" ? 4 : 3];
  return [inputs[0]!, inputs[1]!, ...(bias ? [bias] : [])];
}

function isSum({ node, streams }: Strait): boolean {
  return skipNorm.test(node.type) || ((node.type === "Add" || node.type === "Sum") && streams > 1);
}

/** The straits in their order, and where the cache of each layer is read first. */
function narrowPlaces(
  nodes: readonly GraphNode[],
  signature: DecoderSignature,
): { readonly straits: readonly Strait[]; readonly reads: ReadonlyMap<number, number> } {
  const origins = [signature.ids, signature.embeddings].flatMap((port) => port?.name ?? []);
  const leads = leadingTo(nodes, signature.logits.name);
  // Where each value of the text was made; before the first node, for the inputs.
  const stream = new Map<string, number>(origins.map((name) => [name, -1]));
  const cached = new Map(signature.cache.map((port) => [port.name, port.layer]));
  const reads = new Map<number, number>();
  const streams = new Map<number, number>();
  // How many values pass by: those that were made before a place and are read after it.
  const passes = new Int32Array(nodes.length + 1);
  for (const [at, { type, inputs, inner, outputs }] of nodes.entries()) {
    if (sizes.has(type)) continue;
    const all = [...inputs, ...inner];
    const makers = all.flatMap((name) => stream.get(name) ?? []);
    const layer = all.map((name) => cached.get(name)).find((one) => one !== undefined);
    if (makers.length === 0) {
      // The cache on its way to where the text meets it.
      if (layer !== undefined) for (const name of outputs) cached.set(name, layer);
      continue;
    }
    if (!leads[at]) continue;
    if (layer !== undefined && !reads.has(layer)) reads.set(layer, at);
    for (const from of makers) {
      passes[from + 1]!++;
      passes[at]!--;
    }
    streams.set(at, makers.length);
    for (const name of outputs) stream.set(name, at);
  }
  const straits: Strait[] = [];
  let open = 0;
  for (const [at, node] of nodes.entries()) {
    open += passes[at]!;
    if (open === 0 && streams.has(at)) straits.push({ node, at, streams: streams.get(at)! });
  }
  return { straits, reads };
}

/** Which nodes the logits depend on. */
function leadingTo(nodes: readonly GraphNode[], logits: string): readonly boolean[] {
  const needed = new Set([logits]);
  const leads = nodes.map(() => false);
  for (let at = nodes.length - 1; at >= 0; at--) {
    const { inputs, inner, outputs } = nodes[at]!;
    if (!outputs.some((name) => needed.has(name))) continue;
    leads[at] = true;
    for (const name of inputs) needed.add(name);
    for (const name of inner) needed.add(name);
  }
  return leads;
}

function refuse(found: string): InferenceError {
  const wanted = "a sum of the hidden states before every layer";
  return new InferenceError("unsupported", `graph: expected ${wanted}, found ${found}`);
}
