import { InferenceError, type TextStream } from "@frugal/core";
import type { CutRule } from "./cuts/cut-rule.ts";
import type { TokenDecoder } from "./decoders/token-decoder.ts";
import { Encoder } from "./encoder.ts";
import type { EncodeOptions, Encoding, EncodingWithOffsets } from "./encoding.ts";
import { StreamDecoder } from "./stream-decoder.ts";
import type { DecodeOptions, Tokenizer, TokenizerConfig } from "./tokenizer.ts";
import type { TokenizerParts } from "./tokenizer-parts.ts";

/** A tokenizer put together from its stages. */
export class PipelineTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly eosToken: string | null;
  readonly eosId: number | null;
  readonly bosId: number | null;
  readonly padId: number | null;
  readonly chatTemplate: string | null;
  readonly modelMaxLength: number | null;
  readonly cuts: CutRule | null;
  readonly #parts: TokenizerParts;
  readonly #encoder: Encoder;
  #decoder: TokenDecoder | null = null;

  constructor(parts: TokenizerParts, config: TokenizerConfig) {
    const idOf = (token: string | null): number | null =>
      token === null ? null : (parts.vocabulary.idOf(token) ?? null);
    this.#parts = parts;
    this.#encoder = new Encoder(parts);
    this.vocabSize = parts.vocabulary.size;
    this.eosToken = config.eosToken;
    this.eosId = idOf(config.eosToken);
    this.bosId = idOf(config.bosToken);
    this.padId = idOf(config.padToken);
    this.chatTemplate = config.chatTemplate;
    this.modelMaxLength = config.modelMaxLength ?? null;
    this.cuts = parts.cuts ?? null;
  }

  encode(
    text: string | readonly string[],
    options: EncodeOptions & { readonly offsets: true },
  ): EncodingWithOffsets;
  encode(text: string | readonly string[], options?: EncodeOptions): Encoding;
  encode(text: string | readonly string[], options: EncodeOptions = {}): Encoding {
    return this.#encoder.encode(text, options);
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

  openStream(): TextStream | null {
    const stream = this.#byteTable().openStream();
    if (stream === null) return null;
    return {
      push: (id) => stream.push(this.#checkId(id, "id")),
      flush: () => stream.flush(),
    };
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

  toJson(): object {
    return this.#parts.toJson();
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
}
