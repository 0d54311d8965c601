import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { fromSentencePiece, StreamEncoder } from "../src/index.ts";
import { pushAll } from "./push-all.ts";

const data = new URL("../../../../shared/oracles/tokenizers/", import.meta.url);
const reason = existsSync(data) ? "" : " (skipped: no ../shared/oracles/tokenizers here)";

interface Expected {
  readonly id: string;
  readonly ids: readonly number[];
  readonly offsets?: readonly (readonly [number, number])[];
  readonly decoded?: string;
}

const readJson = (path: string): unknown => {
  const bytes = readFileSync(new URL(path, data));
  return JSON.parse((path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString());
};

/** The UTF-16 offset of each byte that begins a character, and of the end. */
function unitsByByte(text: string): Map<number, number> {
  const units = new Map([[0, 0]]);
  let byte = 0;
  let unit = 0;
  for (const character of text) {
    byte += Buffer.byteLength(character);
    unit += character.length;
    units.set(byte, unit);
  }
  return units;
}

describe.skipIf(reason !== "")(`published sentencepiece models${reason}`, () => {
  const fixtures = "transformers-fixtures/";
  test.each([
    ["llama-2", "llama-2.model"],
    ["marian-nmt.joint", "marian-nmt.joint.spm"],
    ["sentencepiece-test-en", "sentencepiece-test-en.model"],
    ["sentencepiece-test-ja", "sentencepiece-test-ja.model"],
    ["test_sentencepiece", `${fixtures}test_sentencepiece.model`],
    ["test_sentencepiece_bpe", `${fixtures}test_sentencepiece_bpe.model`],
    ["test_sentencepiece_bpe_char", `${fixtures}test_sentencepiece_bpe_char.model`],
    ["test_sentencepiece_no_bos", `${fixtures}test_sentencepiece_no_bos.model`],
    [
      "test_sentencepiece_with_bytefallback",
      `${fixtures}test_sentencepiece_with_bytefallback.model`,
    ],
  ])("%s", { timeout: 60_000 }, (name, path) => {
    const tokenizer = fromSentencePiece(readFileSync(new URL(`spm/${path}`, data)));
    const texts = readJson("corpus/conformance.json") as readonly { id: string; text: string }[];
    const { items } = readJson(`oracle/spm.${name}.json.gz`) as { items: readonly Expected[] };
    expect(items.length).toBe(144);
    const isByte = (id: number): boolean => /^<0x..>$/.test(tokenizer.idToToken(id)!);
    for (const item of items) {
      const text = texts
        .find(({ id }) => id === item.id)!
        .text.replace(/\p{Surrogate}/gu, "\ufffd");
      const { ids, offsets } = tokenizer.encode(text, { offsets: true });
      expect([item.id, ...ids]).toEqual([item.id, ...item.ids]);

      const encoder = new StreamEncoder(tokenizer);
      const at = Array.from({ length: 6 }, (_, i) => (7919 * (i + 1) * ids.length) % 997);
      expect([item.id, ...pushAll(encoder, text, at)]).toEqual([item.id, ...ids]);

      const stream = tokenizer.createStream();
      const streamed = Array.from(ids, (id) => stream.push(id)).join("") + stream.flush();
      expect(tokenizer.decode(ids)).toBe(item.decoded ?? streamed);
      expect(streamed).toBe(tokenizer.decode(ids));

      // Of a run of bytes, the reference gives the range to the last; here it is everyone's.
      const units = unitsByByte(text);
      const actual = Array.from(ids, (id, i) => [
        offsets[2 * i],
        isByte(id) ? null : offsets[2 * i + 1],
      ]);
      const expected = item.offsets?.map(([start, end], i) => [
        units.get(start),
        isByte(ids[i]!) ? null : units.get(end),
      ]);
      expect([item.id, actual]).toEqual([item.id, expected ?? actual]);
    }
  });
});
