import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createTokenizer } from "../src/index.ts";
import { hardTexts, mixedText } from "./hard-texts.ts";
import { createReference, expectSame } from "./reference.ts";

const model = new URL("../../../models/frugal-tiny/", import.meta.url);
const json = readFileSync(new URL("tokenizer.json", model), "utf8");
const config = readFileSync(new URL("tokenizer_config.json", model), "utf8");
const expected = JSON.parse(
  readFileSync(new URL("oracles/frugal-tiny.json", import.meta.url), "utf8"),
) as { readonly items: readonly { readonly text: string; readonly ids: readonly number[] }[] };

const tokenizer = createTokenizer(json, config);
const reference = createReference(json);

test("reads the roles of the configuration", () => {
  expect(tokenizer.vocabSize).toBe(4096);
  expect(tokenizer.eosToken).toBe("<|endoftext|>");
  expect([tokenizer.eosId, tokenizer.bosId, tokenizer.padId]).toEqual([0, null, 1]);
  expect(tokenizer.chatTemplate).toContain("<|assistant|>");
  expect(tokenizer.isSpecial(tokenizer.tokenToId("<|end|>")!)).toBe(true);
  expect(tokenizer.isSpecial(tokenizer.tokenToId("the")!)).toBe(false);
});

test.each(expected.items)("gives the recorded ids for $text", ({ text, ids }) => {
  expect([...tokenizer.encode(text).ids]).toEqual(ids);
});

test("agrees with the reference on hard texts", async () => {
  for (const text of hardTexts) await expectSame(tokenizer, reference, text);
});

test("agrees with the reference on 5,000 mixed texts", { timeout: 120_000 }, async () => {
  const special = ["<|end|>", "<|user|>", "<|endoftext|>", "<|reserved_0|>", "<|", "|>"];
  await fc.assert(
    fc.asyncProperty(mixedText(special), (text) => expectSame(tokenizer, reference, text)),
    { numRuns: 5000 },
  );
});

test("decodes any ids as the reference does, at once and as a stream", async () => {
  const ids = fc.array(fc.integer({ min: 0, max: 4095 }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(ids, fc.boolean(), async (sequence, skipSpecialTokens) => {
      const text = await reference.decode(sequence, skipSpecialTokens);
      expect(tokenizer.decode(sequence, { skipSpecialTokens })).toBe(text);
      const stream = tokenizer.createStream({ skipSpecialTokens });
      const parts = sequence.map((id) => stream.push(id));
      expect(parts.join("") + stream.flush()).toBe(text);
    }),
    { numRuns: 1000 },
  );
});
