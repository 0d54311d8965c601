/**
 * Remembers the ids of recent pieces. Two generations: when the young one is full it becomes the
 * old one and the old one is dropped, so the memory is bounded and a piece in use survives.
 */
export class PieceCache {
  readonly #capacity: number;
  #young = new Map<string, Uint32Array>();
  #old = new Map<string, Uint32Array>();

  /** Holds at most `2 * capacity` pieces. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(piece: string): Uint32Array | undefined {
    const ids = this.#young.get(piece);
    if (ids !== undefined) return ids;
    const old = this.#old.get(piece);
    if (old !== undefined) this.#store(piece, old);
    return old;
  }

  /** Keeps `ids`; the caller must not write to them any more. */
  set(piece: string, ids: Uint32Array): void {
    this.#store(piece, ids);
  }

  #store(piece: string, ids: Uint32Array): void {
    if (this.#young.size >= this.#capacity) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(copyString(piece), ids);
  }
}

/** A string with its own storage: a slice would keep the whole text it was cut from alive. */
function copyString(text: string): string {
  const units: number[] = [];
  for (let i = 0; i < text.length; i++) units.push(text.charCodeAt(i));
  return String.fromCharCode(...units);
}
