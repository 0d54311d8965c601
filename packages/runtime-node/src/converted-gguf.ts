import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";

import { InferenceError } from "@frugal/core";
import {
  convertGguf,
  type GgufFile,
  type LoadProgress,
  readGguf,
  type Weight,
} from "@frugal/runtime";

import { FolderFiles } from "./folder-files.ts";
import { onPath } from "./on-path.ts";
import { exists, frugalCache } from "./quantized-cache.ts";

/** Changes when a conversion writes other bytes for the same input. */
const version = 1;

/**
 * Folder with the model of a GGUF file as `config.json` and `model.safetensors`, written on first use.
 *
 * The name holds a digest of path, size and time of change of the file. The folder appears under its
 * name only when it is complete.
 *
 * @throws {@link InferenceError} `format` for a file that is truncated or malformed; `unsupported` for
 *   an architecture or a type of weights that cannot be read; `backend` if the cache cannot be
 *   written.
 */
export async function convertedGguf(
  folder: string,
  file: string,
  cacheFolder: string = frugalCache(),
  onProgress: (progress: LoadProgress) => void,
): Promise<string> {
  const path = join(folder, file);
  const { size, mtimeMs } = await onPath(path, () => stat(path));
  const facts = JSON.stringify([version, resolve(path), size, mtimeMs]);
  const digest = createHash("sha256").update(facts).digest("hex").slice(0, 16);
  const target = join(cacheFolder, `${basename(file, ".gguf")}-gguf-${digest}`);
  if (await exists(target)) return target;
  const partial = `${target}.${randomUUID()}.partial`;
  try {
    await onPath(partial, () => mkdir(partial, { recursive: true }));
    await convert(folder, file, partial, onProgress);
    await publish(partial, target);
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
  return target;
}

async function convert(
  folder: string,
  file: string,
  target: string,
  onProgress: (progress: LoadProgress) => void,
): Promise<void> {
  const files = new FolderFiles(folder);
  const read = ({ location, offset, length }: Weight): Promise<Uint8Array> =>
    files.read(location, offset, length);
  const model = await readGguf(await directoryOf(join(folder, file)), file, read);
  await onPath(target, async () => {
    await writeFile(join(target, "config.json"), JSON.stringify(model.json));
    const output = await open(join(target, "model.safetensors"), "wx");
    try {
      await convertGguf(model, {
        read,
        write: (bytes) => output.writeFile(bytes),
        onProgress: (fraction) => onProgress({ phase: "quantize", fraction }),
      });
    } finally {
      await output.close();
    }
  });
}

/** Gives a finished folder its name, unless another process was faster. */
async function publish(partial: string, target: string): Promise<void> {
  try {
    await rename(partial, target);
  } catch (cause) {
    if (!(await exists(target))) {
      throw new InferenceError("backend", `${target}: ${String(cause)}`, { cause });
    }
    await rm(partial, { recursive: true, force: true });
  }
}

/** Metadata and directory of a GGUF file; its weights are not read. */
async function directoryOf(path: string): Promise<GgufFile> {
  const { gguf } = await import("@huggingface/gguf");
  try {
    return await gguf(path, { allowLocalFile: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("format", `${path}: ${reason}`, { cause });
  }
}
