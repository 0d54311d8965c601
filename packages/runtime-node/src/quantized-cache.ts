import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";

import {
  type CheckpointStreams,
  type LoadProgress,
  type ModelFolder,
  type Packing,
  quantizeCheckpoint,
  type QuantizeOptions,
  repackCheckpoint,
  type Weight,
} from "@frugal/runtime";

import type { FolderFiles } from "./folder-files.ts";
import { onPath } from "./on-path.ts";

/** Changes when quantization writes other bytes for the same input. */
const version = 1;

/**
 * Path of the quantized weights of a model, written on first use.
 *
 * The name holds a digest of what the content depends on: the options, what the configuration says
 * of the layout, and name, size and time of change of every weight file. The file appears under its
 * name only when it is complete, so that a process that dies halfway, or two that start together,
 * leave nothing broken behind.
 *
 * @throws {@link InferenceError} `backend` naming the path if the folder cannot be written.
 */
export async function quantizedWeights(
  folder: string,
  files: FolderFiles,
  model: ModelFolder,
  options: QuantizeOptions,
  cacheFolder: string = frugalCache(),
  onProgress: (progress: LoadProgress) => void,
): Promise<string> {
  const { bits, headBits = 8, blockSize = 32 } = options;
  const { layers, tieWordEmbeddings } = model.config;
  const importance = options.importance && [...options.importance].map(([k, v]) => [k, [...v]]);
  const settings = { version, bits, headBits, blockSize, layers, tieWordEmbeddings, importance };
  const target = await cachedPath(folder, model, `q${bits}`, settings, cacheFolder);
  return produceOnce(target, onProgress, (write, onFraction) =>
    quantizeCheckpoint(model.config, model.weights, options, readFrom(files), write, onFraction),
  );
}

/**
 * Path of the weights of a model that another tool packed, in the layout of the kernels; written on
 * first use, named and kept as those of {@link quantizedWeights}.
 *
 * @throws {@link InferenceError} `backend` naming the path if the folder cannot be written.
 */
export async function repackedWeights(
  folder: string,
  files: FolderFiles,
  model: ModelFolder,
  packing: Packing,
  cacheFolder: string = frugalCache(),
  onProgress: (progress: LoadProgress) => void,
): Promise<string> {
  const { layers, tieWordEmbeddings } = model.config;
  const settings = { version, ...packing, layers, tieWordEmbeddings };
  const target = await cachedPath(folder, model, packing.format, settings, cacheFolder);
  return produceOnce(target, onProgress, (write, onFraction) =>
    repackCheckpoint(model.config, model.weights, packing, {
      read: readFrom(files),
      write,
      onProgress: onFraction,
    }),
  );
}

function readFrom(files: FolderFiles): (weight: Weight) => Promise<Uint8Array> {
  return ({ location, offset, length }) => files.read(location, offset, length);
}

async function cachedPath(
  folder: string,
  model: ModelFolder,
  suffix: string,
  settings: object,
  cacheFolder: string,
): Promise<string> {
  const digest = createHash("sha256").update(JSON.stringify(settings));
  for (const location of new Set([...model.weights.values()].map((weight) => weight.location))) {
    const { size, mtimeMs } = await onPath(join(folder, location), (path) => stat(path));
    digest.update(JSON.stringify([resolve(folder), location, size, mtimeMs]));
  }
  const name = `${basename(resolve(folder))}-${suffix}-${digest.digest("hex").slice(0, 16)}`;
  return join(cacheFolder, `${name}.safetensors`);
}

async function produceOnce(
  path: string,
  onProgress: (progress: LoadProgress) => void,
  produce: (
    write: CheckpointStreams["write"],
    onFraction: (fraction: number) => void,
  ) => Promise<void>,
): Promise<string> {
  if (await exists(path)) return path;
  const folder = dirname(path);
  await onPath(folder, () => mkdir(folder, { recursive: true }));
  await writeWhole(path, (write) =>
    produce(write, (fraction) => onProgress({ phase: "quantize", fraction })),
  );
  return path;
}

/** Where this package keeps what it makes. */
export function frugalCache(): string {
  const { FRUGAL_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  // Empty counts as unset, as the XDG specification says.
  return own || join(xdg || join(homedir(), ".cache"), "frugal");
}

/** Whether there is something at a path. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Writes to a name of its own and renames at the end. */
async function writeWhole(
  path: string,
  produce: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const partial = `${path}.${randomUUID()}.partial`;
  try {
    await onPath(partial, async () => {
      const file = await open(partial, "wx");
      try {
        await produce((bytes) => file.writeFile(bytes));
      } finally {
        await file.close();
      }
      await rename(partial, path);
    });
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {});
    throw error;
  }
}
