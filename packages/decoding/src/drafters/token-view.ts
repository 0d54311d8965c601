/**
 * The tokens of a text, growing at the end; readers see every later push.
 *
 * Index `i` is at absolute text position `start + i`.
 */
export interface TokenView {
  /** How many positions of the text precede the first token that is known. */
  readonly start: number;
  /** How many tokens are known. */
  readonly length: number;
  /** The token at an index in `[0, length)`. Unchecked. */
  at(index: number): number;
  /** A copy of the tokens in `[from, to)`; `to` defaults to the end. */
  slice(from: number, to?: number): Uint32Array;
}

/** A {@link TokenView} and the only way to make it grow. */
export interface TokenHistory extends TokenView {
  push(token: number): void;
}

/** A history that begins with `tokens`, at position `start`. Grows by doubling. */
export function createTokenHistory(start: number, tokens: Uint32Array): TokenHistory {
  let buffer = new Uint32Array(Math.max(64, 2 * tokens.length));
  buffer.set(tokens);
  let length = tokens.length;
  return {
    start,
    get length() {
      return length;
    },
    at: (index) => buffer[index]!,
    slice: (from, to = length) => buffer.slice(from, to),
    push(token) {
      if (length === buffer.length) {
        const grown = new Uint32Array(2 * length);
        grown.set(buffer);
        buffer = grown;
      }
      buffer[length++] = token;
    },
  };
}
