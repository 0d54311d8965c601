/** What a `.tiktoken` file of ranks does not say about an encoding. */
export interface TiktokenEncoding {
  readonly name: string;
  /** How text is cut before merging, in the dialect of the reference's regular expressions. */
  readonly pattern: string;
  readonly specialTokens: Readonly<Record<string, number>>;
}

const GPT2 =
  "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s";

const CL100K =
  "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+|" +
  " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s";

const CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";

const O200K = [
  `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+${CONTRACTION}`,
  `[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*${CONTRACTION}`,
  "\\p{N}{1,3}",
  " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*",
  "\\s*[\\r\\n]+",
  "\\s+(?!\\S)",
  "\\s+",
].join("|");

const ENCODINGS: Readonly<Record<string, TiktokenEncoding>> = {
  r50k_base: { name: "r50k_base", pattern: GPT2, specialTokens: { "<|endoftext|>": 50256 } },
  p50k_base: { name: "p50k_base", pattern: GPT2, specialTokens: { "<|endoftext|>": 50256 } },
  p50k_edit: {
    name: "p50k_edit",
    pattern: GPT2,
    specialTokens: {
      "<|endoftext|>": 50256,
      "<|fim_prefix|>": 50281,
      "<|fim_middle|>": 50282,
      "<|fim_suffix|>": 50283,
    },
  },
  cl100k_base: {
    name: "cl100k_base",
    pattern: CL100K,
    specialTokens: {
      "<|endoftext|>": 100257,
      "<|fim_prefix|>": 100258,
      "<|fim_middle|>": 100259,
      "<|fim_suffix|>": 100260,
      "<|endofprompt|>": 100276,
    },
  },
  o200k_base: {
    name: "o200k_base",
    pattern: O200K,
    specialTokens: { "<|endoftext|>": 199999, "<|endofprompt|>": 200018 },
  },
};

/** The encodings {@link tiktokenEncoding} knows; `p50k_edit` has the ranks of `p50k_base`. */
export type TiktokenEncodingName =
  | "r50k_base"
  | "p50k_base"
  | "p50k_edit"
  | "cl100k_base"
  | "o200k_base"
  | "o200k_harmony";

/**
 * Name, pattern and special tokens of a published encoding; `o200k_harmony` has the ranks of
 * `o200k_base` and about a thousand reserved tokens.
 *
 * @see openai/tiktoken (4e71bbe): tiktoken_ext/openai_public.py
 */
export function tiktokenEncoding(name: TiktokenEncodingName): TiktokenEncoding {
  return name === "o200k_harmony"
    ? { name, pattern: O200K, specialTokens: harmonyTokens() }
    : ENCODINGS[name]!;
}

/** As in the reference, 200018 has two names; the later one is what the id is called. */
function harmonyTokens(): Record<string, number> {
  const tokens: Record<string, number> = {
    "<|startoftext|>": 199998,
    "<|endoftext|>": 199999,
    "<|return|>": 200002,
    "<|constrain|>": 200003,
    "<|channel|>": 200005,
    "<|start|>": 200006,
    "<|end|>": 200007,
    "<|message|>": 200008,
    "<|call|>": 200012,
  };
  const taken = new Set(Object.values(tokens));
  for (let id = 200000; id < 201088; id++) if (!taken.has(id)) tokens[`<|reserved_${id}|>`] = id;
  tokens["<|endofprompt|>"] = 200018;
  return tokens;
}
