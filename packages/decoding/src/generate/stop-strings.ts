import type { TextStream } from "@frugal/core";

/** Text that may be shown, and whether a stop string was completed. */
export interface StoppedText {
  readonly text: string;
  readonly stopped: boolean;
}

/** Decodes tokens one by one and never lets a part of a stop string out. */
export interface StopStrings {
  push(token: number): StoppedText;
  /** What was held back, at the end of the text. */
  flush(): StoppedText;
}

/**
 * Watches the text of `stream` for any of `stops`.
 *
 * Text is held back while it could be the beginning of a stop string; on a hit, everything from its
 * first character on is dropped. Of several hits the one that begins first counts. Cost per token:
 * O(total length of the stop strings) comparisons of the few characters held back.
 */
export function createStopStrings(stream: TextStream, stops: readonly string[]): StopStrings {
  let held = "";

  const scan = (delta: string, isEnd: boolean): StoppedText => {
    held += delta;
    let hit = -1;
    for (const stop of stops) {
      const at = held.indexOf(stop);
      if (at >= 0 && (hit < 0 || at < hit)) hit = at;
    }
    const end = hit >= 0 ? hit : held.length - (isEnd ? 0 : longestOpening(held, stops));
    const text = held.slice(0, end);
    held = hit >= 0 ? "" : held.slice(end);
    return { text, stopped: hit >= 0 };
  };

  return {
    push: (token) => scan(stream.push(token), false),
    flush: () => scan(stream.flush(), true),
  };
}

/** Length of the longest suffix of `text` that begins a stop string without completing it. */
function longestOpening(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    let length = Math.min(stop.length - 1, text.length);
    while (length > longest && !text.endsWith(stop.slice(0, length))) length--;
    longest = Math.max(longest, length);
  }
  return longest;
}
