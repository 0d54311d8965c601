import { philox } from "@frugal/core";
import { describe, expect, test } from "vitest";

import { createRowSelector, keepSinksAndRecent, quest, tokenSelect } from "../../src/index.ts";

/**
 * Associative recall in one attention layer, without any training: the key of a row is the embedding
 * of the token before it, its value that of the token itself, so a query for a token finds what
 * followed it. What policies recover differs by what they keep.
 */
const vocabulary = 512;
const width = 64;
const length = 2000;
const pairs = 250;
const budget = 256;
const random = philox(11);
let draws = 0;
const uniform = (): number => random.uniform(draws++);

const embeddings = Array.from({ length: vocabulary }, () => {
  const row = Float64Array.from({ length: width }, () => {
    const [u, v] = [uniform(), uniform()];
    return Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);
  });
  const norm = Math.hypot(...row);
  return row.map((value) => value / norm);
});

/** Keys are tokens below 256, each followed by its value; the rest is filler of values. */
function text(): { readonly tokens: number[]; readonly answers: Map<number, number> } {
  const value = (): number => 256 + Math.floor(uniform() * 256);
  const tokens = Array.from({ length }, value);
  const places = Array.from({ length: length / 2 }, (_, i) => 2 * i);
  const answers = new Map<number, number>();
  for (let key = 0; key < pairs; key++) {
    const [place] = places.splice(Math.floor(uniform() * places.length), 1);
    tokens[place!] = key;
    answers.set(key, tokens[place! + 1]!);
  }
  return { tokens, answers };
}

describe("what is recalled of 250 pairs in 2,000 tokens, through 256 rows", () => {
  const { tokens, answers } = text();
  const keys = new Float64Array(length * width);
  for (let t = 1; t < length; t++) keys.set(embeddings[tokens[t - 1]!]!, t * width);
  const shape = { layers: 1, heads: 1, kvHeads: 1, headDim: width };

  /** Fraction of the pairs whose value has the largest product with the attention's output. */
  function recall(rowsFor: (queries: Float64Array) => ArrayLike<number>): number {
    let right = 0;
    for (const [key, answer] of answers) {
      const queries = embeddings[key]!.map((x) => 24 * Math.sqrt(width) * x);
      const rows = Array.from(rowsFor(queries));
      const scores = rows.map((row) => dot(queries, keys, row * width) / Math.sqrt(width));
      const max = Math.max(...scores);
      const output = new Float64Array(width);
      for (const [i, row] of rows.entries()) {
        const weight = Math.exp(scores[i]! - max);
        const value = embeddings[tokens[row]!]!;
        for (let c = 0; c < width; c++) output[c]! += weight * value[c]!;
      }
      const products = embeddings.map((row) => dot(output, row, 0));
      if (products.indexOf(Math.max(...products)) === answer) right++;
    }
    return right / pairs;
  }

  const view = (queries: Float64Array) => ({
    layer: 0,
    rows: 1,
    queries,
    keys,
    capacity: length,
    length,
  });

  test("everything by the whole cache, and by the soft vote", () => {
    expect(recall(() => Array.from({ length }, (_, i) => i))).toBe(1);
    const policy = tokenSelect({ budget, sinks: 0, recent: 0, minLength: 0, reuse: null });
    const selector = createRowSelector(policy, shape);
    expect(recall((queries) => selector.select(view(queries)) as Uint32Array)).toBe(1);
  });

  test("three quarters by pages of 16, since pairs are scattered", () => {
    const selector = createRowSelector(quest({ budget, minLength: 0, dense: 0 }), shape);
    const share = recall((queries) => (selector.select(view(queries)) as Uint32Array[])[0]!);
    expect(share).toBeGreaterThan(0.65);
    expect(share).toBeLessThan(0.9);
  });

  test("what is in it by chance by sinks and recent rows", () => {
    expect(recall(() => keepSinksAndRecent(length, 4, 252))).toBeLessThan(0.25);
  });
});

function dot(a: Float64Array, b: Float64Array, at: number): number {
  let sum = 0;
  for (let c = 0; c < a.length; c++) sum += a[c]! * b[at + c]!;
  return sum;
}
