import { InferenceError } from "@frugal/core";
import type { AddedTokens } from "./added-tokens.ts";
import { alignPiece } from "./align-piece.ts";
import { toWellFormed } from "./character-classes.ts";
import type { CutRule } from "./cuts/cut-rule.ts";
import type { ByteLevelDecoder } from "./decoders/byte-level.ts";
import type { EncodeOptions, Encoding, EncodingWithOffsets } from "./encoding.ts";
import type { Model } from "./models/model.ts";
import type { Normalized, Normalizer } from "./normalizers/normalizer.ts";
import type { PostProcessor } from "./post-processors/post-processor.ts";
import type { PreTokenizer } from "./pre-tokenizers/pre-tokenizer.ts";
import { StreamDecoder } from "./stream-decoder.ts";
import { TokenBuffer } from "./token-buffer.ts";
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
   * Ids of a text, and on request where each comes from. A lone surrogate counts as U+FFFD.
   *
   * Cost: O(length), times the logarithm of the longest piece that the file's pattern does not cut.
   *
   * @throws {@link InferenceError} `range` if one match of the pattern is too long for the engine:
   *   many millions of characters.
   */
  encode(text: string, options: EncodeOptions & { readonly offsets: true }): EncodingWithOffsets;
  encode(text: string, options?: EncodeOptions): Encoding;

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
}

/** What the configuration beside a tokenizer file says. */
export interface TokenizerConfig {
  readonly eosToken: string | null;
  readonly bosToken: string | null;
  readonly padToken: string | null;
  readonly chatTemplate: string | null;
}

/** The stages of a tokenizer. */
export interface TokenizerParts {
  readonly vocabulary: Vocabulary;
  /** Added tokens to look for before normalization, and after it. */
  readonly rawTokens: AddedTokens;
  readonly normalizedTokens: AddedTokens;
  readonly normalizer: Normalizer | null;
  readonly preTokenizer: PreTokenizer;
  readonly model: Model;
  readonly postProcessor: PostProcessor | null;
  readonly cuts?: CutRule | null;
  /** Called on first use: encoding alone needs no table of bytes. */
  readonly createDecoder: () => ByteLevelDecoder;
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
  #decoder: ByteLevelDecoder | null = null;
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

  encode(text: string, options: EncodeOptions & { readonly offsets: true }): EncodingWithOffsets;
  encode(text: string, options?: EncodeOptions): Encoding;
  encode(text: string, options: EncodeOptions = {}): Encoding {
    const { rawTokens, postProcessor, vocabulary } = this.#parts;
    const source = toWellFormed(text);
    const parseSpecial = options.special !== "text";
    let out = new TokenBuffer(options.offsets === true);
    rawTokens.split(source, parseSpecial, (id, start, end) => {
      if (id >= 0) out.push(id, start, end);
      else this.#encodeStretch(source.slice(start, end), start, parseSpecial, out);
    });
    if (postProcessor !== null) {
      const addSpecialTokens = options.addSpecialTokens ?? true;
      out = postProcessor(out, { text: source, addSpecialTokens, vocabulary });
    }
    return {
      ids: out.ids.slice(0, out.length),
      offsets: out.offsets === null ? null : out.offsets.slice(0, 2 * out.length),
    };
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
  #encodeStretch(text: string, base: number, parseSpecial: boolean, out: TokenBuffer): void {
    const { normalizer, normalizedTokens } = this.#parts;
    const normalized: Normalized =
      normalizer === null ? { text, origin: null } : normalizer(text, out.offsets !== null);
    const { origin } = normalized;
    normalizedTokens.split(normalized.text, parseSpecial, (id, start, end) => {
      if (id < 0) {
        this.#encodePieces(normalized.text.slice(start, end), { base, origin, start }, out);
      } else if (origin === null) {
        out.push(id, base + start, base + end);
      } else {
        out.push(id, base + origin.starts[start]!, base + origin.ends[end - 1]!);
      }
    });
  }

  /** Encodes a stretch without added tokens in it. */
  #encodePieces(
    text: string,
    from: { readonly base: number; readonly origin: Normalized["origin"]; readonly start: number },
    out: TokenBuffer,
  ): void {
    const { model, preTokenizer } = this.#parts;
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
    });
  }

  #checkId(id: number, subject: string): number {
    if (this.#parts.vocabulary.tokenOf(id) === undefined) {
      const range = `an id of a token, in [0, ${this.vocabSize})`;
      throw new InferenceError("range", `${subject}: expected ${range}, got ${id}`);
    }
    return id;
  }

  #byteTable(): ByteLevelDecoder {
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
