import { InferenceError } from "@frugal/core";
import { checkFileName } from "@frugal/runtime";

/** Small files that are fetched wherever they exist: configuration, tokenizer, preprocessing. */
const small: readonly string[] = [
  "added_tokens.json",
  "chat_template.jinja",
  "config.json",
  "generation_config.json",
  "genai_config.json",
  "preprocessor_config.json",
  "processor_config.json",
  "quantize_config.json",
  "quantization_config.json",
  "special_tokens_map.json",
  "tokenizer.json",
  "tokenizer_config.json",
];

/** Vocabularies of tokenizers without a `tokenizer.json`. */
const vocabularies: readonly string[] = [
  "tokenizer.model",
  "vocab.json",
  "merges.txt",
  "vocab.txt",
];

/** All names of small files. */
export const smallFiles: readonly string[] = [...small, ...vocabularies];

/** The names among `names` that come before weights. */
export function chooseSmallFiles(names: readonly string[]): readonly string[] {
  const others = names.includes("tokenizer.json") ? [] : vocabularies;
  return names.filter((name) => small.includes(name) || others.includes(name));
}

/**
 * The files with the weights of a safetensors checkpoint: the one file, or the shards that its
 * index lists.
 *
 * @throws {@link InferenceError} `format` for an index that is malformed or names a file that could
 *   lie outside the folder.
 */
export function shardsOf(index: string): readonly string[] {
  let map: unknown;
  try {
    map = (JSON.parse(index) as { weight_map?: unknown } | null)?.weight_map;
  } catch (cause) {
    throw new InferenceError("format", "model.safetensors.index.json: not JSON", { cause });
  }
  if (typeof map !== "object" || map === null) {
    throw new InferenceError(
      "format",
      "model.safetensors.index.json: weight_map: expected an object",
    );
  }
  return [...new Set<unknown>(Object.values(map))].map((name) => {
    checkFileName(name);
    return name;
  });
}
