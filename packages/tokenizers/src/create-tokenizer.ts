import { readConfig } from "./formats/hf-config.ts";
import { readTokenizerJson } from "./formats/hf-json.ts";
import { JsonReader } from "./formats/json-reader.ts";
import { PipelineTokenizer, type Tokenizer } from "./tokenizer.ts";

/**
 * Makes a tokenizer from the contents of `tokenizer.json` and, if there is one, of
 * `tokenizer_config.json`; each as text or already parsed.
 *
 * All parts of the format are read: normalizers, pre-tokenizers, models, post-processors, decoders,
 * added tokens, truncation and padding. A part of another type is refused, never ignored. Of the
 * configuration only the names of the end, start and padding tokens and the chat template are read.
 *
 * As in the reference, an added token gets the id its text has in the model, or else the next free
 * one; the id written beside it is ignored.
 *
 * Cost: O(file); about a second for 200,000 tokens on a slow machine. Keeps the strings, not the object.
 *
 * @throws {@link InferenceError} `format` if a file is not what its format prescribes, `unsupported`
 *   if it needs a part that is not here. The message names the place and the value.
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/tokenizer/serialization.rs
 */
export function createTokenizer(json: object | string, config?: object | string): Tokenizer {
  const parts = readTokenizerJson(JsonReader.parse(json, "tokenizer.json"));
  const reader = JsonReader.parse(config ?? {}, "tokenizer_config.json");
  return new PipelineTokenizer(parts, readConfig(reader, parts.vocabulary));
}
