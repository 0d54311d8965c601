import type { EncodingWithOffsets, Tokenizer } from "@frugal/tokenizers";

/** A stretch of text that two tokenizers cut differently. */
export interface Difference {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly tokens: readonly [readonly string[], readonly string[]];
}

/** How two tokenizers see one text. */
export interface Comparison {
  readonly counts: readonly [number, number];
  readonly sameIds: boolean;
  /** Empty where both cut at the same places. */
  readonly differences: readonly Difference[];
}

/** A token and the text it covers. */
interface Span {
  readonly token: string;
  readonly start: number;
  readonly end: number;
}

/** Where two tokenizers cut a text differently, whatever ids they give. O(text). */
export function compareTokenizers(
  first: Tokenizer,
  second: Tokenizer,
  text: string,
  special?: "parse" | "text",
): Comparison {
  const options = { addSpecialTokens: false, offsets: true, ...(special && { special }) } as const;
  const encodings = [first.encode(text, options), second.encode(text, options)] as const;
  const a = spansOf(first, encodings[0]);
  const b = spansOf(second, encodings[1]);
  const differences: Difference[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const [fromI, fromJ] = [i, j];
    // Takes tokens from whichever side is behind until both end at the same place.
    let endA = 0;
    let endB = 0;
    do {
      if (j >= b.length || (i < a.length && endA <= endB)) endA = Math.max(endA, a[i++]!.end);
      else endB = Math.max(endB, b[j++]!.end);
      while (i < a.length && a[i]!.end <= endA) i++;
      while (j < b.length && b[j]!.end <= endB) j++;
    } while (endA !== endB && (i < a.length || j < b.length));
    const left = a.slice(fromI, i);
    const right = b.slice(fromJ, j);
    if (isSame(left, right)) continue;
    const start = Math.min(...[...left, ...right].map((span) => span.start));
    const end = Math.max(endA, endB);
    const tokens = [left.map((span) => span.token), right.map((span) => span.token)] as const;
    differences.push({ start, end, text: text.slice(start, end), tokens });
  }
  const [ids, others] = [encodings[0].ids, encodings[1].ids];
  return {
    counts: [ids.length, others.length],
    sameIds: ids.length === others.length && ids.every((id, at) => id === others[at]),
    differences,
  };
}

function spansOf(tokenizer: Tokenizer, { ids, offsets }: EncodingWithOffsets): Span[] {
  return Array.from(ids, (id, i) => ({
    token: tokenizer.idToToken(id) ?? "",
    start: offsets[2 * i]!,
    end: offsets[2 * i + 1]!,
  }));
}

/** Whether two runs of tokens cover the same ranges, white space aside that one of them drops. */
function isSame(left: readonly Span[], right: readonly Span[]): boolean {
  return left.length === right.length && left.every((span, i) => span.end === right[i]!.end);
}
