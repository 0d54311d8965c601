import { InferenceError } from "@frugal/core";

/** Metadata of a GGUF file: what the file calls things, to their values. */
export type GgufMetadata = ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>;

/** Kinds of tokens in a GGUF vocabulary, by `tokenizer.ggml.token_type`. */
export const GGUF_TYPE = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

/** Reads the part of the metadata that describes the tokenizer, and checks what it finds. */
export class GgufReader {
  readonly #metadata: GgufMetadata;

  constructor(metadata: GgufMetadata) {
    this.#metadata = metadata;
  }

  /** A string; `fallback` if it is not there. */
  string(name: string, fallback?: string): string {
    const value = this.#get(name) ?? fallback;
    return typeof value === "string" ? value : this.#fail(name, "a string", value);
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.#get(name) ?? fallback;
    return typeof value === "boolean" ? value : this.#fail(name, "true or false", value);
  }

  /** An id below `size`; null if it is not there. */
  id(name: string, size: number): number | null {
    const value = this.#get(name) ?? null;
    if (value === null) return null;
    const id = typeof value === "bigint" ? Number(value) : value;
    return typeof id === "number" && Number.isInteger(id) && id >= 0 && id < size
      ? id
      : this.#fail(name, `an id below ${size}`, value);
  }

  strings(name: string): string[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) return this.#fail(name, "an array of strings", value);
    value.forEach((each: unknown, i) => {
      if (typeof each !== "string") this.#fail(`${name}[${i}]`, "a string", each);
    });
    // The loop above has looked at each.
    return value as string[];
  }

  /** `count` finite numbers, typed or not; null if they are not there. */
  numbers(name: string, count: number): number[] | null {
    const value = this.#get(name) ?? null;
    if (value === null) return null;
    if (!Array.isArray(value) && !ArrayBuffer.isView(value)) {
      return this.#fail(name, "an array of numbers", value);
    }
    // A DataView has no length and is refused by the next check.
    const list = Array.from(value as ArrayLike<unknown>, Number);
    if (list.length !== count) this.#fail(name, `${count} numbers`, `${list.length}`);
    const wrong = list.findIndex((each) => !Number.isFinite(each));
    if (wrong >= 0) this.#fail(`${name}[${wrong}]`, "a number", list[wrong]);
    return list;
  }

  /** Bytes; empty if they are not there. */
  bytes(name: string): Uint8Array {
    const value = this.#get(name) ?? [];
    if (!Array.isArray(value) && !ArrayBuffer.isView(value)) {
      return this.#fail(name, "an array of bytes", value);
    }
    return Uint8Array.from(value as ArrayLike<number>, Number);
  }

  /** @throws {@link InferenceError} `unsupported`, always. */
  refuse(name: string, value: string): never {
    const message = `tokenizer.ggml.${name}: ${JSON.stringify(value)} is not supported`;
    throw new InferenceError("unsupported", message);
  }

  #get(name: string): unknown {
    const key = `tokenizer.ggml.${name}`;
    const metadata = this.#metadata;
    if (metadata instanceof Map) return metadata.get(key);
    const object = metadata as Readonly<Record<string, unknown>>;
    return Object.hasOwn(object, key) ? object[key] : undefined;
  }

  #fail(name: string, expected: string, got: unknown): never {
    const text = typeof got === "string" ? JSON.stringify(got.slice(0, 80)) : String(got);
    throw new InferenceError("format", `tokenizer.ggml.${name}: expected ${expected}, got ${text}`);
  }
}
