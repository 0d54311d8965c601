import { InferenceError } from "@frugal/core";
import { byteAlphabet } from "../byte-alphabet.ts";
import { PairTable } from "../models/pair-table.ts";
import { decodeBase64 } from "./base64.ts";

/** Longest token, in bytes; published ones have at most 128. Trying its cuts is quadratic in it. */
const LONGEST = 512;

/**
 * Reads the lines `base64(bytes) rank` of a `.tiktoken` file into tokens of the byte alphabet.
 *
 * @throws {@link InferenceError} `format`, with the line, unless each line is one token with a rank
 *   of its own and every single byte is among them.
 */
export function readRanks(text: string): Map<string, number> {
  const alphabet = byteAlphabet();
  const vocab = new Map<string, number>();
  const taken = new Set<number>();
  text.split("\n").forEach((raw, index) => {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line === "") return;
    const space = line.indexOf(" ");
    const bytes = space > 0 ? decodeBase64(line.slice(0, space)) : null;
    const digits = line.slice(space + 1);
    const rank = Number(digits);
    if (bytes === null || bytes.length === 0 || !/^\d{1,8}$/.test(digits) || rank >= 2 ** 24) {
      fail(index, "a token in base64, a space and a rank below 16777216", line);
    }
    if (bytes.length > LONGEST) fail(index, `a token of at most ${LONGEST} bytes`, line);
    let token = "";
    for (const byte of bytes) token += alphabet[byte]!;
    if (vocab.has(token)) fail(index, "a token that is not there yet", line);
    if (taken.has(rank)) fail(index, "a rank that is not taken yet", line);
    taken.add(rank);
    vocab.set(token, rank);
  });
  alphabet.forEach((token, byte) => {
    if (vocab.has(token)) return;
    const name = byte.toString(16).padStart(2, "0").toUpperCase();
    throw new InferenceError("format", `ranks: expected a token for byte ${name}, got none`);
  });
  return vocab;
}

/**
 * Every way to make a token from two others, at the rank of the whole: any two neighbours that are a
 * token together may merge, which is what distinguishes ranks from a list of merges.
 *
 * Cost: O(total length of the tokens) look-ups.
 */
export function pairsOfRanks(vocab: ReadonlyMap<string, number>): PairTable {
  const found: number[] = [];
  let size = 0;
  for (const [token, rank] of vocab) {
    if (rank >= size) size = rank + 1;
    for (let cut = 1; cut < token.length; cut++) {
      const left = vocab.get(token.slice(0, cut));
      if (left === undefined) continue;
      const right = vocab.get(token.slice(cut));
      if (right !== undefined) found.push(left, right, rank);
    }
  }
  const pairs = new PairTable(Math.max(size, found.length / 3));
  for (let i = 0; i < found.length; i += 3) {
    pairs.set(found[i]!, found[i + 1]!, found[i + 2]!, found[i + 2]!);
  }
  return pairs;
}

function fail(index: number, expected: string, line: string): never {
  const got = JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}...` : line);
  throw new InferenceError("format", `ranks line ${index + 1}: expected ${expected}, got ${got}`);
}
