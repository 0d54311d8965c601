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
   * @throws {@link InferenceError} `shape` for inputs that are missing, unknown, of another size
   *   than their dimensions say, or of dimensions that the encoder does not take; `backend` if ONNX
   *   Runtime fails.
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
      for (const { name, type, shape } of ports) {
        const input = inputs[name];
        if (input === undefined) throw wrongInputs(ports, `no ${name}`);
        checkDims(name, input.dims, shape);
        feeds[name] = tensorOf(ort, name, type, input);
      }
      const outputs = await runSession(session, feeds, [output]).catch((error: unknown) => {
        throw InferenceError.is(error, "backend") ? wrongSize(error, inputs) : error;
      });
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

/** Dimensions that have a name may have any size. */
function checkDims(
  name: string,
  dims: readonly number[],
  shape: readonly (number | string)[],
): void {
  const isFixed = (dim: number | string): boolean => typeof dim === "number" && dim > 0;
  const fits = dims.every((dim, i) => !isFixed(shape[i]!) || shape[i] === dim);
  if (dims.length === shape.length && fits) return;
  const [expected, got] = [shape.join(", "), dims.join(", ")];
  throw new InferenceError("shape", `${name}: expected [${expected}], got [${got}]`);
}

/** What ONNX Runtime's operators say of inputs that do not go with each other, or with constants. */
const sizeFault =
  /invalid dimensions|invalid rank|broadcast|cannot be reshaped|(dimensions?|shapes?) (mismatch|do not match|must)|mismatch.*(dim|shape)|out of (bounds|data bounds)/i;

/** The fault of the inputs' sizes where it shows inside of the graph only. */
function wrongSize(
  error: InferenceError,
  inputs: Readonly<Record<string, EncoderInput>>,
): InferenceError {
  if (!sizeFault.test(error.message)) return error;
  const given = Object.entries(inputs).map(([name, { dims }]) => `${name} [${dims.join(", ")}]`);
  const message = `inputs: ${given.join(", ")}: ${error.message}`;
  return new InferenceError("shape", message, { cause: error });
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
