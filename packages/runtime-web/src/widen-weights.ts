import { bfloat16ToFloat32, float16ToFloat32 } from "@frugal/core";
import type { Weight } from "@frugal/runtime";

import type { OpenCheckpoint } from "./open-checkpoint.ts";

/** Name that a graph knows widened weights by. */
const location = "wide.safetensors";

/**
 * The same weights in float32 where they are stored in 16 bits, for a device that has no such types:
 * WebGPU knows no bfloat16, and float16 is optional. Weights keep their order, so that those which
 * lie side by side still do.
 */
export function widenWeights({ config, checkpoint, files }: OpenCheckpoint): OpenCheckpoint {
  const stored = new Map(files.map(({ path, data }) => [path, data]));
  const sorted = [...checkpoint.weights].sort(
    ([, a], [, b]) =>
      Number(a.location > b.location) - Number(a.location < b.location) || a.offset - b.offset,
  );
  const weights = new Map<string, Weight>();
  let size = 0;
  for (const [name, weight] of sorted) {
    const wide = isHalf(weight)
      ? { ...weight, dtype: "F32", length: 2 * weight.length }
      : { ...weight };
    weights.set(name, { ...wide, location, offset: size });
    size += wide.length;
  }
  const data = new Uint8Array(size);
  for (const [name, weight] of sorted) {
    data.set(bytesOf(weight, stored.get(weight.location)!), weights.get(name)!.offset);
  }
  return { config, checkpoint: { ...checkpoint, weights }, files: [{ path: location, data }] };
}

function isHalf({ dtype }: Weight): boolean {
  return dtype === "BF16" || dtype === "F16";
}

/** Bytes of a weight, widened. */
function bytesOf(weight: Weight, file: Uint8Array): Uint8Array {
  const bytes = file.subarray(weight.offset, weight.offset + weight.length);
  if (!isHalf(weight)) return bytes;
  const half = new Uint16Array(bytes.slice().buffer);
  const values = new Float32Array(half.length);
  if (weight.dtype === "BF16") bfloat16ToFloat32(half, values);
  else float16ToFloat32(half, values);
  return new Uint8Array(values.buffer);
}
