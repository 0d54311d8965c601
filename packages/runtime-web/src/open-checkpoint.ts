import { InferenceError } from "@frugal/core";
import {
  type BlockQuantization,
  type Checkpoint,
  type CheckpointStreams,
  type LoadProgress,
  type ModelConfig,
  quantizeCheckpoint,
  type QuantizeOptions,
  readModelFolder,
  readSafetensors,
  repackCheckpoint,
} from "@frugal/runtime";

import type { EngineOptions } from "./engine-start.ts";
import { ListedFiles } from "./files/listed-files.ts";
import type { WholeFiles } from "./files/open-files.ts";
import { readBlob } from "./files/read-blob.ts";

/** A file in memory that a graph refers to. */
export interface WeightFile {
  readonly path: string;
  readonly data: Uint8Array;
}

/** A model's configuration and its weights, in blocks if wanted. */
export interface OpenCheckpoint {
  readonly config: ModelConfig;
  readonly checkpoint: Checkpoint;
  readonly files: readonly WeightFile[];
}

/** Name that a graph knows weights in blocks by. */
const blockFile = "blocks.safetensors";

/** Reads a model, and quantizes or repacks its weights where that is asked for or needed. */
export async function openCheckpoint(
  files: WholeFiles,
  { quantize = "none", accuracyLevel = 4, longTexts = false }: EngineOptions,
  onProgress: (progress: LoadProgress) => void,
): Promise<OpenCheckpoint> {
  const { config, weights, packing } = await readModelFolder(files, { longTexts });
  if (packing !== null && quantize !== "none") {
    const message = `quantize: expected "none" for weights packed by ${packing.format}`;
    throw new InferenceError("range", message);
  }
  const inBlocks = (blockSize: number, produce: (streams: CheckpointStreams) => Promise<void>) =>
    openBlocks(config, { blockSize, accuracyLevel }, (write) =>
      produce({
        read: ({ location, offset, length }) => files.read(location, offset, length),
        write,
        onProgress: (fraction) => onProgress({ phase: "quantize", fraction }),
      }),
    );
  if (packing !== null) {
    return inBlocks(packing.groupSize, (streams) =>
      repackCheckpoint(config, weights, packing, streams),
    );
  }
  if (quantize === "none") {
    const checkpoint = { weights, quantization: null };
    const shards = new Set([...weights.values()].map(({ location }) => location));
    return { config, checkpoint, files: await readShards(files, shards) };
  }
  const options = quantizeOptions(quantize);
  return inBlocks(options.blockSize ?? 32, ({ read, write, onProgress: report }) =>
    quantizeCheckpoint(config, weights, options, read, write, report),
  );
}

/** Weights in blocks, as one file in memory. */
async function openBlocks(
  config: ModelConfig,
  quantization: BlockQuantization,
  produce: (write: CheckpointStreams["write"]) => Promise<void>,
): Promise<OpenCheckpoint> {
  const parts: BlobPart[] = [];
  await produce(async (bytes) => void parts.push(bytes as Uint8Array<ArrayBuffer>));
  const file = new File(parts, blockFile);
  const { tensors } = await readSafetensors(new ListedFiles([file]), blockFile);
  const weights = new Map(
    [...tensors].map(([name, entry]) => [name, { ...entry, location: blockFile }]),
  );
  const data = await readBlob(blockFile, file, 0, file.size);
  return {
    config,
    checkpoint: { weights, quantization },
    files: [{ path: blockFile, data }],
  };
}

/**
 * Files as a whole, for a graph that refers to them.
 *
 * @throws {@link InferenceError} `format` if one is missing.
 */
export async function readShards(
  files: WholeFiles,
  paths: ReadonlySet<string>,
): Promise<readonly WeightFile[]> {
  const result: WeightFile[] = [];
  for (const path of paths) {
    const data = await files.whole(path);
    if (data === null) throw new InferenceError("format", `${path}: no such file`);
    result.push({ path, data });
  }
  return result;
}

function quantizeOptions(quantize: "q8" | "q4" | QuantizeOptions): QuantizeOptions {
  if (quantize === "q8") return { bits: 8 };
  if (quantize === "q4") return { bits: 4 };
  if (typeof quantize === "object" && (quantize.bits === 4 || quantize.bits === 8)) return quantize;
  throw new InferenceError(
    "range",
    `quantize: expected "none", "q8", "q4" or options, got ${JSON.stringify(quantize)}`,
  );
}
