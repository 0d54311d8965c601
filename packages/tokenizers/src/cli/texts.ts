import { text as readStream } from "node:stream/consumers";
import { readText } from "./load-tokenizer.ts";

/** Where a command takes its texts from. */
export interface TextOptions {
  readonly file: readonly string[];
}

/** Texts of the arguments, then of the files; the standard input where neither is given, or for `-`. */
export async function readTexts(
  given: readonly string[],
  { file }: TextOptions,
): Promise<string[]> {
  if (given.length === 0 && file.length === 0) return [await readStream(process.stdin)];
  const files = await Promise.all(
    file.map((path) => (path === "-" ? readStream(process.stdin) : readText(path))),
  );
  return [...given, ...files];
}
