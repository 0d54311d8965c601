import fc from "fast-check";
import { expect, test } from "vitest";
import { Bpe } from "../src/models/bpe-characters.ts";
import { PairTable } from "../src/models/pair-table.ts";
import { TokenBuffer } from "../src/token-buffer.ts";

const letters = ["▁", "a", "b", "c", "é", "漢", "😀"];

/** Merges of any two tokens that are there already. */
const merges = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 12 });
// "?" and "\u{1f601}" are unknown; the bytes of some are not.
const text = fc
  .array(fc.constantFrom(...letters, "?", "x", "\u{1f601}"), { minLength: 33, maxLength: 120 })
  .map((parts) => parts.join(""));

test("a long piece in parts comes to the same as the whole", () => {
  const check = (picks: [number, number][], texts: string[], byteFallback: boolean): void => {
    const tokens = [...letters, "<0x3F>", "<unk>"];
    const pairs = new PairTable(picks.length);
    const done = new Set<string>();
    for (const [one, other] of picks) {
      const [left, right] = [one % tokens.length, other % tokens.length];
      const whole = tokens[left]! + tokens[right]!;
      if (done.has(`${left} ${right}`)) continue;
      done.add(`${left} ${right}`);
      if (!tokens.includes(whole)) tokens.push(whole);
      pairs.set(left, right, done.size - 1, tokens.indexOf(whole));
    }
    const bpe = new Bpe({
      vocab: new Map(tokens.map((token, id) => [token, id])),
      pairs,
      ignoreMerges: false,
      // Leaves nothing out below, and is never asked without `random`.
      dropout: 1e-9,
      unknown: { token: "<unk>", id: tokens.indexOf("<unk>") },
      fuseUnknown: !byteFallback,
      byteFallback,
      prefix: "",
      suffix: "",
    });
    const encode = (piece: string, random?: () => number): number[] => {
      const out = new TokenBuffer(true);
      bpe.encode(piece, out, random);
      const { ids, offsets, length } = out;
      return [...ids.subarray(0, length), ...offsets!.subarray(0, 2 * length)];
    };
    // It cuts once it has seen enough.
    encode("a".repeat(10_001));
    for (const each of texts) {
      expect([each, ...encode(each)]).toEqual([each, ...encode(each, () => 1)]);
      const ids = new TokenBuffer(false);
      bpe.encode(each, ids);
      expect([...ids.ids.subarray(0, ids.length)]).toEqual(encode(each).slice(0, ids.length));
    }
  };
  const texts = fc.array(text, { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(merges, texts, fc.boolean(), check), { numRuns: 500 });
});
