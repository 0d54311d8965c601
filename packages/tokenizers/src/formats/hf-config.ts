import type { TokenizerConfig } from "../tokenizer.ts";
import type { Vocabulary } from "../vocabulary.ts";
import { plainToken, readToken, type NamedToken, type TokensBeside } from "./hf-added-tokens.ts";
import type { JsonReader } from "./json-reader.ts";

const ROLES = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"] as const;

/**
 * Reads which added tokens the configuration names, and, unless it has a list of its own, the
 * contents of `added_tokens.json`.
 */
export function readTokensBeside(config: JsonReader, addedTokens: JsonReader): TokensBeside {
  const roles: TokensBeside["roles"] = new Map(
    roleEntries(config).map((entry) => {
      const isText = typeof entry.value === "string";
      const token = isText ? plainToken(entry.string(), true) : readToken(entry, true);
      return [token.content, token];
    }),
  );
  const list = config.member("added_tokens_decoder");
  const named = list.isAbsent ? readTexts(addedTokens, roles) : readList(list, roles);
  return { named: named.sort((a, b) => a.id - b.id), roles };
}

/** Every token with a role: a text, or an object with its flags. */
function roleEntries(config: JsonReader): JsonReader[] {
  const single = ROLES.map((role) => config.member(`${role}_token`));
  const lists = ["additional_special_tokens", "extra_special_tokens"].flatMap((name) => {
    const list = config.member(name);
    if (list.isAbsent) return [];
    if (Array.isArray(list.value)) return list.array();
    return Object.keys(list.object()).map((role) => list.member(role));
  });
  return [...single, ...lists].filter((entry) => !entry.isAbsent && entry.value !== "");
}

function readList(list: JsonReader, roles: TokensBeside["roles"]): NamedToken[] {
  const named = Object.keys(list.object()).map((id) => {
    const place = list.member(id);
    const token = readToken(place, roles.has(place.member("content").string()));
    return { token, id: Number(id), place };
  });
  return named.filter(({ token }) => token.content !== "");
}

function readTexts(file: JsonReader, roles: TokensBeside["roles"]): NamedToken[] {
  return Object.keys(file.object()).map((content) => {
    const place = file.member(content);
    return { token: plainToken(content, roles.has(content)), id: place.id(), place };
  });
}

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
