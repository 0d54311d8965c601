import type { DraftTokenizer } from "./draft-tokenizer.ts";

/** Tokens that two vocabularies have in common, as pairs of ids. */
export interface SharedTokens {
  /** Ids of the first vocabulary, distinct, `[n]`. */
  readonly from: Uint32Array;
  /** Their partners in the second one, distinct, `[n]`. */
  readonly to: Uint32Array;
}

/**
 * The tokens of two vocabularies that stand for the same bytes, one to one.
 *
 * Comparing bytes and not spellings makes `Ġthe` and `▁the` partners, and the byte token `<0xC3>` of
 * one vocabulary and that byte of a byte-level one. Where several tokens of a vocabulary stand for
 * the same bytes, the first one that is no byte token counts, since that is the one texts are made
 * of. Special tokens have special partners of the same spelling. Cost: O(bytes of both
 * vocabularies).
 */
export function matchVocabularies(first: DraftTokenizer, second: DraftTokenizer): SharedTokens {
  const partners = indexTokens(second);
  const from: number[] = [];
  const to: number[] = [];
  for (const [key, id] of indexTokens(first)) {
    const partner = partners.get(key);
    if (partner === undefined) continue;
    from.push(id);
    to.push(partner);
  }
  return { from: Uint32Array.from(from), to: Uint32Array.from(to) };
}

/** The token that stands for some bytes, or has a special spelling. */
function indexTokens(tokenizer: DraftTokenizer): Map<string, number> {
  const index = new Map<string, number>();
  const byteTokens: [key: string, id: number][] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    const token = tokenizer.idToToken(id);
    if (token === undefined) continue;
    const isSpecial = tokenizer.isSpecial(id);
    const key = isSpecial ? `special ${token}` : `bytes ${tokenizer.idToBytes(id).join()}`;
    if (!isSpecial && isByteToken(token)) byteTokens.push([key, id]);
    else if (!index.has(key)) index.set(key, id);
  }
  for (const [key, id] of byteTokens) if (!index.has(key)) index.set(key, id);
  return index;
}

function isByteToken(token: string): boolean {
  return /^<0x[0-9A-F]{2}>$/.test(token);
}
