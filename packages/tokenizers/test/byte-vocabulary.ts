/** A character of the byte alphabet, computed here on its own so that tests do not trust `src`. */
function standIn(byte: number): string {
  const printable: number[] = [];
  for (let b = 0x21; b <= 0x7e; b++) printable.push(b);
  for (let b = 0xa1; b <= 0xff; b++) if (b !== 0xad) printable.push(b);
  if (printable.includes(byte)) return String.fromCharCode(byte);
  let rank = 0;
  for (let b = 0; b < byte; b++) if (!printable.includes(b)) rank++;
  return String.fromCharCode(0x100 + rank);
}

/**
 * A small `tokenizer.json`: all bytes (ids 0 to 255), then what `merges` make, then added tokens.
 * Merges are in the byte alphabet, but for the space, which may be written as one.
 */
export function smallTokenizer(
  merges: readonly (readonly [string, string])[],
  parts: Record<string, unknown> = {},
  model: Record<string, unknown> = {},
): Record<string, unknown> {
  const vocab: Record<string, number> = {};
  for (let byte = 0; byte < 256; byte++) vocab[standIn(byte)] = byte;
  const spelled = merges.map((pair) => pair.map((part) => part.replaceAll(" ", "\u0120")));
  for (const pair of spelled) vocab[pair.join("")] ??= Object.keys(vocab).length;
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: {
      type: "ByteLevel",
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: true,
    },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: spelled,
      ...model,
    },
    ...parts,
  };
}

/** An entry of `added_tokens`. */
export function addedToken(
  content: string,
  flags: Record<string, boolean> = {},
): Record<string, unknown> {
  return {
    id: 0,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
    ...flags,
  };
}
