import { InferenceError } from "@frugal/core";
import { AddedTokens, type AddedToken } from "../added-tokens.ts";
import type { EncodeOptions, Encoding, EncodingWithOffsets } from "../encoding.ts";
import { LiteralMatcher } from "../literal-matcher.ts";
import { PipelineTokenizer } from "../pipeline-tokenizer.ts";
import type { Tokenizer } from "../tokenizer.ts";
import type { TokenizerParts } from "../tokenizer-parts.ts";

/** Which special tokens may be written in a text, as tiktoken has it. */
export interface SpecialPolicy {
  /** Those that become their ids. Default: none. */
  readonly allowedSpecial?: "all" | Iterable<string>;
  /** Those that are an error. Default `"all"`: all that are not allowed. The rest is plain text. */
  readonly disallowedSpecial?: "all" | Iterable<string>;
}

/** A tokenizer that refuses special tokens in the text unless told otherwise. */
export interface GuardedTokenizer extends Tokenizer {
  /**
   * As {@link Tokenizer.encode}; `special`, if given, takes the place of the policy: `"parse"` allows
   * all special tokens, `"text"` reads them as plain text.
   *
   * @throws {@link InferenceError} `range`, with its name, if a disallowed token is in the text.
   */
  encode(
    text: string | readonly string[],
    options: EncodeOptions & SpecialPolicy & { readonly offsets: true },
  ): EncodingWithOffsets;
  encode(text: string | readonly string[], options?: EncodeOptions & SpecialPolicy): Encoding;
}

/** Puts the policy in front of a tokenizer whose special tokens are `specials`. */
export function guardSpecials(
  parts: TokenizerParts,
  specials: readonly AddedToken[],
  tokenizer: PipelineTokenizer,
): GuardedTokenizer {
  const plain = tokenizer.encode.bind(tokenizer);
  const names = specials.map((token) => token.content);
  const findDisallowed = latest((key: string) => new LiteralMatcher(JSON.parse(key) as string[]));
  const tokenizerFor = latest((key: string) => {
    const allowed = new Set(JSON.parse(key) as string[]);
    const tokens = specials.filter((token) => allowed.has(token.content));
    const contents = tokens.map((token) => token.content);
    return new PipelineTokenizer(
      { ...parts, rawTokens: new AddedTokens(tokens, contents) },
      { eosToken: null, bosToken: null, padToken: null, chatTemplate: null },
    );
  });

  const encode = (
    text: string | readonly string[],
    options: EncodeOptions & SpecialPolicy = {},
  ): Encoding => {
    if (options.special !== undefined) return plain(text, options);
    const { allowedSpecial = [], disallowedSpecial = "all" } = options;
    const allowed = new Set(allowedSpecial === "all" ? names : allowedSpecial);
    const disallowed =
      disallowedSpecial === "all"
        ? names.filter((name) => !allowed.has(name))
        : [...disallowedSpecial];
    if (disallowed.length > 0) {
      const matcher = findDisallowed(JSON.stringify(disallowed));
      for (const each of [text, options.pair ?? []].flat()) refuse(each, disallowed, matcher);
    }
    const parsed = names.filter((name) => allowed.has(name));
    if (parsed.length === 0) return plain(text, { ...options, special: "text" });
    if (parsed.length === names.length) return plain(text, { ...options, special: "parse" });
    return tokenizerFor(JSON.stringify(parsed)).encode(text, options);
  };
  // The overloads say how the result depends on `offsets`, which `plain` takes care of.
  return Object.assign(tokenizer, { encode: encode as GuardedTokenizer["encode"] });
}

function refuse(text: string, disallowed: readonly string[], matcher: LiteralMatcher): void {
  const hit = matcher.find(text)[0];
  if (hit === undefined) return;
  throw new InferenceError(
    "range",
    `text: expected no disallowed special token, got ${JSON.stringify(disallowed[hit.literal])} ` +
      `at ${hit.start}; name it in allowedSpecial, or leave it out of disallowedSpecial`,
  );
}

/** Remembers the result for the last argument. */
function latest<T>(make: (key: string) => T): (key: string) => T {
  let last: { readonly key: string; readonly value: T } | null = null;
  return (key) => {
    if (last?.key !== key) last = { key, value: make(key) };
    return last.value;
  };
}
