import { createTokenizer } from "../create-tokenizer.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { GGUF_TYPE, type GgufReader } from "./gguf-metadata.ts";
import { ggufCuts } from "./gguf-patterns.ts";

/** Builds the tokenizer of a byte-level vocabulary, `tokenizer.ggml.model` being `gpt2`. */
export function byteLevelFromGguf(reader: GgufReader): Tokenizer {
  const tokens = reader.strings("tokens");
  const types = reader.numbers("token_type", tokens.length) ?? tokens.map(() => GGUF_TYPE.normal);
  const pre = reader.string("pre", "default");
  const cuts = ggufCuts(pre) ?? reader.refuse("pre", pre);
  const tokenAt = (name: string): string | null => {
    const id = reader.id(`${name}_token_id`, tokens.length);
    return id === null ? null : tokens[id]!;
  };
  const isAdded = (id: number): boolean =>
    types[id] === GGUF_TYPE.control || types[id] === GGUF_TYPE.userDefined;
  const special = (name: string): object[] => {
    const id = reader.boolean(`add_${name}_token`, false) ? tokenAt(name) : null;
    return id === null ? [] : [{ SpecialToken: { id, type_id: 0 } }];
  };
  const single = [...special("bos"), { Sequence: { id: "A", type_id: 0 } }, ...special("eos")];
  const named = ["bos", "eos"].flatMap((name) => tokenAt(name) ?? []);
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false };
  return createTokenizer(
    {
      version: "1.0",
      added_tokens: tokens.flatMap((content, id) =>
        isAdded(id)
          ? [{ content, special: types[id] === GGUF_TYPE.control, normalized: false }]
          : [],
      ),
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          ...cuts.patterns.map((Regex) => ({
            type: "Split",
            pattern: { Regex },
            behavior: "Isolated",
            invert: false,
          })),
          { ...byteLevel, use_regex: false },
        ],
      },
      post_processor:
        single.length === 1
          ? null
          : {
              type: "TemplateProcessing",
              single,
              pair: [...single, { Sequence: { id: "B", type_id: 1 } }],
              special_tokens: Object.fromEntries(
                named.map((id) => [id, { id, ids: [tokens.indexOf(id)], tokens: [id] }]),
              ),
            },
      decoder: { ...byteLevel, use_regex: true },
      model: {
        type: "BPE",
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: reader.strings("merges"),
        ignore_merges: cuts.ignoreMerges,
      },
    },
    {
      bos_token: tokenAt("bos"),
      eos_token: tokenAt("eos"),
      pad_token: tokenAt("padding"),
    },
  );
}
