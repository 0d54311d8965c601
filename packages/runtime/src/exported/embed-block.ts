import { type Block, InferenceError, type Matrix } from "@frugal/core";

import type { InferenceSession, Ort, Tensor } from "../onnx/ort.ts";
import { floatTensor } from "../onnx/typed-tensor.ts";
import type { FloatType, Port } from "./decoder-signature.ts";
import { matrixOf } from "./exported-outputs.ts";
import { float32ToFloat16 } from "./float16.ts";

/** Runs a graph of the model. */
export type RunGraph = (
  session: InferenceSession,
  feeds: Record<string, Tensor>,
  names: readonly string[] | Readonly<Record<string, Tensor | null>>,
) => Promise<{ readonly outputs: Record<string, Tensor>; readonly milliseconds: number }>;

/**
 * The decoder's embeddings of a block: the rows it gives, or those that the embedding graph has for
 * its ids. The two graphs may differ in their type.
 */
export async function embedBlock(
  ort: Ort,
  session: InferenceSession | null,
  { name, type }: Port<FloatType>,
  block: Block,
  run: RunGraph,
): Promise<Record<string, Tensor>> {
  const { data, rows, cols } =
    block.embeddings ?? (await lookUp(ort, session!, block.tokens!, run));
  const values = type === "float32" ? data : new Uint16Array(data.length);
  if (values instanceof Uint16Array) float32ToFloat16(data, values);
  return { [name]: floatTensor(ort, values, [1, rows, cols]) };
}

async function lookUp(
  ort: Ort,
  session: InferenceSession,
  tokens: Uint32Array,
  run: RunGraph,
): Promise<Matrix> {
  const feeds: Record<string, Tensor> = {};
  for (const input of session.inputMetadata) {
    if (!input.isTensor) continue;
    if (input.name.endsWith("input_ids")) {
      const ids = Array.from(tokens);
      const data = input.type === "int32" ? Int32Array.from(ids) : BigInt64Array.from(ids, BigInt);
      feeds[input.name] = new ort.Tensor(data, [1, ids.length]);
      continue;
    }
    // onnxruntime-genai splices rows of images in the same graph: text has none.
    const width = input.shape.at(-1);
    const none = input.type === "float16" ? new Uint16Array(0) : new Float32Array(0);
    feeds[input.name] = floatTensor(ort, none, [0, typeof width === "number" ? width : 1]);
  }
  const [output] = session.outputNames;
  const { outputs } = await run(session, feeds, [output!]);
  const rows = matrixOf(outputs[output!]!);
  if (rows.rows === tokens.length) return rows;
  throw new InferenceError(
    "unsupported",
    `embedding graph: expected ${tokens.length} rows of ${output}, found ${rows.rows}`,
  );
}
