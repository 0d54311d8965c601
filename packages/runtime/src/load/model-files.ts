import { InferenceError } from "@frugal/core";

import {
  parseSafetensorsHeader,
  type SafetensorsHeader,
  safetensorsHeaderLength,
} from "../weights/safetensors.ts";
import type { Weight, WeightMap } from "../weights/weight-map.ts";
import { alignNames } from "../weights/align-names.ts";
import { isComposed } from "./composition.ts";
import { type ConfigOptions, parseModelConfig } from "./config.ts";
import { describeValue } from "./describe-value.ts";
import type { ModelConfig } from "./model-config.ts";
import { type Packing, packingOf } from "./packing-config.ts";

/** Every engine has it; the compiler's ECMAScript library does not. */
declare const TextDecoder: new (
  label: "utf-8",
  options: { fatal: boolean },
) => { decode(bytes: Uint8Array): string };

/** The files of a model by name: a folder, a cache, a server. */
export interface ModelFiles {
  /** Text of a small file, or null if there is none of this name. */
  text(name: string): Promise<string | null>;
  /** Size in bytes, or null if there is no such file. */
  size(name: string): Promise<number | null>;
  /** Bytes `[offset, offset + length)`; fewer if the file ends before. */
  read(name: string, offset: number, length: number): Promise<Uint8Array>;
}

/** A model's configuration and the directory of its weights. */
export interface ModelFolder {
  readonly config: ModelConfig;
  readonly weights: WeightMap;
  /** How another tool packed the linear weights, see `repackCheckpoint`; null: they are not. */
  readonly packing: Packing | null;
  /** `__metadata__` of the weights, merged over shards. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads `config.json`, `generation_config.json` and the headers of `model.safetensors` or of the
 * shards that `model.safetensors.index.json` lists. The weights themselves are not read.
 *
 * @throws {@link InferenceError} `format` for a file that is missing, truncated or malformed;
 *   `unsupported` for an architecture that cannot be built. Messages name the file.
 */
export async function readModelFolder(
  files: ModelFiles,
  options: ConfigOptions = {},
): Promise<ModelFolder> {
  const config = await readJson(files, "config.json");
  if (config === null) throw new InferenceError("format", "config.json: no such file");
  const generation = await readJson(files, "generation_config.json");
  const parsed = parseModelConfig(config, generation ?? undefined, options);
  const { weights: stored, metadata } = await readWeights(files);
  const weights = alignNames(stored, parsed.names);
  // Composed configurations disagree about it by version, and with their own parts.
  const hasHead = isComposed(config) && weights.has(`${parsed.names.head}.weight`);
  return {
    config: hasHead ? { ...parsed, tieWordEmbeddings: false } : parsed,
    weights,
    packing: packingOf(config),
    metadata,
  };
}

/**
 * Reads the headers of `model.safetensors` or of its shards.
 *
 * @throws {@link InferenceError} as {@link readModelFolder}.
 */
export async function readWeights(
  files: ModelFiles,
): Promise<Pick<ModelFolder, "weights" | "metadata">> {
  const weights = new Map<string, Weight>();
  const metadata: Record<string, string> = {};
  for (const location of await shardNames(files)) {
    const header = await readSafetensors(files, location);
    Object.assign(metadata, header.metadata);
    for (const [name, entry] of header.tensors) weights.set(name, { ...entry, location });
  }
  return { weights, metadata };
}

/**
 * Parses a JSON file, or resolves to null if there is none.
 *
 * @throws {@link InferenceError} `format` if it is not JSON.
 */
export async function readJson(files: ModelFiles, name: string): Promise<unknown> {
  const text = await files.text(name);
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InferenceError("format", `${name}: not JSON`, { cause });
  }
}

async function shardNames(files: ModelFiles): Promise<readonly string[]> {
  const single = "model.safetensors";
  if ((await files.size(single)) !== null) return [single];
  const index = (await readJson(files, "model.safetensors.index.json")) as {
    weight_map?: unknown;
  } | null;
  if (index === null) throw new InferenceError("format", `${single}: no such file`);
  const map = index.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new InferenceError(
      "format",
      `model.safetensors.index.json: weight_map: expected an object, got ${describeValue(map)}`,
    );
  }
  const names: unknown[] = [...new Set(Object.values(map))];
  for (const name of names) {
    if (typeof name !== "string" || !/^[\w.-]+$/.test(name) || name.startsWith(".")) {
      throw new InferenceError(
        "format",
        `model.safetensors.index.json: bad file name ${describeValue(name)}`,
      );
    }
  }
  return names as string[];
}

/**
 * Reads the directory of one safetensors file.
 *
 * @throws {@link InferenceError} `format` if the file is missing, truncated or malformed.
 */
export async function readSafetensors(files: ModelFiles, name: string): Promise<SafetensorsHeader> {
  const size = await files.size(name);
  if (size === null) throw new InferenceError("format", `${name}: no such file`);
  try {
    const length = safetensorsHeaderLength(await files.read(name, 0, 8), size);
    const json = decodeUtf8(await files.read(name, 8, length));
    return parseSafetensorsHeader(json, length, size);
  } catch (error) {
    if (!InferenceError.is(error)) throw error;
    throw new InferenceError(error.code, `${name}: ${error.message}`, { cause: error });
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InferenceError("format", "safetensors: the header is not UTF-8", { cause });
  }
}
