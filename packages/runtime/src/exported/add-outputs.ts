import { GraphBuilder } from "../graph/graph-builder.ts";
import type { DecoderSignature } from "./decoder-signature.ts";
import { addReducedLogits } from "./reduced-logits.ts";
import type { ResidualStream } from "./residual-stream.ts";
import { addTaps } from "./taps.ts";

/** From these versions of ai.onnx on the operators that are used mean the same. */
export const leastOpset = { top: 13, taps: 7 } as const;

/** What {@link addOutputs} adds to a model. */
export interface Additions {
  /** Columns of the logits; null to add no reduction of them. */
  readonly vocabSize: number | null;
  readonly hiddenSize: number;
  /** Where its hidden states are; null to add none. */
  readonly stream: ResidualStream | null;
}

/**
 * Adds outputs to an exported model: the largest logits of every row, and the hidden states.
 *
 * Nothing of the model is decoded or written again: protobuf parsers merge a message that comes in
 * two parts, repeated fields one after the other, so the new nodes, inputs and outputs are a second
 * part that is appended to the bytes. What this package does not know of the format is preserved.
 */
export function addOutputs(
  model: Uint8Array,
  signature: DecoderSignature,
  { vocabSize, hiddenSize, stream }: Additions,
): Uint8Array {
  const graph = new GraphBuilder();
  graph.scope("frugal", () => {
    if (vocabSize !== null) addReducedLogits(graph, signature, vocabSize);
    if (stream !== null) addTaps(graph, stream, hiddenSize);
  });
  const addition = graph.finishPart();
  const joined = new Uint8Array(model.length + addition.length);
  joined.set(model);
  joined.set(addition, model.length);
  return joined;
}
