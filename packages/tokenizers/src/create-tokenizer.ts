import { readConfig, readTokensBeside } from "./formats/hf-config.ts";
import { readTokenizerJson } from "./formats/hf-json.ts";
import { JsonReader } from "./formats/json-reader.ts";
import { PipelineTokenizer } from "./pipeline-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Files beside a `tokenizer.json` and its configuration. */
export interface TokenizerFiles {
  /** The contents of `added_tokens.json`, which old models have: texts and their ids. */
  readonly addedTokens?: object | string;
}

/**
 * Makes a tokenizer from the contents of `tokenizer.json` and, if there is one, of
 * `tokenizer_config.json`; each as text or already parsed.
 *
 * All parts of the format are read: normalizers, pre-tokenizers, models, post-processors, decoders,
 * added tokens, truncation and padding. A part of another type is refused, never ignored.
 *
 * As in the reference, an added token gets the id its text has in the model, or else the next free
 * one; the id written beside it is ignored.
 *
 * From the configuration come the chat template, the tokens with a role, such as the end of a text,
 * and more added tokens. `added_tokens_decoder` adds to the list of the file, or changes how a token
 * in it is found; `added_tokens.json` counts only where that is missing. A token with a role
 * is special unless the list of the file says otherwise. Of `add_bos_token` and `add_eos_token` nothing is read: what is put
 * around a text is what the file says.
 *
 * Cost: O(file); about a second for 200,000 tokens on a slow machine. Keeps the strings, not the object.
 *
 * @throws {@link InferenceError} `format` if a file is not what its format prescribes, or two of them
 *   give a token different ids; `unsupported` if one needs a part that is not here. The message names
 *   the place and the value.
 * @see huggingface/tokenizers (3ba8ad0): tokenizers/src/tokenizer/serialization.rs;
 *   huggingface/transformers: src/transformers/tokenization_utils_fast.py
 */
export function createTokenizer(
  json: object | string,
  config?: object | string,
  files: TokenizerFiles = {},
): Tokenizer {
  const reader = JsonReader.parse(config ?? {}, "tokenizer_config.json");
  const addedTokens = JsonReader.parse(files.addedTokens ?? {}, "added_tokens.json");
  const beside = readTokensBeside(reader, addedTokens);
  const parts = readTokenizerJson(JsonReader.parse(json, "tokenizer.json"), beside);
  return new PipelineTokenizer(parts, readConfig(reader, parts.vocabulary));
}
