import type { GraphNode } from "../onnx/read-nodes.ts";
import type { DecoderSignature } from "./decoder-signature.ts";

/**
 * Whether a graph's past and present may be one buffer: every cached tensor goes into a
 * `GroupQueryAttention` alone and comes out of the same one. Other graphs put the new rows behind all
 * rows of the past, whether these are in use or not.
 *
 * @see microsoft/onnxruntime: docs/ContribOperators.md, com.microsoft.GroupQueryAttention
 */
export function sharesCache(nodes: readonly GraphNode[], { cache }: DecoderSignature): boolean {
  const readers = new Map<string, GraphNode[]>(cache.map(({ name }) => [name, []]));
  for (const node of nodes) {
    for (const name of [...node.inputs, ...node.inner]) readers.get(name)?.push(node);
  }
  return cache.every(({ name, present }) => {
    const [reader, ...others] = readers.get(name)!;
    if (reader?.type !== "GroupQueryAttention" || others.length > 0) return false;
    const side = reader.inputs.indexOf(name);
    return (side === 3 || side === 4) && reader.outputs[side - 2] === present;
  });
}
