import type { PartEncoder } from "./cuts/cut-rule.ts";
import type { EncodeOptions } from "./encoding.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How a {@link StreamEncoder} reads its text: as `encode` does, but for offsets. */
export type StreamEncodeOptions = Pick<EncodeOptions, "addSpecialTokens" | "special">;

/**
 * Turns text into ids as it arrives, cut anywhere, in the middle of a character too.
 *
 * What all pushes and the final `flush` return, joined, is exactly what `encode` returns for the
 * whole text. An id is returned once nothing that may follow can change it: up to the last place at
 * which the text may be cut (`Tokenizer.cuts`). Where a tokenizer does not know such places,
 * everything is kept until `flush`.
 *
 * Cost: O(text) over all pushes, however small. Holds twice the longest stretch without a cut, which
 * is a few words for ordinary text.
 */
export class StreamEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #options: StreamEncodeOptions;
  /** What a template puts around a text; null if the text must be encoded as a whole. */
  readonly #frame: Frame | null;
  #encodePart: PartEncoder;
  #parts: string[] = [];
  #length = 0;
  /** Looking for a cut reads everything held, so it waits until that has doubled. */
  #worthwhile = 1;
  #begun = false;

  constructor(tokenizer: Tokenizer, options: StreamEncodeOptions = {}) {
    const { addSpecialTokens, special } = options;
    this.#tokenizer = tokenizer;
    this.#options = {
      ...(addSpecialTokens !== undefined && { addSpecialTokens }),
      ...(special !== undefined && { special }),
    };
    this.#frame = tokenizer.cuts === null ? null : frameOf(tokenizer, this.#options);
    this.#encodePart = this.#openParts();
  }

  /** Ids that the text so far settles. May be none; never those of an earlier push. */
  push(text: string): Uint32Array {
    if (text.length === 0) return new Uint32Array(0);
    this.#parts.push(text);
    this.#length += text.length;
    if (this.#frame === null || this.#length < this.#worthwhile) return new Uint32Array(0);

    const held = this.#parts.join("");
    const place = this.#tokenizer.cuts!.lastCut(held, this.#options.special);
    this.#hold(held.slice(place));
    return place === 0 ? new Uint32Array(0) : this.#settle(held.slice(0, place), false);
  }

  /** The remaining ids. The stream is then as new. */
  flush(): Uint32Array {
    const held = this.#parts.join("");
    const ids =
      this.#frame === null || !this.#begun
        ? this.#tokenizer.encode(held, this.#options).ids
        : this.#settle(held, true);
    this.#hold("");
    this.#begun = false;
    this.#encodePart = this.#openParts();
    return ids;
  }

  #openParts(): PartEncoder {
    const { openParts } = this.#tokenizer.cuts ?? {};
    if (openParts !== undefined) return openParts(this.#options.special);
    const options = { ...this.#options, addSpecialTokens: false };
    return (part) => this.#tokenizer.encode(part, options).ids;
  }

  #hold(text: string): void {
    this.#parts = text === "" ? [] : [text];
    this.#length = text.length;
    this.#worthwhile = 2 * text.length;
  }

  #settle(text: string, last: boolean): Uint32Array {
    const ids = this.#encodePart(text);
    const before = this.#begun ? [] : this.#frame!.before;
    const after = last ? this.#frame!.after : [];
    this.#begun = true;
    if (before.length + after.length === 0) return ids;
    return Uint32Array.from([...before, ...ids, ...after]);
  }
}

/** Ids that stand before and after those of any text. */
interface Frame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** Found out from two texts whose ids differ; null if their frames do not agree. */
function frameOf(tokenizer: Tokenizer, options: StreamEncodeOptions): Frame | null {
  if (options.addSpecialTokens === false) return { before: [], after: [] };
  const frames = ["a", "b"].map((text) => framesOf(tokenizer, text, options));
  const shared = frames[0]!.find((one) => frames[1]!.some((other) => isSame(one, other)));
  return shared ?? null;
}

function framesOf(tokenizer: Tokenizer, text: string, options: StreamEncodeOptions): Frame[] {
  const full = [...tokenizer.encode(text, options).ids];
  const bare = tokenizer.encode(text, { ...options, addSpecialTokens: false }).ids;
  const found: Frame[] = [];
  for (let start = 0; start + bare.length <= full.length; start++) {
    if (!bare.every((id, i) => id === full[start + i])) continue;
    found.push({ before: full.slice(0, start), after: full.slice(start + bare.length) });
  }
  return found;
}

function isSame(one: Frame, other: Frame): boolean {
  return one.before.join() === other.before.join() && one.after.join() === other.after.join();
}
