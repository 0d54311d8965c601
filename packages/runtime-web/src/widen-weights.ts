import { bfloat16ToFloat32, float16ToFloat32 } from "@frugal/core";
import type { Weight } from "@frugal/runtime";

import type { OpenCheckpoint } from "./open-checkpoint.ts";

/** Name that a graph knows widened weights by. */
const location = "wide.safetensors";

/**
 * The same weights in float32 where they are stored in types that a device does not have: WebGPU
 * knows no bfloat16, and float16 is optional. Weights keep their order, so that those which lie side
 * by side still do.
 */
export function widenWeights(opened: OpenCheckpoint, hasFloat16: boolean): OpenCheckpoint {
  const { config, checkpoint, files } = opened;
  const isHalf = ({ dtype }: Weight): boolean =>
    dtype === "BF16" || (dtype === "F16" && !hasFloat16);
  if (![...checkpoint.weights.values()].some(isHalf)) return opened;
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
    const file = stored.get(weight.location)!;
    const bytes = file.subarray(weight.offset, weight.offset + weight.length);
    data.set(isHalf(weight) ? widened(weight, bytes) : bytes, weights.get(name)!.offset);
  }
  return { config, checkpoint: { ...checkpoint, weights }, files: [{ path: location, data }] };
}

function widened({ dtype }: Weight, bytes: Uint8Array): Uint8Array {
  const half = new Uint16Array(bytes.slice().buffer);
  const values = new Float32Array(half.length);
  if (dtype === "BF16") bfloat16ToFloat32(half, values);
  else float16ToFloat32(half, values);
  return new Uint8Array(values.buffer);
}
