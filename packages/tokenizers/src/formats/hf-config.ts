import type { TokenizerConfig } from "../tokenizer.ts";
import { plainToken, readToken, type NamedToken, type TokensBeside } from "./hf-added-tokens.ts";
import type { JsonReader } from "./json-reader.ts";

const ROLES = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"] as const;

/** The files beside a `tokenizer.json` that name tokens. */
export interface ConfigFiles {
  readonly config: JsonReader;
  readonly addedTokens: JsonReader;
  readonly specialTokensMap: JsonReader;
}

/**
 * Reads which added tokens the configuration names, and, unless it has a list of its own, the
 * contents of `added_tokens.json`.
 */
export function readTokensBeside(files: ConfigFiles): TokensBeside {
  const roles: TokensBeside["roles"] = new Map(
    roleEntries(files).map((entry) => {
      const isText = typeof entry.value === "string";
      const token = isText ? plainToken(entry.string(), true) : readToken(entry, true);
      return [token.content, token];
    }),
  );
  const list = files.config.member("added_tokens_decoder");
  const named = list.isAbsent ? readTexts(files.addedTokens, roles) : readList(list, roles);
  return { named: named.sort((a, b) => a.id - b.id), roles };
}

/** A member of `special_tokens_map.json`, or else of the configuration. */
function entryOf({ config, specialTokensMap }: ConfigFiles, name: string): JsonReader {
  const entry = specialTokensMap.member(name);
  return entry.isAbsent ? config.member(name) : entry;
}

/** Every token with a role, in the order in which new ones get ids: a text, or an object. */
function roleEntries(files: ConfigFiles): JsonReader[] {
  const { config } = files;
  const names = ROLES.map((role) => `${role}_token`);
  const own = Object.keys(config.object())
    .filter((name) => name.endsWith("_token") && !names.includes(name))
    .map((name) => config.member(name))
    .filter((entry) => typeof entry.value === "string");
  const extra = listEntries(config.member("extra_special_tokens"));
  const lists = [
    ...(extra.length > 0 ? extra : listEntries(entryOf(files, "additional_special_tokens"))),
    ...listEntries(files.specialTokensMap.member("extra_special_tokens")),
  ];
  const single = names.map((name) => entryOf(files, name));
  return [...single, ...own, ...lists].filter((entry) => !entry.isAbsent && entry.value !== "");
}

/** The elements of a list, or the members of an object. */
function listEntries(list: JsonReader): JsonReader[] {
  if (list.isAbsent) return [];
  if (Array.isArray(list.value)) return list.array();
  return Object.keys(list.object()).map((role) => list.member(role));
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
 * Reads what a `tokenizer_config.json` says about the model and about tokens that have a role. A chat
 * template given as a list of named ones is the one called `default`.
 */
export function readConfig(files: ConfigFiles): TokenizerConfig {
  const token = (name: string): string | null => {
    const entry = entryOf(files, name);
    if (entry.isAbsent || entry.value === "") return null;
    return typeof entry.value === "string" ? entry.value : entry.member("content").string();
  };
  return {
    eosToken: token("eos_token"),
    bosToken: token("bos_token"),
    padToken: token("pad_token"),
    chatTemplate: readChatTemplate(files.config.member("chat_template")),
    modelMaxLength: readMaxLength(files.config.member("model_max_length")),
  };
}

/** Where no length is known, files have 10^30. */
function readMaxLength(entry: JsonReader): number | null {
  if (entry.isAbsent) return null;
  if (typeof entry.value !== "number") return entry.fail("a number");
  return Number.isSafeInteger(entry.value) && entry.value > 0 ? entry.value : null;
}

function readChatTemplate(entry: JsonReader): string | null {
  if (!Array.isArray(entry.value)) return entry.optionalString();
  const named = entry.array().find((each) => each.member("name").value === "default");
  return named === undefined ? null : named.member("template").string();
}
