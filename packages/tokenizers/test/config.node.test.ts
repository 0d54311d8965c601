import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";

// Published configurations. Their licences do not allow them into this repository: the folder is
// beside it, or the tests are skipped.
const data = new URL("../../../../shared/oracles/tokenizers/hf/", import.meta.url);
const reason = existsSync(data) ? "" : " (skipped: no ../shared/oracles/tokenizers here)";
const read = (path: string): Buffer => readFileSync(new URL(path, data));
const open = (name: string) => {
  const json = gunzipSync(read(`${name}/tokenizer.json.gz`)).toString();
  const config = read(`${name}/tokenizer_config.json`).toString();
  return { bare: createTokenizer(json), tokenizer: createTokenizer(json, config) };
};

describe.skipIf(reason !== "")(`published configurations${reason}`, () => {
  test.each([
    ["phi-2", 50256, 50256, null],
    ["phi-3-mini", 32000, 1, 32000],
    ["t5-small", 1, null, 0],
    ["roberta-base", null, null, null],
  ])("%s", (name, eos, bos, pad) => {
    const { bare, tokenizer } = open(name);
    expect([tokenizer.eosId, tokenizer.bosId, tokenizer.padId]).toEqual([eos, bos, pad]);
    expect(tokenizer.vocabSize).toBe(bare.vocabSize);
    const text = "One  <s>two</s> <|user|>\n<pad> <unk>      <extra_id_3><|endoftext|>x";
    expect([...tokenizer.encode(text).ids]).toEqual([...bare.encode(text).ids]);
  });

  test("marian-nmt-unigram has a token of which only the configuration knows", () => {
    const { bare, tokenizer } = open("marian-nmt-unigram");
    expect(bare.tokenToId("<pad>")).toBeUndefined();
    expect([tokenizer.eosId, tokenizer.padId, tokenizer.vocabSize]).toEqual([0, 32000, 32001]);
    expect([...tokenizer.encode("<pad>").ids]).toEqual([32000]);
    expect(tokenizer.isSpecial(tokenizer.tokenToId("<unk>")!)).toBe(true);
  });
});
