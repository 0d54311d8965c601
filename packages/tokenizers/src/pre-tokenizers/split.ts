import type { MatchVisitor, PatternMatcher } from "./pattern-matcher.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";

/** What becomes of the matches of a split. */
export type SplitBehavior =
  | "Removed"
  | "Isolated"
  | "MergedWithPrevious"
  | "MergedWithNext"
  | "Contiguous";

/**
 * Cuts text at the matches of a pattern.
 *
 * Text falls into matches and the stretches between them; `invert` swaps the two. `Removed` drops
 * the matches, `Isolated` keeps every part apart, `Contiguous` joins neighbours of the same kind,
 * and the two others glue a match to its neighbour unless that is a match too.
 *
 * Cost: that of the pattern, which is linear for the published ones.
 *
 * @see `NormalizedString::split` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/tokenizer/normalizer.rs
 */
export function splitPreTokenizer(
  matcher: PatternMatcher,
  behavior: SplitBehavior,
  invert: boolean,
): PreTokenizer {
  return (text, start, sink) => {
    const emit: MatchVisitor = (from, to) => {
      if (from < to) sink(text.slice(from, to), start + from, false);
    };
    if (behavior === "Isolated") eachPart(matcher, text, emit, emit);
    else if (behavior === "Removed" && invert) eachPart(matcher, text, emit, ignore);
    else if (behavior === "Removed") eachPart(matcher, text, ignore, emit);
    else emitJoined(partsOf(matcher, text, invert), behavior, emit);
  };
}

/** Visits matches and the stretches between them, in order. */
export function eachPart(
  matcher: PatternMatcher,
  text: string,
  onMatch: MatchVisitor,
  onOther: MatchVisitor,
): void {
  let done = 0;
  matcher.each(text, (start, end) => {
    if (done < start) onOther(done, start);
    onMatch(start, end);
    done = end;
  });
  if (done < text.length) onOther(done, text.length);
}

const ignore: MatchVisitor = () => {};

interface Part {
  start: number;
  end: number;
  readonly isMatch: boolean;
}

function partsOf(matcher: PatternMatcher, text: string, invert: boolean): Part[] {
  const parts: Part[] = [];
  const add =
    (isMatch: boolean): MatchVisitor =>
    (start, end) =>
      parts.push({ start, end, isMatch });
  eachPart(matcher, text, add(!invert), add(invert));
  return parts;
}

function emitJoined(parts: readonly Part[], behavior: SplitBehavior, emit: MatchVisitor): void {
  const joined: Part[] = [];
  const backwards = behavior === "MergedWithNext";
  let lastIsMatch = false;
  for (const part of backwards ? [...parts].reverse() : parts) {
    const joins =
      behavior === "Contiguous" ? part.isMatch === lastIsMatch : part.isMatch && !lastIsMatch;
    const last = joins ? joined.at(-1) : undefined;
    if (last === undefined) joined.push({ ...part });
    else if (backwards) last.start = part.start;
    else last.end = part.end;
    lastIsMatch = part.isMatch;
  }
  if (backwards) joined.reverse();
  for (const { start, end } of joined) emit(start, end);
}
