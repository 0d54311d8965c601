import type { TokenizerConfig } from "../tokenizer.ts";
import type { Vocabulary } from "../vocabulary.ts";
import type { JsonReader } from "./json-reader.ts";

/**
 * Reads what a `tokenizer_config.json` says about tokens that have a role. A chat template given as
 * a list of named ones is the one called `default`.
 *
 * @throws {@link InferenceError} `format` if a role is given to a token that does not exist.
 */
export function readConfig(config: JsonReader, vocabulary: Vocabulary): TokenizerConfig {
  const token = (name: string): string | null => {
    const entry = config.member(name);
    if (entry.isAbsent) return null;
    const content = typeof entry.value === "object" ? entry.member("content") : entry;
    const text = content.string();
    return vocabulary.idOf(text) === undefined ? content.fail("a token of the tokenizer") : text;
  };
  return {
    eosToken: token("eos_token"),
    bosToken: token("bos_token"),
    padToken: token("pad_token"),
    chatTemplate: readChatTemplate(config.member("chat_template")),
  };
}

function readChatTemplate(entry: JsonReader): string | null {
  if (!Array.isArray(entry.value)) return entry.optionalString();
  const named = entry.array().find((each) => each.member("name").value === "default");
  return named === undefined ? null : named.member("template").string();
}
