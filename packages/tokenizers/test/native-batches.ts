import type { Encoding as ReferenceEncoding, Tokenizer as Reference } from "tokenizers";
import type { Tokenizer } from "../src/index.ts";
import { unitsByCodePoint } from "./reference.ts";

/** Texts for one call of the native package, which costs more than a text does. */
const BATCH = 500;

/** What is compared: all of it, or only what a person who reads ids would see. */
export interface Comparison {
  readonly addSpecialTokens: boolean;
  /** Compare decoded text. */
  readonly decode: boolean;
  /** Word and type ids, masks, ids without ranges and decoding as a stream: takes twice as long. */
  readonly details: boolean;
}

/** The texts for which the two differ, and in what; at most five. */
export async function findDifferences(
  tokenizer: Tokenizer,
  reference: Reference,
  texts: readonly string[],
  comparison: Comparison,
): Promise<string[]> {
  const found: string[] = [];
  const { addSpecialTokens, decode } = comparison;
  for (let i = 0; i < texts.length && found.length < 5; i += BATCH) {
    const batch = texts
      .slice(i, i + BATCH)
      .map((text) => text.replace(/\p{Surrogate}/gu, "\ufffd"));
    const encodings = await reference.encodeBatch(batch, { addSpecialTokens });
    const ids = encodings.map((encoding) => encoding.getIds());
    const decoded = decode ? await reference.decodeBatch(ids, addSpecialTokens) : null;
    batch.forEach((text, k) => {
      const difference =
        compareEncoding(tokenizer, encodings[k]!, ids[k]!, texts[i + k]!, comparison) ??
        (decoded && compareDecoded(tokenizer, ids[k]!, decoded[k]!, comparison));
      if (difference !== null) found.push(`${JSON.stringify(text)}: ${difference}`);
    });
  }
  return found.slice(0, 5);
}

function compareEncoding(
  tokenizer: Tokenizer,
  encoding: ReferenceEncoding,
  ids: readonly number[],
  text: string,
  { addSpecialTokens, details }: Comparison,
): string | null {
  const options = { addSpecialTokens, padding: false } as const;
  const actual = tokenizer.encode(text, { ...options, offsets: true });
  if (!isEqual(actual.ids, ids)) return `ids ${actual.ids.join()}, not ${ids.join()}`;
  const units = unitsByCodePoint(text);
  const offsets = encoding.getOffsets().flatMap((range) => range.map((at) => units[at]!));
  if (!isEqual(actual.offsets, offsets))
    return `offsets ${actual.offsets.join()}, not ${offsets.join()}`;
  if (!details) return null;
  if (!isEqual(tokenizer.encode(text, options).ids, ids)) return "other ids without offsets";
  const words = encoding.getWordIds().map((word) => word ?? -1);
  if (!isEqual(actual.wordIds, words)) return `words ${actual.wordIds.join()}, not ${words.join()}`;
  if (!isEqual(actual.typeIds, encoding.getTypeIds())) return "type ids";
  const sequences = encoding.getSequenceIds().map((sequence) => sequence ?? -1);
  const isBare = sequences.every((sequence) => sequence < 0);
  if (!isBare && !isEqual(actual.sequenceIds, sequences)) return `sequence ids ${sequences.join()}`;
  if (!isEqual(actual.specialTokensMask, encoding.getSpecialTokensMask())) return "special mask";
  return isEqual(actual.attentionMask, encoding.getAttentionMask()) ? null : "attention mask";
}

function compareDecoded(
  tokenizer: Tokenizer,
  ids: readonly number[],
  expected: string,
  { addSpecialTokens: skipSpecialTokens, details }: Comparison,
): string | null {
  const text = tokenizer.decode(ids, { skipSpecialTokens });
  if (text !== expected) return `text ${JSON.stringify(text)}, not ${JSON.stringify(expected)}`;
  if (!details) return null;
  const stream = tokenizer.createStream({ skipSpecialTokens });
  let streamed = "";
  for (const id of ids) streamed += stream.push(id);
  return streamed + stream.flush() === text ? null : "other text as a stream";
}

function isEqual(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
