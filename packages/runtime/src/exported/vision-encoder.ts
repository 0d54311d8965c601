import { InferenceError, type Matrix } from "@frugal/core";

import type { InferenceSession, Ort, Tensor } from "../onnx/ort.ts";
import { runSession } from "../onnx/run-session.ts";
import { floatTensor } from "../onnx/typed-tensor.ts";
import { matrixOf } from "./exported-outputs.ts";
import { float32ToFloat16 } from "./float16.ts";

/** Values of one input of a {@link VisionEncoder}, row-major. */
export interface EncoderInput {
  /** Numbers for every type of input; for `bool` 0 and 1. */
  readonly data: Float32Array | Int32Array;
  readonly dims: readonly number[];
}

/** Turns pixels into rows of the decoder's input embeddings. */
export interface VisionEncoder {
  /** Names of the inputs; `pixel_values` and what else the model wants. */
  readonly inputs: readonly string[];
  /**
   * One row per visual token, `[tokens, hiddenSize]`, all images one after the other. Any subset of
   * the rows can be given to a decoder as `Block.embeddings`.
   *
   * @throws {@link InferenceError} `shape` for inputs that are missing, unknown or of another size
   *   than their dimensions say; `backend` if ONNX Runtime fails.
   */
  encode(inputs: Readonly<Record<string, EncoderInput>>): Promise<Matrix>;
  /** Frees the weights. Idempotent. */
  dispose(): Promise<void>;
}

/**
 * A {@link VisionEncoder} over an exported graph. Owns the session.
 *
 * @param output the output that rows are read from; default the graph's first
 */
export function createVisionEncoder(
  ort: Ort,
  session: InferenceSession,
  output: string = session.outputNames[0]!,
): VisionEncoder {
  const ports = session.inputMetadata.filter((input) => input.isTensor);
  let disposed: Promise<void> | null = null;
  return {
    inputs: ports.map((port) => port.name),
    async encode(inputs) {
      if (disposed !== null) throw new InferenceError("state", "encoder: used after dispose");
      const unknown = Object.keys(inputs).find((name) => !ports.some((port) => port.name === name));
      if (unknown !== undefined) throw wrongInputs(ports, unknown);
      const feeds: Record<string, Tensor> = {};
      for (const { name, type } of ports) {
        const input = inputs[name];
        if (input === undefined) throw wrongInputs(ports, `no ${name}`);
        feeds[name] = tensorOf(ort, name, type, input);
      }
      const outputs = await runSession(session, feeds, [output]);
      return matrixOf(outputs[output]!);
    },
    async dispose() {
      disposed ??= session.release();
      await disposed;
    },
  };
}

function wrongInputs(ports: readonly { readonly name: string }[], got: string): InferenceError {
  const names = ports.map((port) => port.name).join(", ");
  return new InferenceError("shape", `inputs: expected ${names}, got ${got}`);
}

/**
 * An input as a tensor of this type.
 *
 * @throws {@link InferenceError} `shape` for another number of values; `unsupported` for another type.
 */
export function tensorOf(
  ort: Ort,
  name: string,
  type: string,
  { data, dims }: EncoderInput,
): Tensor {
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (data.length !== count) {
    throw new InferenceError(
      "shape",
      `${name}: expected ${count} values for [${dims.join(", ")}], got ${data.length}`,
    );
  }
  const values = Float32Array.from(data);
  if (type === "float32") return new ort.Tensor("float32", values, dims);
  if (type === "int64") return new ort.Tensor("int64", BigInt64Array.from([...data], BigInt), dims);
  if (type === "int32") return new ort.Tensor("int32", Int32Array.from(data), dims);
  if (type === "bool") return new ort.Tensor("bool", Uint8Array.from(data), dims);
  if (type !== "float16") throw new InferenceError("unsupported", `${name}: type ${type}`);
  const bits = new Uint16Array(count);
  float32ToFloat16(values, bits);
  return floatTensor(ort, bits, dims);
}
