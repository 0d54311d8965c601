import { open, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { InferenceError } from "@frugal/core";
import type { ModelFiles } from "@frugal/runtime";

/** Files of a model in a folder. */
export class FolderFiles implements ModelFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async text(name: string): Promise<string | null> {
    return orNull(() => readFile(join(this.#folder, name), "utf8"));
  }

  async size(name: string): Promise<number | null> {
    const entry = await orNull(() => stat(join(this.#folder, name)));
    return entry?.isFile() === true ? entry.size : null;
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const file = await open(join(this.#folder, name), "r");
    try {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  /**
   * Folder and name under which ONNX Runtime opens a file. It refuses links that lead out of the
   * folder it was given, and the caches of the Hub consist of such links: so it gets their target.
   */
  async resolve(name: string): Promise<{ readonly folder: string; readonly name: string }> {
    const path = await realpath(join(this.#folder, name));
    return { folder: dirname(path), name: basename(path) };
  }
}

/**
 * Makes sure that a folder exists.
 *
 * @throws {@link InferenceError} `format` naming the path.
 */
export async function checkFolder(folder: string): Promise<void> {
  const entry = await orNull(() => stat(folder));
  if (entry?.isDirectory() !== true) {
    const what = entry === null ? "no such folder" : "not a folder";
    throw new InferenceError("format", `${folder}: ${what}`);
  }
}

async function orNull<T>(run: () => Promise<T>): Promise<T | null> {
  try {
    return await run();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
}
