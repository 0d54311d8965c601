import { TokenBuffer } from "../token-buffer.ts";
import type { PostProcessor } from "./post-processor.ts";

/**
 * Puts fixed tokens before and after the text's, if special tokens are wanted. They cover no text:
 * their range is `0, 0`. O(tokens).
 *
 * @see `TemplateProcessing` in huggingface/tokenizers (3ba8ad0):
 *   tokenizers/src/processors/template.rs
 */
export function templatePostProcessor(
  before: readonly number[],
  after: readonly number[],
): PostProcessor {
  return (tokens, { addSpecialTokens }) => {
    if (!addSpecialTokens || before.length + after.length === 0) return tokens;
    const n = tokens.length;
    const framed = new TokenBuffer(tokens.offsets !== null);
    framed.reserve(before.length + n + after.length);
    for (const id of before) framed.push(id, 0, 0);
    framed.ids.set(tokens.ids.subarray(0, n), framed.length);
    if (tokens.offsets !== null) {
      framed.offsets!.set(tokens.offsets.subarray(0, 2 * n), 2 * framed.length);
    }
    framed.length += n;
    for (const id of after) framed.push(id, 0, 0);
    return framed;
  };
}
