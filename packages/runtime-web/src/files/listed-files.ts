import type { WholeFiles } from "./open-files.ts";
import { readBlob } from "./read-blob.ts";

/** Files that the user chose; of two with the same name the first counts. */
export class ListedFiles implements WholeFiles {
  readonly #files = new Map<string, File>();

  constructor(files: readonly File[]) {
    for (const file of files) if (!this.#files.has(file.name)) this.#files.set(file.name, file);
  }

  async text(name: string): Promise<string | null> {
    const bytes = await this.whole(name);
    return bytes === null ? null : new TextDecoder().decode(bytes);
  }

  async size(name: string): Promise<number | null> {
    return this.#files.get(name)?.size ?? null;
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const file = this.#files.get(name);
    return file === undefined ? new Uint8Array() : readBlob(name, file, offset, length);
  }

  async whole(name: string): Promise<Uint8Array | null> {
    const file = this.#files.get(name);
    return file === undefined ? null : readBlob(name, file, 0, file.size);
  }
}
