import { InferenceError, type TextStream } from "@frugal/core";
import type { AddedTokens } from "./added-tokens.ts";
import { alignPiece } from "./align-piece.ts";
import { toWellFormed } from "./character-classes.ts";
import type { CutRule } from "./cuts/cut-rule.ts";
import type { TokenDecoder } from "./decoders/token-decoder.ts";
import type { EncodeOptions, Encoding, EncodingWithOffsets } from "./encoding.ts";
import { joinSegments, LazyEncoding, type EncodingDetails } from "./full-encoding.ts";
import type { ByteLevelBpe } from "./models/bpe.ts";
import type { Model } from "./models/model.ts";
import type { Normalized, Normalizer } from "./normalizers/normalizer.ts";
import type { Padding } from "./padding.ts";
import {
  countAdded,
  plainPostProcessor,
  type PostProcessor,
  type TemplatePiece,
} from "./post-processors/post-processor.ts";
import { slicePiece, type Piece, type PieceStep } from "./pre-tokenizers/piece.ts";
import type { PreTokenizer } from "./pre-tokenizers/pre-tokenizer.ts";
import { assemble, type Segment } from "./segments.ts";
import { StreamDecoder } from "./stream-decoder.ts";
import { TokenBuffer } from "./token-buffer.ts";
import { columnsOf, type TokenColumns } from "./token-columns.ts";
import { truncate, type Truncation } from "./truncation.ts";
import { utf8Length } from "./utf8.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** How {@link Tokenizer.decode} writes its text. */
export interface DecodeOptions {
  /** Leave special tokens out. Default `false`. */
  readonly skipSpecialTokens?: boolean;
}

/** Text to ids and back. Made by `createTokenizer`; holds no text it has seen but short pieces. */
export interface Tokenizer {
  /** Highest id plus one. A model may have more rows of logits than this, never fewer. */
  readonly vocabSize: number;
  /** Tokens that the configuration names, and their ids; `null` where it names none. */
  readonly eosToken: string | null;
  readonly eosId: number | null;
  readonly bosId: number | null;
  readonly padId: number | null;
  /** The chat template of the configuration, uninterpreted; `null` without one. */
  readonly chatTemplate: string | null;
  /** Where a text may be cut and encoded in parts; `null` where that is not known. */
  readonly cuts: CutRule | null;

  /**
   * Ids of a text, and on request where each comes from. A lone surrogate counts as U+FFFD. A text
   * that comes as an array of words is encoded word by word; ranges are then in the word.
   *
   * Truncation and padding are the file's, unless the options have others.
   *
   * Cost: O(length), times the logarithm of the longest piece that the file's pattern does not cut.
   *
   * @throws {@link InferenceError} `range` if one match of the pattern is too long for the engine:
   *   many millions of characters.
   */
  encode(
    text: string | readonly string[],
    options: EncodeOptions & { readonly offsets: true },
  ): EncodingWithOffsets;
  encode(text: string | readonly string[], options?: EncodeOptions): Encoding;

  /**
   * Text of ids. Bytes that form no character come out as U+FFFD, one for each maximal part, as in
   * the Encoding standard. O(bytes).
   *
   * @throws {@link InferenceError} `range` if no token has one of the ids.
   */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;

  /** A new stream that returns, piece by piece, what `decode` would return at once. */
  createStream(options?: DecodeOptions): StreamDecoder;

  /** Id of a token as the file spells it, stand-ins and all; `undefined` if there is none. */
  tokenToId(token: string): number | undefined;
  /** Token as the file spells it; `undefined` if no token has this id. */
  idToToken(id: number): string | undefined;
  /**
   * The bytes a token stands for, in an array of the caller's own. They need not be whole
   * characters.
   *
   * @throws {@link InferenceError} `range` if no token has this id.
   */
  idToBytes(id: number): Uint8Array;
  /** Whether a token is marked as special: one that `skipSpecialTokens` leaves out. */
  isSpecial(id: number): boolean;
  /** For {@link StreamDecoder}: a stream of its own kind, or null if joining bytes will do. */
  openStream(): TextStream | null;
  /**
   * The `tokenizer.json` of this tokenizer, as an object of its own. It encodes and decodes alike; a
   * merge that was overridden by a later one and ids that did not count are not in it.
   *
   * @throws {@link InferenceError} `unsupported` if it was read from another format that has something
   *   this one cannot express.
   */
  toJson(): object;
}

/** What the configuration beside a tokenizer file says. */
export interface TokenizerConfig {
  readonly eosToken: string | null;
  readonly bosToken: string | null;
  readonly padToken: string | null;
  readonly chatTemplate: string | null;
}

/** Byte-level encoding: a pre-tokenizer that only cuts, and a model over bytes. */
export interface ByteStages {
  readonly kind?: "bytes";
  readonly preTokenizer: PreTokenizer;
  readonly model: ByteLevelBpe;
}

/** Any other encoding: a pre-tokenizer that may rewrite, and a model over characters. */
export interface TextStages {
  readonly kind: "text";
  readonly preTokenizer: PieceStep | null;
  readonly model: Model;
  /** Whether the pre-tokenizer looks at where in the text a piece begins. */
  readonly needsOrigin: boolean;
}

/** The stages of a tokenizer. */
export type TokenizerParts = CommonParts & (ByteStages | TextStages);

interface CommonParts {
  readonly vocabulary: Vocabulary;
  /** Added tokens to look for before normalization, and after it. */
  readonly rawTokens: AddedTokens;
  readonly normalizedTokens: AddedTokens;
  readonly normalizer: Normalizer | null;
  readonly postProcessor: PostProcessor | null;
  readonly truncation?: Truncation | null;
  readonly padding?: Padding | null;
  readonly cuts?: CutRule | null;
  /** Called on first use: encoding alone needs no table of bytes. */
  readonly createDecoder: () => TokenDecoder;
  /** The `tokenizer.json` that means the same. */
  readonly toJson: () => object;
}

/**
 * The stages put together, in the order of the reference: raw added tokens; then, for each stretch
 * between them, normalizer and normalized added tokens; then, for each stretch between those,
 * pre-tokenizer and model; last the post-processor. Each stretch is a text of its own, so that
 * nothing looks across an added token.
 */
export class PipelineTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly eosToken: string | null;
  readonly eosId: number | null;
  readonly bosId: number | null;
  readonly padId: number | null;
  readonly chatTemplate: string | null;
  readonly cuts: CutRule | null;
  readonly #parts: TokenizerParts;
  #decoder: TokenDecoder | null = null;
  /** Bytes of each token in the byte alphabet, for offsets. */
  #sizes: Uint32Array | null = null;

  constructor(parts: TokenizerParts, config: TokenizerConfig) {
    const idOf = (token: string | null): number | null =>
      token === null ? null : (parts.vocabulary.idOf(token) ?? null);
    this.#parts = parts;
    this.vocabSize = parts.vocabulary.size;
    this.eosToken = config.eosToken;
    this.eosId = idOf(config.eosToken);
    this.bosId = idOf(config.bosToken);
    this.padId = idOf(config.padToken);
    this.chatTemplate = config.chatTemplate;
    this.cuts = parts.cuts ?? null;
  }

  encode(
    text: string | readonly string[],
    options: EncodeOptions & { readonly offsets: true },
  ): EncodingWithOffsets;
  encode(text: string | readonly string[], options?: EncodeOptions): Encoding;
  encode(text: string | readonly string[], options: EncodeOptions = {}): Encoding {
    const { vocabulary, postProcessor } = this.#parts;
    const { truncation, padding } = this.#lengthsOf(options);
    const withOffsets = options.offsets === true;
    const isPlain = typeof text === "string" && options.pair === undefined;
    // What is not asked for is worked out later, if at all; chance would make that another encoding.
    const isFixed = truncation === null && padding === null && options.random === undefined;
    const trims = withOffsets && (postProcessor?.trims.length ?? 0) > 0;
    if (!isPlain || !isFixed || trims) {
      return this.#encodingOf(this.#createDetails(text, options), options);
    }
    const out = new TokenBuffer(withOffsets);
    this.#encodeText(toWellFormed(text), options, out);
    const addSpecialTokens = options.addSpecialTokens ?? true;
    const template = addSpecialTokens ? (postProcessor?.single ?? []) : [];
    const { ids, offsets } = surround(out, template);
    return new LazyEncoding(ids, offsets, () => this.#createDetails(text, options), vocabulary);
  }

  openStream(): TextStream | null {
    const stream = this.#byteTable().openStream();
    if (stream === null) return null;
    return {
      push: (id) => stream.push(this.#checkId(id, "id")),
      flush: () => stream.flush(),
    };
  }

  toJson(): object {
    return this.#parts.toJson();
  }

  /** The truncation and padding that count. */
  #lengthsOf(options: EncodeOptions): { truncation: Truncation | null; padding: Padding | null } {
    const { truncation = null, padding = null } = this.#parts;
    const wanted = (options.padding ?? padding) || null;
    const isIdle = wanted?.length === "longest" && wanted.multipleOf === undefined;
    return {
      truncation: (options.truncation ?? truncation) || null,
      padding: isIdle ? null : wanted,
    };
  }

  #encodingOf(details: EncodingDetails, options: EncodeOptions): Encoding {
    const { vocabulary } = this.#parts;
    const offsets = options.offsets === true ? details.offsets : null;
    const token = this.#lengthsOf(options).padding?.token;
    return new LazyEncoding(details.ids, offsets, () => details, vocabulary, token);
  }

  /** Everything there is to know about an encoding. */
  #createDetails(text: string | readonly string[], options: EncodeOptions): EncodingDetails {
    const { truncation, padding } = this.#lengthsOf(options);
    const processor = this.#parts.postProcessor ?? plainPostProcessor;
    const addSpecialTokens = options.addSpecialTokens ?? true;
    const texts = options.pair === undefined ? [text] : [text, options.pair];
    const columns = texts.map((each) => this.#columnsOf(each, options));
    const template = texts.length > 1 ? processor.pair : processor.single;
    const chunks =
      truncation === null
        ? columns.map((each): readonly [TokenColumns] => [each])
        : truncate(columns, truncation, addSpecialTokens ? countAdded(template) : 0);
    chunks.forEach((each, i) => {
      for (const chunk of each) this.#trim(chunk, texts[i]!);
    });
    const { segments, overflowing } = assemble(chunks, processor, addSpecialTokens);
    const rest = overflowing.map((each: readonly Segment[]) =>
      this.#encodingOf(joinSegments(each, padding, []), options),
    );
    return joinSegments(segments, padding, rest);
  }

  #columnsOf(text: string | readonly string[], options: EncodeOptions): TokenColumns {
    const out = new TokenBuffer(true, true);
    if (typeof text === "string") {
      this.#encodeText(toWellFormed(text), options, out);
      return columnsOf(out);
    }
    text.forEach((word, index) => {
      const first = out.length;
      this.#encodeText(toWellFormed(word), options, out);
      out.words!.fill(index, first, out.length);
    });
    return columnsOf(out);
  }

  #trim(columns: TokenColumns, text: string | readonly string[]): void {
    const { postProcessor, vocabulary } = this.#parts;
    const source = typeof text === "string" ? toWellFormed(text) : text.map(toWellFormed);
    const textOf = (token: number): string =>
      typeof source === "string" ? source : source[columns.words[token]!]!;
    for (const trim of postProcessor?.trims ?? []) trim(columns, { textOf, vocabulary });
  }

  #encodeText(source: string, options: EncodeOptions, out: TokenBuffer): void {
    const parseSpecial = options.special !== "text";
    this.#parts.rawTokens.split(source, parseSpecial, (id, start, end) => {
      if (id < 0) {
        this.#encodeStretch(source.slice(start, end), start, options, out);
        return;
      }
      out.push(id, start, end);
      out.closeWord(out.length - 1);
    });
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const kept: number[] = [];
    for (let i = 0; i < ids.length; i++) {
      const id = this.#checkId(ids[i]!, `ids[${i}]`);
      if (options.skipSpecialTokens !== true || !this.isSpecial(id)) kept.push(id);
    }
    return this.#byteTable().decode(kept);
  }

  createStream(options: DecodeOptions = {}): StreamDecoder {
    return new StreamDecoder(this, options);
  }

  tokenToId(token: string): number | undefined {
    return this.#parts.vocabulary.idOf(token);
  }

  idToToken(id: number): string | undefined {
    return this.#parts.vocabulary.tokenOf(id);
  }

  idToBytes(id: number): Uint8Array {
    return this.#byteTable().bytesOf(this.#checkId(id, "id")).slice();
  }

  isSpecial(id: number): boolean {
    return this.#parts.vocabulary.isSpecial(id);
  }

  /** Encodes what stands between two raw added tokens and begins at `base`. */
  #encodeStretch(text: string, base: number, options: EncodeOptions, out: TokenBuffer): void {
    const parts = this.#parts;
    const withOrigin = out.offsets !== null || (parts.kind === "text" && parts.needsOrigin);
    const normalized: Normalized =
      parts.normalizer === null ? { text, origin: null } : parts.normalizer(text, withOrigin);
    const { origin } = normalized;
    const whole = parts.kind === "text" ? pieceOf(normalized, base, withOrigin) : null;
    parts.normalizedTokens.split(normalized.text, options.special !== "text", (id, start, end) => {
      if (id >= 0) {
        const left = origin === null ? start : origin.starts[start]!;
        const right = origin === null ? end : origin.ends[end - 1]!;
        out.push(id, base + left, base + right);
        out.closeWord(out.length - 1);
      } else if (whole === null) {
        this.#encodeBytes(normalized.text.slice(start, end), { base, origin, start }, out);
      } else {
        this.#encodePieces(slicePiece(whole, start, end), options, out);
      }
    });
  }

  /** Encodes a stretch without added tokens in it, piece by piece. */
  #encodePieces(stretch: Piece, { random }: EncodeOptions, out: TokenBuffer): void {
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
    preTokenizer(text, from.start, (piece, start, prefixed) => {
      const first = out.length;
      model.encode(piece, out);
      alignPiece(
        out,
        first,
        piece,
        { base: from.base, origin: from.origin, start, prefixed },
        sizes,
      );
      out.closeWord(first);
    });
  }

  #checkId(id: number, subject: string): number {
    if (this.#parts.vocabulary.tokenOf(id) === undefined) {
      const range = `an id of a token, in [0, ${this.vocabSize})`;
      throw new InferenceError("range", `${subject}: expected ${range}, got ${id}`);
    }
    return id;
  }

  #byteTable(): TokenDecoder {
    this.#decoder ??= this.#parts.createDecoder();
    return this.#decoder;
  }

  #tokenSizes(): Uint32Array {
    this.#sizes ??= Uint32Array.from({ length: this.vocabSize }, (_, id) =>
      utf8Length(this.idToToken(id) ?? ""),
    );
    return this.#sizes;
  }
}

/** Normalized text as a piece whose ranges are in the source, where it begins at `base`. */
function pieceOf({ text, origin }: Normalized, base: number, withOrigin: boolean): Piece {
  if (!withOrigin) return { text, origin: null };
  if (origin !== null) {
    const shift = (column: Uint32Array): Uint32Array =>
      base === 0 ? column : column.map((at) => at + base);
    return { text, origin: { starts: shift(origin.starts), ends: shift(origin.ends) } };
  }
  const starts = new Uint32Array(text.length);
  const ends = new Uint32Array(text.length);
  for (let i = 0; i < text.length;) {
    const next = i + (text.codePointAt(i)! >= 0x10000 ? 2 : 1);
    starts.fill(base + i, i, next);
    ends.fill(base + next, i, next);
    i = next;
  }
  return { text, origin: { starts, ends } };
}

/** The tokens of one text with those of a template around them. O(tokens). */
function surround(
  out: TokenBuffer,
  template: readonly TemplatePiece[],
): { ids: Uint32Array; offsets: Uint32Array | null } {
  const n = out.length;
  const added = countAdded(template);
  if (added === 0) {
    return { ids: out.ids.slice(0, n), offsets: out.offsets?.slice(0, 2 * n) ?? null };
  }
  const ids = new Uint32Array(n + added);
  const offsets = out.offsets === null ? null : new Uint32Array(2 * ids.length);
  let at = 0;
  for (const piece of template) {
    if ("ids" in piece) ids.set(piece.ids, at);
    else {
      ids.set(out.ids.subarray(0, n), at);
      offsets?.set(out.offsets!.subarray(0, 2 * n), 2 * at);
    }
    at += "ids" in piece ? piece.ids.length : n;
  }
  return { ids, offsets };
}
