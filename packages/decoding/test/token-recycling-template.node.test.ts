import { existsSync, readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { recyclingTemplate } from "../src/index.ts";

const vectors = new URL("../../../../shared/data/vectors/draft-trees.json", import.meta.url);

test("the published template is the published one", (context) => {
  context.skip(!existsSync(vectors), "the folder of test vectors is not there");
  const published = JSON.parse(readFileSync(vectors, "utf8")) as Record<string, number[][]>;
  const names = (paths: readonly (readonly number[])[]): string[] =>
    paths.map((path) => path.join()).toSorted((a, b) => (a < b ? -1 : 1));
  expect(names(recyclingTemplate())).toEqual(names(published["token_recycling.2.2.2"]!));
});
