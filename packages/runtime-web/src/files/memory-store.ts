import { emptyIndex, type ModelIndex } from "./model-index.ts";
import type { ModelStore, OpenPart, StoredFile } from "./model-store.ts";

/** Keeps files in memory, as long as the model is being loaded. */
export class MemoryStore implements ModelStore {
  readonly #index: ModelIndex = emptyIndex("", null);
  readonly #blobs = new Map<string, MemoryFile>();

  async index(): Promise<ModelIndex> {
    return this.#index;
  }

  async update(change: (index: ModelIndex) => void): Promise<void> {
    change(this.#index);
  }

  alone<T>(_blob: string, _signal: AbortSignal | undefined, use: () => Promise<T>): Promise<T> {
    return use();
  }

  async part(blob: string, size: number | null): Promise<OpenPart> {
    const file = this.#blobs.get(blob) ?? new MemoryFile(size ?? 2 ** 16);
    this.#blobs.set(blob, file);
    return file;
  }

  async blob(blob: string): Promise<StoredFile | null> {
    return this.#blobs.get(blob) ?? null;
  }

  async blobs(): Promise<readonly string[]> {
    return [...this.#blobs.keys()];
  }

  async remove(blob: string): Promise<void> {
    this.#blobs.delete(blob);
  }

  /** There is no way to know. */
  async room(): Promise<number> {
    return Infinity;
  }
}

class MemoryFile implements OpenPart, StoredFile {
  #buffer: Uint8Array;
  size = 0;

  constructor(capacity: number) {
    this.#buffer = new Uint8Array(capacity);
  }

  async *stream(length: number): AsyncGenerator<Uint8Array, void, void> {
    yield this.#buffer.subarray(0, length);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#buffer.subarray(offset, Math.min(this.size, offset + length));
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    const end = offset + bytes.length;
    if (end > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(2 * this.#buffer.length, end));
      larger.set(this.#buffer.subarray(0, offset));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, offset);
    this.size = end;
  }

  async truncate(size: number): Promise<void> {
    this.size = size;
  }

  async close(): Promise<void> {}
}
