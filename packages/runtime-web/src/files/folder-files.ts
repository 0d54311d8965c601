import { InferenceError } from "@frugal/core";

import type { WholeFiles } from "./open-files.ts";
import { readBlob } from "./read-blob.ts";

/** Files of a folder that the user opened, or of the origin's private file system. */
export class FolderFiles implements WholeFiles {
  readonly #folder: FileSystemDirectoryHandle;

  constructor(folder: FileSystemDirectoryHandle) {
    this.#folder = folder;
  }

  async text(name: string): Promise<string | null> {
    const bytes = await this.whole(name);
    return bytes === null ? null : new TextDecoder().decode(bytes);
  }

  async size(name: string): Promise<number | null> {
    return (await this.#file(name))?.size ?? null;
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const file = await this.#file(name);
    return file === null ? new Uint8Array() : readBlob(name, file, offset, length);
  }

  async whole(name: string): Promise<Uint8Array | null> {
    const file = await this.#file(name);
    return file === null ? null : readBlob(name, file, 0, file.size);
  }

  async #file(name: string): Promise<File | null> {
    try {
      return await (await this.#folder.getFileHandle(name)).getFile();
    } catch (cause) {
      if (cause instanceof DOMException && cause.name === "NotFoundError") return null;
      throw new InferenceError("backend", `${name}: ${String(cause)}`, { cause });
    }
  }
}
