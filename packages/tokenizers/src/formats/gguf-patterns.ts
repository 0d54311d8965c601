/** The steps that cut text for a byte-level vocabulary in a GGUF file. */
export interface GgufCuts {
  /** Patterns, each applied to the parts that the one before made. */
  readonly patterns: readonly string[];
  /** Whether a part that is a token is not merged. */
  readonly ignoreMerges: boolean;
}

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const TAIL = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const LLAMA3 = `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${TAIL}`;
const QWEN2 = `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${TAIL}`;
const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const O200K = (contraction: string, numbers: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${contraction}|` +
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${contraction}|${numbers}|` +
  " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const DEEPSEEK_CODER = [
  "[\\r\\n]",
  "\\s?\\p{L}+",
  "\\s?\\p{P}+",
  "[\\u4e00-\\u9fa5\\u0800-\\u4e00\\uac00-\\ud7ff]+",
  "\\p{N}",
];
const DEEPSEEK_V3 = [
  "\\p{N}{1,3}",
  "[\\u4e00-\\u9fa5\\u3040-\\u309f\\u30a0-\\u30ff]+",
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|" +
    " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
];

/** How text is cut, by the names a file may give in `tokenizer.ggml.pre`. */
const FAMILIES: readonly (readonly [names: string, patterns: readonly string[]])[] = [
  ["default", ["[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"]],
  ["gpt-2 phi-2 mpt olmo jais roberta-bpe jina-es jina-de jina-v2-es jina-v2-de", [GPT2]],
  ["llama3 llama-v3 llama-bpe falcon3 smaug-bpe dbrx", [LLAMA3]],
  ["qwen2 deepseek-r1-qwen stablelm2 megrez", [QWEN2]],
  ["starcoder refact command-r smollm codeshell exaone minerva-7b", ["\\p{N}", GPT2]],
  ["falcon", ["[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"]],
  ["deepseek-coder", DEEPSEEK_CODER],
  ["deepseek-v3", DEEPSEEK_V3],
  ["gpt-4o llama4", [O200K(`${CONTRACTION}?`, "\\p{N}{1,3}")]],
  ["tekken", [O200K("", "\\p{N}")]],
];

const IGNORE_MERGES = ["llama3", "llama-v3", "llama-bpe", "falcon3", "tekken"];

/**
 * How text is cut for a name in `tokenizer.ggml.pre`; null for an unknown one.
 *
 * @see `llm_tokenizer_bpe` in ggml-org/llama.cpp: src/llama-vocab.cpp
 */
export function ggufCuts(name: string): GgufCuts | null {
  const family = FAMILIES.find(([names]) => names.split(" ").includes(name));
  if (family === undefined) return null;
  return { patterns: family[1], ignoreMerges: IGNORE_MERGES.includes(name) };
}
