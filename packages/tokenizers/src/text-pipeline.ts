import { alignPiece } from "./align-piece.ts";
import { toWellFormed } from "./character-classes.ts";
import type { EncodeOptions } from "./encoding.ts";
import type { Normalized } from "./normalizers/normalizer.ts";
import { originalPiece, slicePiece, type Piece } from "./pre-tokenizers/piece.ts";
import type { TokenBuffer } from "./token-buffer.ts";
import { columnsOf, type TokenColumns } from "./token-columns.ts";
import type { ByteStages, TextStages, TokenizerParts } from "./tokenizer-parts.ts";
import { utf8Length } from "./utf8.ts";

/** What of {@link EncodeOptions} the stages up to the model look at. */
type StageOptions = Pick<EncodeOptions, "special" | "random">;

/**
 * The stages up to the model put together, in the order of the reference: raw added tokens; then, for
 * each stretch between them, normalizer and normalized added tokens; then, for each stretch between
 * those, pre-tokenizer and model. Each stretch is a text of its own, so that nothing looks across an
 * added token.
 */
export class TextPipeline {
  readonly #parts: TokenizerParts;
  /** Bytes of each token in the byte alphabet, for offsets; made on first use. */
  #sizes: Uint32Array | null = null;

  constructor(parts: TokenizerParts) {
    this.#parts = parts;
  }

  /** Appends the tokens of a text. */
  encode(text: string, options: StageOptions, out: TokenBuffer): void {
    const source = toWellFormed(text);
    this.#parts.rawTokens.split(source, options.special !== "text", (id, start, end) => {
      if (id < 0) this.#encodeStretch(source.slice(start, end), start, options, out);
      else pushAdded(id, start, end, out);
    });
  }

  /** The tokens of a text, or of words one by one, with all that is known of each; fills `out`. */
  encodeColumns(
    text: string | readonly string[],
    options: StageOptions,
    out: TokenBuffer,
  ): TokenColumns {
    if (typeof text === "string") {
      this.encode(text, options, out);
      return columnsOf(out);
    }
    text.forEach((word, index) => {
      const first = out.length;
      this.encode(word, options, out);
      out.words!.fill(index, first, out.length);
    });
    return columnsOf(out);
  }

  /** Encodes what stands between two raw added tokens and begins at `base`. */
  #encodeStretch(text: string, base: number, options: StageOptions, out: TokenBuffer): void {
    const parts = this.#parts;
    const withOrigin = out.offsets !== null || (parts.kind === "text" && parts.needsOrigin);
    const normalized: Normalized =
      parts.normalizer === null ? { text, origin: null } : parts.normalizer(text, withOrigin);
    const { origin } = normalized;
    const whole = parts.kind === "text" ? originalPiece(normalized, base, withOrigin) : null;
    parts.normalizedTokens.split(normalized.text, options.special !== "text", (id, start, end) => {
      if (id >= 0) {
        const left = origin === null ? start : origin.starts[start]!;
        const right = origin === null ? end : origin.ends[end - 1]!;
        pushAdded(id, base + left, base + right, out);
      } else if (whole === null) {
        this.#encodeBytes(normalized.text.slice(start, end), { base, origin, start }, out);
      } else {
        this.#encodePieces(slicePiece(whole, start, end), options, out);
      }
    });
  }

  /** Encodes a stretch without added tokens in it, piece by piece. */
  #encodePieces(stretch: Piece, { random }: StageOptions, out: TokenBuffer): void {
    // The caller has looked at the kind.
    const { model, preTokenizer } = this.#parts as TextStages;
    const encode = ({ text, origin }: Piece): void => {
      const first = out.length;
      model.encode(text, out, random);
      const { offsets } = out;
      if (offsets !== null && origin !== null) {
        for (let i = first; i < out.length; i++) {
          const end = offsets[2 * i + 1]!;
          offsets[2 * i] = origin.starts[offsets[2 * i]!]!;
          offsets[2 * i + 1] = origin.ends[end - 1]!;
        }
      }
      out.closeWord(first);
    };
    if (preTokenizer === null) encode(stretch);
    else preTokenizer(stretch, encode);
  }

  /** Encodes a stretch without added tokens in it, over bytes. */
  #encodeBytes(
    text: string,
    from: { readonly base: number; readonly origin: Normalized["origin"]; readonly start: number },
    out: TokenBuffer,
  ): void {
    // The caller has looked at the kind.
    const { model, preTokenizer } = this.#parts as ByteStages;
    if (out.offsets === null) {
      preTokenizer(text, 0, (piece) => model.encode(piece, out));
      return;
    }
    const sizes = this.#tokenSizes();
    const { base, origin } = from;
    preTokenizer(text, from.start, (piece, start, prefixed) => {
      const first = out.length;
      model.encode(piece, out);
      alignPiece(out, first, piece, { base, origin, start, prefixed }, sizes);
      out.closeWord(first);
    });
  }

  #tokenSizes(): Uint32Array {
    const { vocabulary } = this.#parts;
    this.#sizes ??= Uint32Array.from({ length: vocabulary.size }, (_, id) =>
      utf8Length(vocabulary.tokenOf(id) ?? ""),
    );
    return this.#sizes;
  }
}

function pushAdded(id: number, start: number, end: number, out: TokenBuffer): void {
  out.push(id, start, end);
  out.closeWord(out.length - 1);
}
