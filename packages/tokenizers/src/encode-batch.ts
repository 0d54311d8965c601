import type { EncodeOptions, Encoding, EncodingWithOffsets } from "./encoding.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * Encodes several texts, each as `encode` does on its own, in their order. Cost: the sum of theirs.
 *
 * @throws {@link InferenceError} as `encode` does.
 */
export function encodeBatch(
  tokenizer: Tokenizer,
  texts: readonly string[],
  options: EncodeOptions & { readonly offsets: true },
): EncodingWithOffsets[];
export function encodeBatch(
  tokenizer: Tokenizer,
  texts: readonly string[],
  options?: EncodeOptions,
): Encoding[];
export function encodeBatch(
  tokenizer: Tokenizer,
  texts: readonly string[],
  options: EncodeOptions = {},
): Encoding[] {
  return texts.map((text) => tokenizer.encode(text, options));
}
