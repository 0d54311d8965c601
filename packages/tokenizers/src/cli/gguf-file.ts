import { open } from "node:fs/promises";
import { InferenceError } from "@frugal/core";
import type { GgufMetadata } from "@frugal/tokenizers";

/** Bytes that are read first; twice as many each time that they were too few. */
const FIRST_READ = 1 << 20;
/** Longest metadata; that of the largest published vocabularies is a tenth of it. */
const LONGEST = 1 << 28;

/**
 * Reads the metadata at the front of a GGUF file; weights are left where they are.
 *
 * @throws {@link InferenceError} `format` if it is none, `unsupported` for other versions than 2 and
 *   3 and for files of the other byte order.
 */
export async function readGgufFile(path: string): Promise<GgufMetadata> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    for (let length = FIRST_READ; ; length *= 2) {
      const bytes = new Uint8Array(Math.min(length, size));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      const metadata = parseGgufMetadata(bytes.subarray(0, bytesRead), path);
      if (metadata !== null) return metadata;
      if (length >= size || length >= LONGEST) {
        const got = length >= size ? "a file cut short" : `more than ${LONGEST} bytes`;
        throw new InferenceError("format", `${path}: expected the metadata of GGUF, got ${got}`);
      }
    }
  } finally {
    await file.close();
  }
}

/** Metadata in the first bytes of the file at `path`; null if more of them are needed. O(bytes). */
export function parseGgufMetadata(bytes: Uint8Array, path: string): GgufMetadata | null {
  return new GgufBytes(bytes, path).metadata();
}

/** Sizes of the types of one length, by their numbers: integers, reals and truth values. */
const SIZES: ReadonlyMap<number, number> = /* @__PURE__ */ new Map([
  [0, 1],
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 4],
  [5, 4],
  [6, 4],
  [7, 1],
  [10, 8],
  [11, 8],
  [12, 8],
]);
const STRING = 8;
const ARRAY = 9;

/** Thrown where the bytes end, and caught where more can be read. */
const CUT_SHORT = /* @__PURE__ */ Symbol("cut short");

/** The bytes at the front of a file, and how far they are read. */
class GgufBytes {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #path: string;
  #at = 0;

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#path = path;
  }

  /** Keys and values; null if the bytes end before. */
  metadata(): GgufMetadata | null {
    try {
      this.#readHeader();
      const entries = new Map<string, unknown>();
      for (let left = this.#count(); left > 0; left--) {
        const key = this.#string();
        entries.set(key, this.#value(this.#uint32(), true));
      }
      return entries;
    } catch (error) {
      if (error === CUT_SHORT) return null;
      throw error;
    }
  }

  #readHeader(): void {
    const magic = new TextDecoder("latin1").decode(this.#bytes.subarray(0, 4));
    if (magic !== "GGUF".slice(0, magic.length)) this.#fail("the mark GGUF", JSON.stringify(magic));
    this.#take(4);
    const version = this.#uint32();
    if (version !== 2 && version !== 3) {
      const message = `${this.#path}: expected GGUF of version 2 or 3, got ${version}`;
      throw new InferenceError("unsupported", message);
    }
    // How many tensors there are.
    this.#take(8);
  }

  #value(type: number, mayBeArray: boolean): unknown {
    if (type === STRING) return this.#string();
    if (type === ARRAY && mayBeArray) {
      const inner = this.#uint32();
      return Array.from({ length: this.#count(SIZES.get(inner) ?? 8) }, () =>
        this.#value(inner, false),
      );
    }
    const size = SIZES.get(type) ?? this.#fail("a type of value", `${type}`);
    return this.#number(type, this.#take(size));
  }

  #number(type: number, at: number): unknown {
    const view = this.#view;
    switch (type) {
      case 0:
        return view.getUint8(at);
      case 1:
        return view.getInt8(at);
      case 2:
        return view.getUint16(at, true);
      case 3:
        return view.getInt16(at, true);
      case 4:
        return view.getUint32(at, true);
      case 5:
        return view.getInt32(at, true);
      case 6:
        return view.getFloat32(at, true);
      case 7:
        return view.getUint8(at) !== 0;
      case 10:
        return view.getBigUint64(at, true);
      case 11:
        return view.getBigInt64(at, true);
      default:
        return view.getFloat64(at, true);
    }
  }

  #string(): string {
    const length = this.#count(1);
    const start = this.#take(length);
    return new TextDecoder().decode(this.#bytes.subarray(start, start + length));
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** How many things of at least `size` bytes follow; they are here, so that none is made up. */
  #count(size = 0): number {
    const count = Number(this.#view.getBigUint64(this.#take(8), true));
    if (count * size > this.#bytes.length - this.#at) throw CUT_SHORT;
    return count;
  }

  /** Where the next bytes are, and moves past them. */
  #take(size: number): number {
    const at = this.#at;
    if (at + size > this.#bytes.length) throw CUT_SHORT;
    this.#at += size;
    return at;
  }

  #fail(expected: string, got: string): never {
    throw new InferenceError("format", `${this.#path}: expected ${expected}, got ${got}`);
  }
}
