import type { DraftTokenizer } from "../../src/index.ts";

/** Options of {@link toyTokenizer}. */
export interface ToyOptions {
  /** What spellings have for a space. Default a space. */
  readonly space?: string;
  /** Special tokens, by their spelling. */
  readonly special?: readonly string[];
  /** Whether a space is put before every text and taken away again. */
  readonly prefix?: boolean;
}

/** A tokenizer that takes the longest token each time, `<0x41>` and the like where none fits. */
export function toyTokenizer(
  tokens: readonly (string | undefined)[],
  { space = " ", special = [], prefix = false }: ToyOptions = {},
): DraftTokenizer & { readonly charactersEncoded: number } {
  const isSpecial = (id: number) => special.includes(tokens[id]!);
  const texts = tokens.map((token) => token?.replaceAll(space, " "));
  const bytesOf = (id: number): number[] => {
    const byte = /^<0x(..)>$/.exec(tokens[id]!);
    return byte === null ? utf8(texts[id]!) : [Number.parseInt(byte[1]!, 16)];
  };
  let charactersEncoded = 0;
  return {
    vocabSize: tokens.length,
    idToToken: (id) => tokens[id],
    idToBytes: (id) => Uint8Array.from(bytesOf(id)),
    isSpecial,
    get charactersEncoded() {
      return charactersEncoded;
    },
    encode(text) {
      charactersEncoded += text.length;
      const ids: number[] = [];
      const offsets: number[] = [];
      const shift = prefix && text !== "" ? 1 : 0;
      const whole = (shift > 0 ? " " : "") + text;
      for (let at = 0; at < whole.length;) {
        let best = -1;
        for (const [id, token] of texts.entries()) {
          const isLonger = (token?.length ?? 0) > (texts[best]?.length ?? 0);
          if (isLonger && whole.startsWith(token!, at)) best = id;
        }
        const character = String.fromCodePoint(whole.codePointAt(at)!);
        const end = at + (best < 0 ? character.length : texts[best]!.length);
        const found = best >= 0 ? [best] : utf8(character).map((byte) => tokens.indexOf(hex(byte)));
        for (const id of found.filter((one) => one >= 0)) {
          ids.push(id);
          offsets.push(Math.max(0, at - shift), end - shift);
        }
        at = end;
      }
      return { ids: Uint32Array.from(ids), offsets: Uint32Array.from(offsets) };
    },
    createStream() {
      let pending: number[] = [];
      let isFirst = prefix;
      return {
        push(id) {
          pending.push(...bytesOf(id));
          const text = decode(pending);
          if (text === null) return "";
          pending = [];
          const shown = isFirst && text.startsWith(" ") ? text.slice(1) : text;
          isFirst = false;
          return shown;
        },
        flush: () => (pending.length > 0 ? "\uFFFD" : ""),
      };
    },
  };
}

function hex(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

function utf8(text: string): number[] {
  const escaped = encodeURIComponent(text).match(/%..|./gu) ?? [];
  return escaped.map((one) =>
    one.length === 3 ? Number.parseInt(one.slice(1), 16) : one.charCodeAt(0),
  );
}

function decode(bytes: readonly number[]): string | null {
  try {
    return decodeURIComponent(bytes.map((byte) => `%${hex(byte).slice(3, 5)}`).join(""));
  } catch {
    return null;
  }
}
