import { type ModelFiles, readSafetensors, type Weight, type WeightMap } from "../src/index.ts";

/** Files of a model in memory. */
export class MemoryFiles implements ModelFiles {
  readonly #files = new Map<string, Uint8Array>();

  constructor(files: Readonly<Record<string, Uint8Array | string | object>>) {
    for (const [name, content] of Object.entries(files)) this.add(name, content);
  }

  /** Adds a file: bytes, text, or a value to be written as JSON. */
  add(name: string, content: Uint8Array | string | object): void {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    const bytes = content instanceof Uint8Array ? content : new TextEncoder().encode(text);
    this.#files.set(name, bytes);
  }

  async text(name: string): Promise<string | null> {
    const bytes = this.#files.get(name);
    return bytes === undefined ? null : new TextDecoder().decode(bytes);
  }

  async size(name: string): Promise<number | null> {
    return this.#files.get(name)?.length ?? null;
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#files.get(name)!.subarray(offset, offset + length);
  }
}

/** The tensors of one file. */
export async function readWeights(files: ModelFiles, location: string): Promise<WeightMap> {
  const { tensors } = await readSafetensors(files, location);
  const weights = new Map<string, Weight>();
  for (const [name, entry] of tensors) weights.set(name, { ...entry, location });
  return weights;
}
