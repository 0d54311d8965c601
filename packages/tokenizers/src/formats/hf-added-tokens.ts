import type { AddedToken } from "../added-tokens.ts";
import type { JsonReader } from "./json-reader.ts";

/**
 * Reads the list of added tokens, gives them their ids and puts them into `ids`, which holds those
 * of the model.
 *
 * A token whose text the model knows keeps that id; any other gets the next free one: the number of
 * tokens in the model, or one above the last added id if that is higher. The id in the file plays no
 * part. Empty texts are skipped; of entries with the same text the last one counts, and the token is
 * special if one of them is.
 *
 * @see `AddedVocabulary::add_tokens` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/tokenizer/added_vocabulary.rs
 */
export function readAddedTokens(
  list: JsonReader,
  ids: Map<string, number>,
  modelSize: number,
): AddedToken[] {
  if (list.isAbsent) return [];
  const tokens = new Map<string, AddedToken>();
  let highest = -1;
  for (const entry of list.array()) {
    const content = entry.member("content").string();
    if (content === "") continue;
    const id = ids.get(content) ?? Math.max(modelSize, highest + 1);
    if (id > highest) highest = id;
    ids.set(content, id);
    const token = readToken(entry, id);
    const special = token.special || (tokens.get(content)?.special ?? false);
    tokens.set(content, { ...token, special });
  }
  return [...tokens.values()];
}

function readToken(entry: JsonReader, id: number): AddedToken {
  const special = entry.member("special").boolean(false);
  return {
    id,
    content: entry.member("content").string(),
    singleWord: entry.member("single_word").boolean(false),
    lstrip: entry.member("lstrip").boolean(false),
    rstrip: entry.member("rstrip").boolean(false),
    normalized: entry.member("normalized").boolean(!special),
    special,
  };
}

/** The list of added tokens as a file has it, by id. */
export function writeAddedTokens(tokens: readonly AddedToken[]): object[] {
  return [...tokens]
    .sort((a, b) => a.id - b.id)
    .map((token) => ({
      id: token.id,
      content: token.content,
      single_word: token.singleWord,
      lstrip: token.lstrip,
      rstrip: token.rstrip,
      normalized: token.normalized,
      special: token.special,
    }));
}
