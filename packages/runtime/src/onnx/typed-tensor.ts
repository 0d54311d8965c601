import type { Ort, Tensor } from "./ort.ts";

/** Values of float32 tensors, or the bits of float16 ones. */
export type FloatData = Float32Array | Uint16Array;

/**
 * A tensor over float32 values or float16 bits.
 *
 * Where the engine has `Float16Array`, the class wraps the bits in one, which the native binding of
 * onnxruntime-node 1.30 does not take: it finds no values. So the bits are put back.
 */
export function floatTensor(ort: Ort, data: FloatData, dims: readonly number[]): Tensor {
  if (data instanceof Float32Array) return new ort.Tensor("float32", data, dims);
  const tensor = new ort.Tensor("float16", data, dims);
  return tensor.data instanceof Uint16Array ? tensor : Object.assign(tensor, { cpuData: data });
}

/** A tensor's values; of float16 the bits, whatever type the engine has for it. */
export function floatData({ data, type }: Tensor): FloatData {
  if (type !== "float16") return data as Float32Array;
  const { buffer, byteOffset, length } = data as Uint16Array;
  return new Uint16Array(buffer, byteOffset, length);
}
