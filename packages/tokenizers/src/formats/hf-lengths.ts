import type { Padding } from "../padding.ts";
import type { Truncation } from "../truncation.ts";
import type { JsonReader } from "./json-reader.ts";

/** Reads the truncation of a file; null where there is none. */
export function readTruncation(reader: JsonReader): Truncation | null {
  if (reader.isAbsent) return null;
  const direction = reader.member("direction");
  const strategies = {
    LongestFirst: "longest-first",
    OnlyFirst: "only-first",
    OnlySecond: "only-second",
  } as const;
  const strategy = reader.member("strategy");
  return {
    maxLength: reader.member("max_length").id(),
    stride: reader.member("stride").optionalId(),
    direction:
      direction.isAbsent || direction.choice(["Right", "Left"]) === "Right" ? "right" : "left",
    strategy: strategy.isAbsent
      ? "longest-first"
      : strategies[strategy.choice(["LongestFirst", "OnlyFirst", "OnlySecond"])],
  };
}

/** Reads the padding of a file; null where there is none. */
export function readPadding(reader: JsonReader): Padding | null {
  if (reader.isAbsent) return null;
  const strategy = reader.member("strategy");
  const multiple = reader.member("pad_to_multiple_of");
  const isLeft = reader.member("direction").choice(["Left", "Right"]) === "Left";
  return {
    length: strategy.value === "BatchLongest" ? "longest" : strategy.member("Fixed").id(),
    ...(!multiple.isAbsent && { multipleOf: multiple.id() }),
    direction: isLeft ? "left" : "right",
    id: reader.member("pad_id").id(),
    typeId: reader.member("pad_type_id").optionalId(),
    token: reader.member("pad_token").string(),
  };
}
