import { InferenceError } from "@frugal/core";
import { expect, test } from "vitest";

import { markovModel } from "../src/index.ts";

const data = Float32Array.of(0, 1, 2, 5, 4, 5, 8, 8, 8);

test("the logits after a token are its row, in a chain and in a tree", async () => {
  const sequence = await markovModel({ data, rows: 3, cols: 3 }).createSequence();
  const chain = await sequence.step({ tokens: Uint32Array.of(2, 0) }, { logits: "all" });
  expect([...chain.logits!.data]).toEqual([8, 8, 8, 0, 1, 2]);
  const tree = { tokens: Uint32Array.of(1, 2, 1), parents: Int32Array.of(-1, -1, 1) };
  const { logits } = await sequence.step(tree, { logits: "all" });
  expect([...logits!.data]).toEqual([5, 4, 5, 8, 8, 8, 5, 4, 5]);
});

test("equal logits are listed by ascending id", async () => {
  const sequence = await markovModel({ data, rows: 3, cols: 3 }).createSequence();
  const { top } = await sequence.step({ tokens: Uint32Array.of(1, 2) }, { logits: { top: 3 } });
  expect([...top!.ids]).toEqual([0, 2, 1, 0, 1, 2]);
  expect([...top!.values]).toEqual([5, 5, 4, 8, 8, 8]);
  expect(top!.logSumExp[1]).toBeCloseTo(8 + Math.log(3), 5);
});

test("knows its ending ids and its longest text, and refuses a matrix that is not square", async () => {
  const model = markovModel({ data, rows: 3, cols: 3 }, { maxLength: 2, eosIds: [1] });
  expect(model.info.eosIds).toEqual([1]);
  const sequence = await model.createSequence();
  const long = sequence.step({ tokens: new Uint32Array(3) }, { logits: "none" });
  await expect(long).rejects.toSatisfy((error) => InferenceError.is(error, "range"));
  expect(() => markovModel({ data, rows: 1, cols: 9 })).toThrow("square");
});
