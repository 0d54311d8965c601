import { createTokenizer } from "../create-tokenizer.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { JsonReader } from "./json-reader.ts";

/** What the two files leave open. */
export interface LegacyBpeOptions {
  /** How text is cut, in the dialect of `tokenizer.json` files. Default: GPT-2's way. */
  readonly pattern?: string;
  /** Put a space before a text that begins without one, as RoBERTa does. Default `false`. */
  readonly addPrefixSpace?: boolean;
  /** Tokens to look for in the text. Those not in the vocabulary get the next free ids. */
  readonly specialTokens?: readonly string[];
}

/**
 * Makes a byte-level tokenizer from the older pair of files: `vocab.json`, as text or parsed, and
 * `merges.txt`, a merge a line in order of preference after an optional `#version` line.
 *
 * Cost: that of `createTokenizer`.
 *
 * @throws {@link InferenceError} `format` if a file is not what it should be; merges are counted from
 *   0 without the lines that hold none.
 */
export function fromLegacyBpe(
  vocab: object | string,
  merges: string,
  options: LegacyBpeOptions = {},
): Tokenizer {
  const { pattern, addPrefixSpace = false, specialTokens = [] } = options;
  const byteLevel = { type: "ByteLevel", add_prefix_space: addPrefixSpace, trim_offsets: true };
  const cut = { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
  return createTokenizer({
    version: "1.0",
    added_tokens: specialTokens.map((content) => ({ content, special: true, normalized: false })),
    pre_tokenizer:
      pattern === undefined
        ? { ...byteLevel, use_regex: true }
        : { type: "Sequence", pretokenizers: [cut, { ...byteLevel, use_regex: false }] },
    decoder: { ...byteLevel, use_regex: true },
    model: {
      type: "BPE",
      vocab: JsonReader.parse(vocab, "vocab.json").value,
      merges: readMerges(merges),
    },
  });
}

/** The lines that hold merges. */
function readMerges(text: string): string[] {
  const lines = text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  return lines.filter((line) => line !== "" && !line.startsWith("#version"));
}
