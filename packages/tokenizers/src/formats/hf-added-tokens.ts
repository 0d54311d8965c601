import type { AddedToken } from "../added-tokens.ts";
import type { JsonReader } from "./json-reader.ts";

/** An added token that a file beside the tokenizer's names. */
export interface NamedToken {
  readonly token: Omit<AddedToken, "id">;
  /** The id it is said to have, and where that is said. */
  readonly id: number;
  readonly place: JsonReader;
}

/** What files beside a tokenizer's say about added tokens. */
export interface TokensBeside {
  /** In the order of their ids. */
  readonly named: readonly NamedToken[];
  /** Tokens with a role, such as the end of a text, by their texts. */
  readonly roles: ReadonlyMap<string, Omit<AddedToken, "id">>;
}

/**
 * Reads the list of added tokens, gives them their ids and puts them into `ids`, which holds those
 * of the model.
 *
 * A token whose text the model knows keeps that id; any other gets the next free one: the number of
 * tokens in the model, or one above the last added id if that is higher. The id in the file plays no
 * part. Empty texts are skipped; of entries with the same text the last one counts, and the token is
 * special if one of them is.
 *
 * Tokens named beside follow those of the list, as if they stood at its end; those with a role that
 * are in neither come last, as special ones.
 *
 * @throws {@link InferenceError} `format` if a token named beside has another id there.
 * @see `AddedVocabulary::add_tokens` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/tokenizer/added_vocabulary.rs
 */
export function readAddedTokens(
  list: JsonReader,
  ids: Map<string, number>,
  modelSize: number,
  { named, roles }: TokensBeside,
): AddedToken[] {
  const tokens = new Map<string, AddedToken>();
  let highest = -1;
  const add = (token: Omit<AddedToken, "id">): number => {
    const { content } = token;
    const id = ids.get(content) ?? Math.max(modelSize, highest + 1);
    if (id > highest) highest = id;
    ids.set(content, id);
    const special = token.special || (tokens.get(content)?.special ?? false);
    tokens.set(content, { ...token, id, special });
    return id;
  };
  for (const entry of list.isAbsent ? [] : list.array()) {
    const token = readToken(entry);
    if (token.content !== "") add(token);
  }
  for (const { token, id, place } of named) {
    const given = add(token);
    if (given !== id) place.fail(`the token ${JSON.stringify(token.content)} with the id ${given}`);
  }
  for (const [content, token] of roles) {
    if (!tokens.has(content)) add(token);
  }
  return [...tokens.values()];
}

/** Reads an added token. One that is special `anyway` needs no mark that says so. */
export function readToken(entry: JsonReader, anyway = false): Omit<AddedToken, "id"> {
  const special = entry.member("special").boolean(false) || anyway;
  return {
    content: entry.member("content").string(),
    singleWord: entry.member("single_word").boolean(false),
    lstrip: entry.member("lstrip").boolean(false),
    rstrip: entry.member("rstrip").boolean(false),
    normalized: entry.member("normalized").boolean(!special),
    special,
  };
}

/** An added token that is nothing but a text. */
export function plainToken(content: string, special: boolean): Omit<AddedToken, "id"> {
  const [singleWord, lstrip, rstrip] = [false, false, false];
  return { content, singleWord, lstrip, rstrip, normalized: !special, special };
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
