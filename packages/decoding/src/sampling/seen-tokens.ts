/**
 * How often each id was seen, for penalties: a stack of tokens, optionally only its last `window`.
 *
 * `push` and `pop` are O(1), so that a drafter can look ahead and step back.
 */
export interface SeenTokens {
  push(token: number): void;
  /** Takes back the last push. */
  pop(): void;
  /** Calls `visit` once for each id with a positive count, in no order that matters. */
  forEach(visit: (id: number, count: number) => void): void;
}

/**
 * An empty {@link SeenTokens} over ids in `[0, vocabSize)`.
 *
 * Memory: five bytes per id of the vocabulary and four per token.
 */
export function createSeenTokens(vocabSize: number, window: number): SeenTokens {
  const counts = new Uint32Array(vocabSize);
  const listed = new Uint8Array(vocabSize);
  /** Every id that was ever counted; some may be back at 0. */
  const distinct: number[] = [];
  const stack: number[] = [];

  const add = (token: number): void => {
    counts[token] = counts[token]! + 1;
    if (listed[token] === 1) return;
    listed[token] = 1;
    distinct.push(token);
  };

  return {
    push(token) {
      stack.push(token);
      add(token);
      if (stack.length > window) counts[stack[stack.length - 1 - window]!]!--;
    },
    pop() {
      const token = stack.pop();
      if (token === undefined) return;
      counts[token]!--;
      if (stack.length >= window) add(stack[stack.length - window]!);
    },
    forEach(visit) {
      for (const id of distinct) if (counts[id]! > 0) visit(id, counts[id]!);
    },
  };
}
