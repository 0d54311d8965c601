/** Token strings and ids of a whole tokenizer: the model's and the added ones. */
export class Vocabulary {
  /** Highest id plus one: what a row of logits must at least have. */
  readonly size: number;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #tokens: readonly (string | undefined)[];
  readonly #added: ReadonlySet<number>;
  readonly #special: ReadonlySet<number>;

  /** Keeps all three arguments; `ids` gives each token its id, ids may have gaps. O(tokens). */
  constructor(
    ids: ReadonlyMap<string, number>,
    added: ReadonlySet<number>,
    special: ReadonlySet<number>,
  ) {
    let size = 0;
    for (const id of ids.values()) if (id >= size) size = id + 1;
    const tokens: (string | undefined)[] = Array.from({ length: size });
    for (const [token, id] of ids) tokens[id] = token;
    this.size = size;
    this.#ids = ids;
    this.#tokens = tokens;
    this.#added = added;
    this.#special = special;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens[id];
  }

  isAdded(id: number): boolean {
    return this.#added.has(id);
  }

  isSpecial(id: number): boolean {
    return this.#special.has(id);
  }
}
