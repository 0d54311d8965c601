import { Tokenizer as Reference } from "tokenizers";
import { expect } from "vitest";
import type { Tokenizer } from "../src/index.ts";

/** The Rust implementation, from its npm package. */
export function createReference(json: object | string): Reference {
  return Reference.fromString(typeof json === "string" ? json : JSON.stringify(json));
}

/** Compares ids, offsets and decoded text with the reference. */
export async function expectSame(
  tokenizer: Tokenizer,
  reference: Reference,
  text: string,
): Promise<void> {
  for (const addSpecialTokens of [true, false]) {
    const encoding = await reference.encode(text, null, { addSpecialTokens });
    const ids = encoding.getIds();
    const actual = tokenizer.encode(text, { addSpecialTokens, offsets: true });
    expect({ text, ids: [...actual.ids] }).toEqual({ text, ids });
    expect([...tokenizer.encode(text, { addSpecialTokens }).ids]).toEqual(ids);

    const units = unitsByCodePoint(text);
    const offsets = encoding.getOffsets().flatMap((range) => range.map((at) => units[at]));
    expect({ text, offsets: [...actual.offsets] }).toEqual({ text, offsets });

    for (const skipSpecialTokens of [false, true]) {
      const decoded = await reference.decode(ids, skipSpecialTokens);
      expect(tokenizer.decode(ids, { skipSpecialTokens })).toBe(decoded);
    }
  }
}

/** The UTF-16 offset of each code point, and of the end: the reference counts code points. */
export function unitsByCodePoint(text: string): number[] {
  const units = [0];
  for (const character of text) units.push(units.at(-1)! + character.length);
  return units;
}
