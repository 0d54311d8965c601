import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { generateTexts } from "./generated-texts.ts";
import { findDifferences } from "./native-batches.ts";
import { createReference } from "./reference.ts";

// Published tokenizers on 20,000 generated texts each. Their licences do not allow them into this
// repository: the folder is beside it, or the tests are skipped.
const TEXTS = 20_000;
const data = new URL("../../../../shared/oracles/tokenizers/", import.meta.url);
const reason = existsSync(data) ? "" : " (skipped: no ../shared/oracles/tokenizers here)";

describe.skipIf(reason !== "")(`published tokenizers${reason}`, () => {
  const texts = generateTexts(TEXTS, [
    "<s>",
    "</s>",
    "<pad>",
    "<unk>",
    "<mask>",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[UNK]",
    "<extra_id_0>",
    "<|endoftext|>",
    "<|user|>",
    "<|end|>",
    "<|begin_of_text|>",
    "<|im_start|>",
    "<|eot_id|>",
    "<|pad|>",
    "<fim_prefix>",
    "<repo_name>",
    ">>ANSWER<<",
    "<0xE6>",
    "   ",
    "\t\t",
  ]);

  test.each([
    "hf/gpt2/tokenizer.json.gz",
    "hf/phi-2/tokenizer.json.gz",
    "hf/phi-3-mini/tokenizer.json.gz",
    "hf/roberta-base/tokenizer.json.gz",
    "hf/falcon-7b/tokenizer.json.gz",
    "hf/kl3m-001-32k/tokenizer.json.gz",
    "hf/kl3m-004-char-4k-cased/tokenizer.json",
    "hf/kl3m-004-char-8k-cased/tokenizer.json",
    "hf/t5-small/tokenizer.json.gz",
    "hf/marian-nmt-unigram/tokenizer.json.gz",
    "derived/bert-base-cased.tokenizer.json.gz",
    "derived/bert-base-uncased.tokenizer.json.gz",
    "derived/cl100k_base.tokenizer.json.gz",
    "derived/o200k_base.tokenizer.json.gz",
    "derived/llama-3.tokenizer.json.gz",
    "derived/qwen2.tokenizer.json.gz",
    "derived/starcoder.tokenizer.json.gz",
    "derived/deepseek-coder.tokenizer.json.gz",
  ])("%s", { timeout: 180_000 }, async (path) => {
    const bytes = readFileSync(new URL(path, data));
    const json = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
    const tokenizer = createTokenizer(json);
    const reference = createReference(json);
    reference.disablePadding();
    const all = { addSpecialTokens: true, decode: true, details: false };
    expect(await findDifferences(tokenizer, reference, texts, all)).toEqual([]);
    const some = { addSpecialTokens: false, decode: true, details: true };
    expect(await findDifferences(tokenizer, reference, texts.slice(0, 2000), some)).toEqual([]);
  });
});
