import { readConfig, readTokensBeside } from "./formats/hf-config.ts";
import { readTokenizerJson } from "./formats/hf-json.ts";
import { JsonReader } from "./formats/json-reader.ts";
import { PipelineTokenizer } from "./pipeline-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Files beside a `tokenizer.json` and its configuration. */
export interface TokenizerFiles {
  /** The contents of `added_tokens.json`, which old models have: texts and their ids. */
  readonly addedTokens?: object | string;
  /** The contents of `special_tokens_map.json`: tokens with a role. */
  readonly specialTokensMap?: object | string;
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
 * From the configuration come the chat template, the longest input, the tokens with a role, such as
 * the end of a text, and more added tokens. `added_tokens_decoder` adds to the list of the file, or
 * changes how a token in it is found; `added_tokens.json` and `special_tokens_map.json` count only
 * where that is missing, and the map comes before the configuration. A token with a role is special
 * unless the list of the file says otherwise; one that nothing else knows gets a new id, for which the
 * model may have no row.
 *
 * As in the reference since its version 5, `add_bos_token` and `add_eos_token` change nothing beside a
 * `tokenizer.json`: what is put around a text is what its post-processor says. Nor does
 * `model_max_length` cut anything.
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
  const isListed = !reader.member("added_tokens_decoder").isAbsent;
  const map = isListed ? {} : (files.specialTokensMap ?? {});
  const beside = {
    config: reader,
    addedTokens: JsonReader.parse(files.addedTokens ?? {}, "added_tokens.json"),
    specialTokensMap: JsonReader.parse(map, "special_tokens_map.json"),
  };
  const file = JsonReader.parse(json, "tokenizer.json");
  const parts = readTokenizerJson(file, readTokensBeside(beside));
  return new PipelineTokenizer(parts, readConfig(beside));
}
