import { open, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { InferenceError } from "@frugal/core";
import type { ModelFiles } from "@frugal/runtime";

import { onPath } from "./on-path.ts";

/** Bytes per call: the operating system reads at most 2 GiB at once. */
const readSize = 2 ** 30;

/** Files of a model in a folder. */
export class FolderFiles implements ModelFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async text(name: string): Promise<string | null> {
    return this.#orNull(name, (path) => readFile(path, "utf8"));
  }

  async size(name: string): Promise<number | null> {
    const entry = await this.#orNull(name, (path) => stat(path));
    return entry?.isFile() === true ? entry.size : null;
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    return onPath(join(this.#folder, name), async (path) => {
      const file = await open(path, "r");
      try {
        const bytes = new Uint8Array(length);
        let done = 0;
        while (done < length) {
          const count = Math.min(readSize, length - done);
          const { bytesRead } = await file.read(bytes, done, count, offset + done);
          if (bytesRead === 0) break;
          done += bytesRead;
        }
        return bytes.subarray(0, done);
      } finally {
        await file.close();
      }
    });
  }

  /**
   * Folder and name under which ONNX Runtime opens a file. It refuses links that lead out of the
   * folder it was given, and the caches of the Hub consist of such links: so it gets their target.
   */
  async resolve(name: string): Promise<{ readonly folder: string; readonly name: string }> {
    const path = await onPath(join(this.#folder, name), (link) => realpath(link));
    return { folder: dirname(path), name: basename(path) };
  }

  #orNull<T>(name: string, run: (path: string) => Promise<T>): Promise<T | null> {
    return onPath(join(this.#folder, name), (path) => orNull(() => run(path)));
  }
}

/**
 * Makes sure that a folder exists.
 *
 * @throws {@link InferenceError} `format` if there is none, `backend` if the system does not let us
 *   look; both name the path.
 */
export async function checkFolder(folder: string): Promise<void> {
  const entry = await onPath(folder, () => orNull(() => stat(folder)));
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
