import type { Json } from "./json-fields.ts";
import { longRope } from "./rope-config.ts";

/**
 * The configuration of a model with LongRoPE, for texts beyond its original length: every position, early
 * ones too, takes the divisors that are meant for long texts, and positions may go as far as the model was
 * made for. That of another model as it is.
 *
 * transformers chooses by the length of what it is given at once, so that keys it has cached keep the short
 * divisors when a text grows beyond the original length. Here the choice is made when a model is loaded,
 * and a text of any length means the same however it is cut.
 *
 * @throws {@link InferenceError} `format` for fields that are missing or of the wrong type.
 */
export function forLongTexts(json: Json): Json {
  const found = longRope(json);
  if (found === null) return json;
  const { field, rope, attentionFactor } = found;
  return {
    ...json,
    original_max_position_embeddings: json["max_position_embeddings"],
    [field]: { ...rope, short_factor: rope["long_factor"], attention_factor: attentionFactor },
  };
}
