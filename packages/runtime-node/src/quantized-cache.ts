import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";

import {
  type LoadProgress,
  type ModelFolder,
  quantizeCheckpoint,
  type QuantizeOptions,
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
  const settings = { version, bits, headBits, blockSize, layers, tieWordEmbeddings };
  const digest = createHash("sha256").update(JSON.stringify(settings));
  for (const location of new Set([...model.weights.values()].map((weight) => weight.location))) {
    const { size, mtimeMs } = await onPath(join(folder, location), (path) => stat(path));
    digest.update(JSON.stringify([resolve(folder), location, size, mtimeMs]));
  }
  const name = `${basename(resolve(folder))}-q${bits}-${digest.digest("hex").slice(0, 16)}`;
  const path = join(cacheFolder, `${name}.safetensors`);
  if (await exists(path)) return path;
  await onPath(cacheFolder, () => mkdir(cacheFolder, { recursive: true }));
  await writeWhole(path, (write) =>
    quantizeCheckpoint(
      model.config,
      model.weights,
      options,
      ({ location, offset, length }: Weight) => files.read(location, offset, length),
      write,
      (fraction) => onProgress({ phase: "quantize", fraction }),
    ),
  );
  return path;
}

/** Where this package keeps what it makes. */
export function frugalCache(): string {
  const { FRUGAL_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  // Empty counts as unset, as the XDG specification says.
  return own || join(xdg || join(homedir(), ".cache"), "frugal");
}

async function exists(path: string): Promise<boolean> {
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
