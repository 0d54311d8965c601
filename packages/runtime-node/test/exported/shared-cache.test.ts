import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { LanguageModel, Matrix } from "@frugal/core";
import { expectClose, randomWeights, type ReferenceConfig, tinyConfig } from "@frugal/testkit";
import { type ExportStyle, writeExport } from "@frugal/testkit/export-decoder";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";

import { folderLayout } from "../../src/folder-layout.ts";
import { loadExported } from "../../src/load-exported.ts";
import type { OnnxLayout } from "../../src/model-layout.ts";
import type { OrtNode } from "../../src/ort-node.ts";

const config: ReferenceConfig = {
  ...tinyConfig,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  maxLength: 1024,
};
const tensors = randomWeights(config, 1);

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

type Run = (feeds: ort.InferenceSession.OnnxValueMapType, fetches: never) => Promise<never>;

/** ONNX Runtime whose sessions run through `around`. */
function ortWith(around: (run: Run) => Run): OrtNode {
  const create = async (...args: Parameters<OrtNode["InferenceSession"]["create"]>) => {
    const session = await ort.InferenceSession.create(...args);
    const run = around(session.run.bind(session) as unknown as Run);
    return new Proxy(session, {
      get: (target, name) => {
        if (name === "run") return run;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
  return { ...ort, InferenceSession: { create } } as unknown as OrtNode;
}

async function open(
  style: ExportStyle,
  genai: { readonly share?: boolean; readonly around?: (run: Run) => Run } = {},
): Promise<LanguageModel> {
  const { folder } = await writeExport(config, tensors, style);
  folders.push(folder);
  if (genai.share !== undefined) {
    const path = join(folder, "genai_config.json");
    const json = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    json["search"] = { past_present_share_buffer: genai.share };
    await writeFile(path, JSON.stringify(json));
  }
  const layout = (await folderLayout(folder, { format: "onnx" })) as OnnxLayout;
  const run = {
    device: "cpu",
    clock: () => performance.now(),
    pause: async () => {},
    chunk: 64,
  } as const;
  return loadExported(ortWith(genai.around ?? ((inner) => inner)), folder, layout, run);
}

/** A prompt, a rollback, evictions, forks and growth; logits of every step. */
async function journey(model: LanguageModel): Promise<Matrix[]> {
  const all: Matrix[] = [];
  const ids = (count: number, from: number) =>
    Uint32Array.from({ length: count }, (_, i) => (from + 7 * i) % config.vocabSize);
  const first = (count: number) => Uint32Array.from({ length: count }, (_, i) => i);
  const sequence = await model.createSequence();
  const step = async (of: typeof sequence, count: number, from: number) => {
    all.push((await of.step({ tokens: ids(count, from) }, { logits: "all" })).logits!);
  };
  await step(sequence, 200, 1);
  await step(sequence, 4, 2);
  await sequence.keep(first(202));
  await step(sequence, 1, 3);
  const fork = await sequence.fork();
  await step(sequence, 60, 4);
  await step(fork, 2, 5);
  await fork.keep(first(100).map((slot) => 2 * slot));
  await step(fork, 3, 6);
  await sequence.keep(Uint32Array.of(0, 1, 2, ...first(60).map((slot) => 203 + slot)));
  await step(sequence, 5, 7);
  // Of two chunks the first has run by the third look.
  let looks = 0;
  const signal = {
    get aborted() {
      return ++looks > 2;
    },
    reason: new Error("enough"),
  };
  const abandoned = sequence.step({ tokens: ids(90, 1) }, { logits: "none", signal });
  await expect(abandoned).rejects.toThrow("enough");
  await step(sequence, 300, 8);
  expect([sequence.length, fork.length]).toEqual([63 + 5 + 300, 103]);
  return all;
}

describe("a cache whose past and present are one buffer", () => {
  test("is what a growing one is, through rollbacks, evictions, forks and growth", async () => {
    const style = { attention: "grouped", fusedNorms: true } as const;
    const [grown, shared] = await Promise.all([open(style, { share: false }), open(style)]);
    const expected = await journey(grown);
    for (const [i, logits] of (await journey(shared)).entries()) {
      expectClose(logits, expected[i]!, 1e-4);
    }
    await Promise.all([grown.dispose(), shared.dispose()]);
  });

  test.for<[string, ExportStyle, { share?: boolean }, boolean]>([
    ["the operator writes into it", { attention: "grouped" }, {}, true],
    ["float16", { attention: "grouped", type: "float16" }, { share: true }, true],
    ["the configuration denies it", { attention: "grouped" }, { share: false }, false],
    ["rows are put behind all of the past", { attention: "concat" }, {}, false],
  ])("is used where it may be: %s", async ([, style, genai, isShared]) => {
    const written = new Set<unknown>();
    const model = await open(style, {
      ...genai,
      around: (run) => (feeds, fetches) => {
        written.clear();
        written.add((fetches as Record<string, unknown>)["present.0.key"]);
        written.add(feeds["past_key_values.0.key"]);
        return run(feeds, fetches);
      },
    });
    const sequence = await model.createSequence();
    for (let i = 0; i < 3; i++) {
      await sequence.step({ tokens: Uint32Array.of(5) }, { logits: "none" });
      expect(written.size).toBe(isShared ? 1 : 2);
    }
    await model.dispose();
  });

  test("is given up where the provider does not write into what it is given", async () => {
    const style = { attention: "grouped" } as const;
    const grown = await open(style, { share: false });
    const expected = await journey(grown);
    // As onnxruntime-web on the CPU: the results are elsewhere.
    const model = await open(style, {
      around: (run) => async (feeds, fetches) => {
        const copies = Object.fromEntries(Object.keys(fetches).map((name) => [name, null]));
        return run(feeds, copies as never);
      },
    });
    for (const [i, logits] of (await journey(model)).entries()) {
      expectClose(logits, expected[i]!, 1e-5);
    }
    await Promise.all([grown.dispose(), model.dispose()]);
  });
});

test("graphs with logits of the last row alone generate, and refuse to check drafts", async () => {
  const [pruned, whole] = await Promise.all([
    open({ attention: "grouped", lastOnly: true }),
    open({ attention: "grouped" }),
  ]);
  const tokens = Uint32Array.of(3, 1, 4, 1, 5);
  const last = async (model: LanguageModel) => {
    const sequence = await model.createSequence();
    return (await sequence.step({ tokens }, { logits: "last" })).logits!;
  };
  expectClose(await last(pruned), await last(whole), 1e-5);
  const sequence = await pruned.createSequence();
  for (const logits of ["all", { top: 2 }] as const) {
    await expect(sequence.step({ tokens }, { logits })).rejects.toMatchObject({
      code: "unsupported",
      message: "exported graph: logits: it gives those of the last row only",
    });
  }
  const { top } = await sequence.step({ tokens }, { logits: { top: 2, rows: "last" } });
  expect(top!.rows).toBe(1);
  await Promise.all([pruned.dispose(), whole.dispose()]);
});
