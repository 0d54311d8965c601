import { InferenceError } from "@frugal/core";

import { count, flag, type Json, object, oneOf } from "./json-fields.ts";

/** How the linear weights of a checkpoint were packed by another tool. */
export interface Packing {
  readonly format: "gptq" | "awq";
  readonly bits: 4 | 8;
  /** Weights that share a scale and a zero point. */
  readonly groupSize: number;
  /** What is added to the zero points as they are stored. */
  readonly zeroOffset: 0 | 1;
}

/**
 * Reads `quantization_config` of a `config.json`; null where there is none.
 *
 * @throws {@link InferenceError} `unsupported` for another method than GPTQ and AWQ, or a variant
 *   of theirs that has no kernel; messages name the field.
 */
export function packingOf(config: unknown): Packing | null {
  const given = (config as Json)["quantization_config"] ?? null;
  if (given === null) return null;
  const json = object("config.json: quantization_config", given);
  const format = oneOf(json, "quant_method", ["gptq", "awq"]);
  const bits = format === "awq" ? oneOf(json, "bits", [4]) : oneOf(json, "bits", [4, 8]);
  if (format === "awq") oneOf(json, "version", ["gemm"], "gemm");
  const stored =
    format === "gptq" ? oneOf(json, "checkpoint_format", ["gptq", "gptq_v2"], "gptq") : "";
  // Files that reorder their inputs say so again in `g_idx`, where it is checked.
  flag(json, "desc_act", false);
  return { format, bits, groupSize: groupSize(json), zeroOffset: stored === "gptq" ? 1 : 0 };
}

function groupSize(json: Json): number {
  const size = json["group_size"] === -1 ? -1 : count(json, "group_size", 128);
  if ([16, 32, 64, 128, 256].includes(size)) return size;
  throw new InferenceError(
    "unsupported",
    `config.json: group_size: expected 16, 32, 64, 128 or 256, got ${size}`,
  );
}
