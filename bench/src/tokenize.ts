import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { createTokenizer, StreamEncoder } from "@frugal/tokenizers";
import { Tokenizer as Native } from "tokenizers";

import { tiny } from "./models.ts";
import { median, type Table } from "./results.ts";
import type { Effort } from "./step-cost.ts";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));
const fixtures = fileURLToPath(
  new URL("../../packages/tokenizers/test/fixtures/", import.meta.url),
);

/** Megabytes of text per second, beside the reference implementation's native package. */
export async function measureTokenize(effort: Effort): Promise<Table[]> {
  const json = await readFile(join(tiny, "tokenizer.json"), "utf8");
  const rows = [];
  for (const [name, text] of await readTexts()) rows.push(await measure(json, name, text, effort));
  const notes = [
    "Megabytes of UTF-8 per second, median; ids alone, the same for all; tokenizer of frugal-tiny.",
    "`first`: by a tokenizer that has seen no text; `again`: by one that has seen this one.",
    "`stream`: by a `StreamEncoder` in pieces of 64 characters. `native`: npm `tokenizers`.",
  ];
  return [{ title: "Encode", notes, rows }];
}

/** English with code, and sentences in fourteen languages. */
export async function readTexts(): Promise<[string, string][]> {
  const files = (await readdir(docs, { recursive: true })).filter((name) => name.endsWith(".md"));
  const pages = await Promise.all(files.sort().map((name) => readFile(join(docs, name), "utf8")));
  const { training } = JSON.parse(await readFile(join(fixtures, "texts.json"), "utf8")) as {
    readonly training: readonly string[];
  };
  return [
    ["docs/*.md", pages.join("\n")],
    ["many languages", training.join("\n")],
  ];
}

async function measure(
  json: string,
  name: string,
  text: string,
  { repetitions }: Effort,
): Promise<Table["rows"][number]> {
  const bytes = Buffer.byteLength(text);
  const native = Native.fromString(json);
  const options = { addSpecialTokens: false };
  const warm = createTokenizer(json);
  const expected = (await native.encode(text, null, options)).getIds();
  const sides: Readonly<Record<string, () => unknown>> = {
    again: () => warm.encode(text, options).ids,
    stream: () => {
      const encoder = new StreamEncoder(warm, options);
      for (let i = 0; i < text.length; i += 64) encoder.push(text.slice(i, i + 64));
      return encoder.flush();
    },
    native: async () => (await native.encode(text, null, options)).getIds(),
  };
  const speeds: Record<string, number[]> = { first: [], again: [], stream: [], native: [] };
  for (let i = -1; i < Math.min(15, repetitions); i++) {
    const cold = createTokenizer(json);
    for (const [side, work] of [
      ["first", () => cold.encode(text, options).ids] as const,
      ...Object.entries(sides),
    ]) {
      const start = performance.now();
      await work();
      const seconds = (performance.now() - start) / 1000;
      if (i >= 0) speeds[side]!.push(bytes / 1e6 / seconds);
    }
  }
  if (warm.encode(text, options).ids.join() !== expected.join()) {
    throw new Error(`${name}: other ids than the native package`);
  }
  const medians = Object.fromEntries(
    Object.entries(speeds).map(([side, values]) => [side, median(values)]),
  );
  return { text: name, kB: Math.round(bytes / 1000), tokens: expected.length, ...medians };
}
