import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { InferenceError } from "@frugal/core";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { translatePattern } from "../src/formats/oniguruma.ts";
import { PatternMatcher } from "../src/pre-tokenizers/pattern-matcher.ts";
import { splitPreTokenizer, type SplitBehavior } from "../src/pre-tokenizers/split.ts";
import { unitsByCodePoint } from "./reference.ts";

// Published tokenizers against what huggingface/tokenizers 0.23.2 makes of 144 texts. Their licences
// do not allow them into this repository: the folder is beside it, or the tests are skipped.
const data = new URL("../../../../shared/oracles/tokenizers/", import.meta.url);
const reason = existsSync(data) ? "" : " (skipped: no ../shared/oracles/tokenizers here)";

interface Expected {
  readonly id: string;
  readonly ids: readonly number[];
  readonly offsets?: readonly (readonly [number, number])[];
  readonly special?: readonly number[];
  readonly decoded?: string;
  readonly decodedSkip?: string;
}

const readText = (path: string): string => {
  const bytes = readFileSync(new URL(path, data));
  return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
};
const readJson = (path: string): unknown => JSON.parse(readText(path));
const corpus = (): Map<string, string> => {
  const texts = readJson("corpus/conformance.json") as readonly { id: string; text: string }[];
  return new Map(texts.map(({ id, text }) => [id, text.replace(/\p{Surrogate}/gu, "\ufffd")]));
};

describe.skipIf(reason !== "")(`published tokenizers${reason}`, () => {
  test.each([
    ["gpt2", "hf/gpt2/tokenizer.json.gz"],
    ["phi-2", "hf/phi-2/tokenizer.json.gz"],
    ["t5-small", "hf/t5-small/tokenizer.json.gz"],
    ["marian-nmt-unigram", "hf/marian-nmt-unigram/tokenizer.json.gz"],
    ["phi-3-mini", "hf/phi-3-mini/tokenizer.json.gz"],
    ["roberta-base", "hf/roberta-base/tokenizer.json.gz"],
    ["falcon-7b", "hf/falcon-7b/tokenizer.json.gz"],
    ["kl3m-001-32k", "hf/kl3m-001-32k/tokenizer.json.gz"],
    ["kl3m-004-char-4k-cased", "hf/kl3m-004-char-4k-cased/tokenizer.json"],
    ["kl3m-004-char-8k-cased", "hf/kl3m-004-char-8k-cased/tokenizer.json"],
    ["bert-base-cased", "derived/bert-base-cased.tokenizer.json.gz"],
    ["bert-base-uncased", "derived/bert-base-uncased.tokenizer.json.gz"],
    ["cl100k_base", "derived/cl100k_base.tokenizer.json.gz"],
    ["o200k_base", "derived/o200k_base.tokenizer.json.gz"],
    ["llama-3", "derived/llama-3.tokenizer.json.gz"],
    ["qwen2", "derived/qwen2.tokenizer.json.gz"],
    ["starcoder", "derived/starcoder.tokenizer.json.gz"],
    ["deepseek-coder", "derived/deepseek-coder.tokenizer.json.gz"],
  ])("%s", { timeout: 60_000 }, (name, path) => {
    const texts = corpus();
    const tokenizer = createTokenizer(readText(path));
    const { items } = readJson(`oracle/hf.${name}.json.gz`) as { items: readonly Expected[] };
    expect(items.length).toBe(144);
    for (const item of items) {
      const text = texts.get(item.id)!;
      const actual = tokenizer.encode(text, { addSpecialTokens: false, offsets: true });
      expect([item.id, ...actual.ids]).toEqual([item.id, ...item.ids]);
      const stream = tokenizer.createStream();
      const parts = item.ids.map((id) => stream.push(id));
      expect(parts.join("") + stream.flush()).toBe(tokenizer.decode(item.ids));
      for (const part of parts) expect(part).not.toMatch(/\p{Surrogate}/u);
      if (item.special === undefined) continue;
      const units = unitsByCodePoint(text);
      const offsets = item.offsets!.flatMap((range) => range.map((at) => units[at]));
      expect([item.id, ...actual.offsets]).toEqual([item.id, ...offsets]);
      expect([...tokenizer.encode(text).ids]).toEqual(item.special);
      expect(tokenizer.decode(item.ids)).toBe(item.decoded);
      expect(tokenizer.decode(item.ids, { skipSpecialTokens: true })).toBe(item.decodedSkip);
    }
  });

  test.each([
    [
      "hf-negative/kl3m-005-custom-pretokenizer/tokenizer_with_pretokenizer.json.gz",
      "RandomWhitespaceSplit",
    ],
    ["hf-negative/llama-2-malformed-merges/tokenizer.json.gz", "model"],
    ["hf-negative/added-tokens-integer-merges/tokenizer.json", "model"],
  ])("refuses %s by name", (path, message) => {
    const json = readText(path);
    const error = ((): unknown => {
      try {
        return createTokenizer(json);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(InferenceError.is(error)).toBe(true);
    expect((error as InferenceError).message).toContain(message);
  });
});

interface PatternCase {
  readonly id: string;
  readonly name?: string;
  readonly pattern: string;
  readonly behavior?: SplitBehavior;
  readonly invert?: boolean;
  readonly inputs?: readonly string[];
}

describe.skipIf(reason !== "")(`patterns of published tokenizers${reason}`, () => {
  test("split as in the reference", () => {
    const folder = "reference/tokenizers.js/";
    const { defaults, patterns, additionalCases } = readJson(
      `${folder}splitRegexPatterns.json`,
    ) as {
      readonly defaults: Required<Omit<PatternCase, "id" | "pattern">>;
      readonly patterns: readonly PatternCase[];
      readonly additionalCases: readonly (Partial<PatternCase> & { patternId: string })[];
    };
    const { tokens } = readJson(`${folder}splitRegexOracle.json.gz`) as {
      readonly tokens: Record<string, readonly (readonly string[])[]>;
    };
    const wrong: string[] = [];
    const more = additionalCases.map((each) => {
      const { id, pattern } = patterns.find((known) => known.id === each.patternId)!;
      return { ...each, id, pattern };
    });
    for (const each of [...patterns, ...more]) {
      const expected = tokens[each.name ?? each.id];
      const { pattern, behavior, invert, inputs } = { ...defaults, ...each };
      const { source, flag, ahead } = translatePattern(pattern, "pattern");
      const matcher = new PatternMatcher(source, flag, null, ahead);
      const split = splitPreTokenizer(matcher, behavior, invert);
      const actual = inputs.map((text) => {
        const pieces: string[] = [];
        split(text, 0, (piece) => pieces.push(piece));
        return pieces;
      });
      if (JSON.stringify(actual) !== JSON.stringify(expected)) wrong.push(`${each.id} ${pattern}`);
    }
    expect(wrong).toEqual([]);
    expect(Object.keys(tokens).length).toBeGreaterThan(140);
  });
});
