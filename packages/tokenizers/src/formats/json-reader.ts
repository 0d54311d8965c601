import { InferenceError } from "@frugal/core";

/** Deepest value that is read, as reading is recursion; published files need eight levels. */
const DEEPEST = 128;

/** A value inside a JSON document that knows where it stands, so that every complaint can say. */
export class JsonReader {
  readonly value: unknown;
  readonly #document: string;
  readonly #path: string;
  readonly #depth: number;

  private constructor(value: unknown, document: string, path: string, depth: number) {
    this.value = value;
    this.#document = document;
    this.#path = path;
    this.#depth = depth;
    if (depth > DEEPEST) this.fail(`at most ${DEEPEST} levels`);
  }

  /**
   * Opens a document, given as text or already parsed.
   *
   * @throws {@link InferenceError} `format` if the text is not JSON or holds no object.
   */
  static parse(source: object | string, document: string): JsonReader {
    let value: unknown = source;
    if (typeof source === "string") {
      try {
        value = JSON.parse(source);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new InferenceError("format", `${document}: expected JSON, got: ${reason}`, { cause });
      }
    }
    const reader = new JsonReader(value, document, "", 0);
    reader.object();
    return reader;
  }

  /** Whether the value is `null` or was left out. */
  get isAbsent(): boolean {
    return this.value === null || this.value === undefined;
  }

  /** Document and path, for messages. */
  get place(): string {
    return this.#path === "" ? this.#document : `${this.#document} ${this.#path}`;
  }

  /** A member of an object; absent if the object has none of that name. */
  member(name: string): JsonReader {
    const object = this.object();
    const isPlain = /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name);
    const step = isPlain ? name : `[${JSON.stringify(name)}]`;
    const path = this.#path === "" || !isPlain ? this.#path + step : `${this.#path}.${step}`;
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    return new JsonReader(value, this.#document, path, this.#depth + 1);
  }

  object(): Record<string, unknown> {
    const { value } = this;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return this.fail("an object");
    }
    // The check above leaves nothing else; JSON objects are string-keyed.
    return value as Record<string, unknown>;
  }

  array(): JsonReader[] {
    const { value } = this;
    if (!Array.isArray(value)) return this.fail("an array");
    return value.map((_, index) => this.at(index));
  }

  /** An element of an array. Unchecked: the value is one. */
  at(index: number): JsonReader {
    const element = (this.value as readonly unknown[])[index];
    const path = `${this.#path}[${index}]`;
    return new JsonReader(element, this.#document, path, this.#depth + 1);
  }

  string(): string {
    return typeof this.value === "string" ? this.value : this.fail("a string");
  }

  /** A string, or null where the value is absent. */
  optionalString(): string | null {
    return this.isAbsent ? null : this.string();
  }

  /** A truth value; `fallback` where it is absent, unless none is given. */
  boolean(fallback?: boolean): boolean {
    if (this.isAbsent && fallback !== undefined) return fallback;
    return typeof this.value === "boolean" ? this.value : this.fail("true or false");
  }

  /** A token id: an integer in [0, 2^24), which keeps a hostile file from asking for gigabytes. */
  id(): number {
    const { value } = this;
    const isId = Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 24;
    return isId ? Number(value) : this.fail("an integer in [0, 16777216)");
  }

  /** As {@link JsonReader.id}, but 0 where it is absent. */
  optionalId(): number {
    return this.isAbsent ? 0 : this.id();
  }

  /** One of a few strings. */
  choice<T extends string>(choices: readonly T[]): T {
    const found = choices.find((choice) => choice === this.value);
    return found ?? this.fail(choices.map((choice) => `"${choice}"`).join(" or "));
  }

  /** @throws {@link InferenceError} `format`, always. */
  fail(expected: string): never {
    throw new InferenceError(
      "format",
      `${this.place}: expected ${expected}, got ${describe(this.value)}`,
    );
  }

  /** @throws {@link InferenceError} `unsupported`, always. `what` is what stands here. */
  refuse(what: string): never {
    throw new InferenceError("unsupported", `${this.place}: ${what} is not supported`);
  }
}

/** A value as JSON, cut to a length that a message can hold. */
function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value) && value.length > 8) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null && Object.keys(value).length > 8) {
    return "an object";
  }
  const text = stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return "what is too deep to print";
  }
}
