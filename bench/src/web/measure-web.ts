import { availableParallelism } from "node:os";
import { join } from "node:path";

import { random135M, scratch, tiny } from "../models.ts";
import { type Cell, median, type Table } from "../results.ts";
import type { Effort } from "../step-cost.ts";
import { openPage } from "./open-page.ts";
import type { Setting, Timed } from "./page/contender.ts";
import type { BenchPage, Name, PageFacts } from "./page/main.ts";
import { writeExports } from "./write-exports.ts";

/** Who takes part: Frugal, and transformers.js with either export. */
const contenders: readonly Name[] = ["frugal", "optimum", "grouped"];

/** How much is run of a model. */
interface Work {
  readonly folder: string;
  readonly name: string;
  readonly vocabSize: number;
  /** Lengths of the prompts. */
  readonly prompts: readonly number[];
  /** Tokens after a prompt. */
  readonly count: number;
  /** Before the first length is timed; they warm up the others too. */
  readonly warmUps: number;
  readonly repetitions: number;
}

/** Medians of a contender. */
interface Figures {
  /** Between two tokens. */
  readonly decodeMs: number;
  /** From the call to the first token. */
  readonly firstMs: number;
  /** How much of its texts is as transformers.js writes it, up to the first other id. */
  readonly equal: number;
}

type Side = "decode" | "prompt" | "load";
type Rows = Record<Side, Record<string, Cell>[]>;

/**
 * Frugal in a page, beside transformers.js with the same weights on the same page. All generate
 * greedily from the same ids to the same length, one after the other in changing order, and must
 * write the same, unless their products round differently: see {@link isExact}.
 */
export async function measureWeb(effort: Effort): Promise<Table[]> {
  const works = await worksOf(effort);
  const exports = join(scratch, "exports");
  for (const { folder, name } of works) await writeExports(folder, exports, name);
  const models = Object.fromEntries(works.map(({ folder, name }) => [name, folder]));
  const open = await openPage({ exports, ...models });
  const { page, facts } = open;
  try {
    if (!facts.isolated) throw new Error("page: expected cross-origin isolation");
    const rows: Rows = { decode: [], prompt: [], load: [] };
    for (const work of works) {
      for (const setting of settingsOf(work.name, facts, effort)) {
        await measureSetting(page, workOn(setting, work, facts), setting, rows);
      }
    }
    return tablesOf(rows, facts, works);
  } finally {
    await open.close();
  }
}

async function worksOf({ repetitions, large }: Effort): Promise<Work[]> {
  const small = { folder: tiny, name: "frugal-tiny", vocabSize: 4096 };
  if (!large) return [{ ...small, prompts: [16], count: 4, warmUps: 0, repetitions: 1 }];
  return [
    { ...small, prompts: [16, 512], count: 32, warmUps: 1, repetitions: Math.min(repetitions, 3) },
    {
      folder: await random135M(),
      name: "random-135m",
      vocabSize: 49_152,
      prompts: [16],
      count: 16,
      warmUps: 1,
      repetitions: Math.min(repetitions, 2),
    },
  ];
}

/** What a model runs on. A software adapter is a test of WebGPU, too slow for the large model. */
function settingsOf(model: string, { adapter }: PageFacts, { large }: Effort): Setting[] {
  // More than one even where there is one core: that threads start is part of the smoke test.
  const threads = Math.max(2, Math.min(4, availableParallelism()));
  const one = { model, device: "wasm", threads: 1 } as const;
  const several = { ...one, threads };
  if (!large) {
    return [
      { ...one, weights: "fp32" },
      { ...several, weights: "q4" },
    ];
  }
  const isFast = adapter !== null && !isSoftwareAdapter(adapter);
  const hasGpu = isFast || (adapter !== null && model === "frugal-tiny");
  const gpu = { ...one, device: "webgpu" } as const;
  const small = model === "frugal-tiny";
  const engines = [...(small ? [one] : []), several, ...(hasGpu ? [gpu] : [])];
  return (["fp32", "q4"] as const).flatMap((weights) =>
    engines.map((engine) => ({ ...engine, weights })),
  );
}

/** A software adapter gets less to do: a token takes it as long as fifty take WebAssembly. */
function workOn({ device }: Setting, work: Work, { adapter }: PageFacts): Work {
  if (device === "wasm" || adapter === null || !isSoftwareAdapter(adapter)) return work;
  return { ...work, prompts: work.prompts.slice(0, 1), count: 8, warmUps: 1, repetitions: 3 };
}

function isSoftwareAdapter(name: string): boolean {
  return /swiftshader|llvmpipe|basic render/i.test(name);
}

async function measureSetting(
  page: BenchPage,
  work: Work,
  setting: Setting,
  rows: Rows,
): Promise<void> {
  const engine = setting.device === "wasm" ? `wasm, ${setting.threads}` : setting.device;
  const what = { model: work.name, weights: setting.weights, engine };
  const load: Record<string, Cell> = { ...what };
  for (const name of contenders) {
    load[`${labels[name]} ms`] = Math.round(await page.open(name, setting));
  }
  rows.load.push(load);
  for (const [i, length] of work.prompts.entries()) {
    const figures = await measureLength(
      page,
      i === 0 ? work : { ...work, warmUps: 0 },
      length,
      isExact(setting),
    );
    const speed = (name: Name): number => (length * 1000) / figures.get(name)!.firstMs;
    const decodeMs = (name: Name): number => figures.get(name)!.decodeMs;
    const decode: Record<string, Cell> = { ...what, cached: length };
    const prompt: Record<string, Cell> = { ...what, prompt: length };
    decode["equal ids"] = figures.get("frugal")!.equal;
    for (const name of contenders) {
      decode[`${labels[name]} ms/token`] = decodeMs(name);
      prompt[`${labels[name]} tokens/s`] = speed(name);
      if (name === "frugal") continue;
      decode[`ratio to ${labels[name]}`] = decodeMs(name) / decodeMs("frugal");
      prompt[`ratio to ${labels[name]}`] = speed("frugal") / speed(name);
    }
    rows.decode.push(decode);
    rows.prompt.push(prompt);
  }
  await page.close();
}

/**
 * Whether the texts have to be the same. With blocks products round differently: in WebAssembly Frugal
 * rounds rows to 8 bits, as the graphs ask for, and ONNX Runtime's own product does not. On WebGPU the
 * two open their devices with different features.
 */
function isExact({ weights, device }: Setting): boolean {
  return weights === "fp32" && device === "wasm";
}

const labels: Readonly<Record<Name, string>> = {
  frugal: "Frugal",
  optimum: "transformers.js",
  grouped: "transformers.js, grouped",
};

async function measureLength(
  page: BenchPage,
  { name: model, vocabSize, count, warmUps, repetitions }: Work,
  length: number,
  isSame: boolean,
): Promise<ReadonlyMap<Name, Figures>> {
  const equal: number[] = [];
  const runs = new Map<Name, Timed[]>(contenders.map((name) => [name, []]));
  for (let turn = 0; turn < warmUps + repetitions; turn++) {
    // Another text each time, so that nobody has any of it already.
    const prompt = Array.from({ length }, (_, i) => (i * 7919 + turn * 31 + 17) % vocabSize);
    const texts = new Map<Name, readonly number[]>();
    for (let i = 0; i < contenders.length; i++) {
      const name = contenders[(i + turn) % contenders.length]!;
      const run = await page.generate(name, prompt, count);
      texts.set(name, run.ids);
      if (turn >= warmUps) runs.get(name)!.push(run);
    }
    const [ours, theirs] = [texts.get("frugal")!, texts.get("optimum")!];
    const other = ours.findIndex((id, i) => id !== theirs[i]);
    equal.push((other < 0 ? count : other) / count);
    const written = new Set([...texts.values()].map((ids) => ids.join(" ")));
    if (!isSame || written.size === 1) continue;
    throw new Error(
      `${model}: expected equal texts after ${length}, got ${[...written].join("; ")}`,
    );
  }
  const figures = [...runs].map(([name, timed]): [Name, Figures] => [
    name,
    {
      decodeMs: median(timed.map(({ restMs }) => restMs / (count - 1))),
      firstMs: median(timed.map(({ firstMs }) => firstMs)),
      equal: name === "frugal" ? median(equal) : 1,
    },
  ]);
  return new Map(figures);
}

function tablesOf(rows: Rows, facts: PageFacts, works: readonly Work[]): Table[] {
  const { browser, transformers, ort, adapter } = facts;
  const gpu =
    adapter === null ? "none" : adapter + (isSoftwareAdapter(adapter) ? " (software)" : "");
  const runs = works.map(
    ({ name, count, repetitions }) => `${name} ${repetitions} times ${count} tokens`,
  );
  const ratios = "A ratio above 1 means that Frugal is faster.";
  const decode = [
    `${browser}, transformers.js ${transformers}, onnxruntime-web ${ort.join(" and ")}, ` +
      `WebGPU adapter: ${gpu}.`,
    `Milliseconds between two tokens, median; ${runs.join(", ")}; a software adapter 3 times 8. ${ratios}`,
    "Frugal runs as documented, its loop on the page and its engine in a worker; transformers.js " +
      "runs as a whole in a worker. The same weights, and with fp32 in wasm the same ids asserted after every run; " +
      "elsewhere, where they round differently, the share of ids up to the first that differs.",
    '"wasm, 2" has two threads. "grouped" is an export with its attention in GroupQueryAttention; ' +
      "the other has it in single operators, as optimum writes it.",
  ];
  const prompt = [`Tokens of the prompt over the time to the first token, median. ${ratios}`];
  const load = [
    "Milliseconds once, from a server on this machine; who comes first fetches ONNX Runtime.",
  ];
  return [
    { title: "Decoding", notes: decode, rows: rows.decode },
    { title: "Prompts", notes: prompt, rows: rows.prompt },
    { title: "Loading", notes: load, rows: rows.load },
  ];
}
