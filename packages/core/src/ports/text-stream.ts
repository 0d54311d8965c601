/**
 * Turns ids into text as they arrive. `StreamDecoder` of `@frugal/tokenizers` is one; decoding uses
 * it to look for stop strings.
 */
export interface TextStream {
  /** Text completed by this id; empty while a character is unfinished. Never retracts. */
  push(id: number): string;
  /** What is left at the end. */
  flush(): string;
}
