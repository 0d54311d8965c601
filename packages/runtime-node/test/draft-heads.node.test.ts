import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { InferenceError, type Matrix, type Sequence, type StepOptions } from "@frugal/core";
import { expectClose, rowsOf } from "@frugal/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { loadDraftHead, type LoadedDraftHead } from "../src/index.ts";

interface Stored {
  readonly dtype: "F32" | "I64";
  readonly shape: number[];
  readonly data: string;
}

interface Oracle {
  readonly config: object;
  readonly target: Record<string, Stored>;
  readonly tokens: number[];
  readonly cases: Record<
    LoadedDraftHead["kind"],
    {
      readonly config: Record<string, unknown>;
      readonly weights: Record<string, Stored>;
      readonly features: Stored[];
      readonly states: Stored;
      readonly logits: Stored;
    }
  >;
}

const matrixOf = ({ shape, data }: Stored): Matrix => {
  const bytes = Uint8Array.from(Buffer.from(data, "base64"));
  return { data: new Float32Array(bytes.buffer), rows: shape[0]!, cols: shape[1]! };
};

/** A safetensors file, integers included. */
function safetensors(tensors: Record<string, Stored>): Uint8Array {
  let end = 0;
  const blobs = Object.values(tensors).map(({ data }) => Buffer.from(data, "base64"));
  const entries = Object.entries(tensors).map(([name, { dtype, shape }], i) => {
    const begin = end;
    end += blobs[i]!.length;
    return [name, { dtype, shape, data_offsets: [begin, end] }];
  });
  const json = JSON.stringify(Object.fromEntries(entries));
  const header = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, ...blobs]);
}

let oracle: Oracle;
let root: string;
const folder = (name: string): string => join(root, name);

async function write(name: string, config: object, tensors: Record<string, Stored>): Promise<void> {
  await mkdir(folder(name), { recursive: true });
  await writeFile(join(folder(name), "config.json"), JSON.stringify(config));
  await writeFile(join(folder(name), "model.safetensors"), safetensors(tensors));
}

beforeAll(async () => {
  const file = new URL("oracles/draft-heads.json", import.meta.url);
  oracle = JSON.parse(await readFile(file, "utf8")) as Oracle;
  root = await mkdtemp(join(tmpdir(), "frugal-heads-"));
  await write("target", oracle.config, oracle.target);
  for (const [kind, { config, weights }] of Object.entries(oracle.cases)) {
    // The module for multi-token prediction lies among the target's own tensors.
    await write(kind, config, kind === "mtp" ? { ...oracle.target, ...weights } : weights);
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

const isCode = (code: string) =>
  expect.toSatisfy((error: unknown) => InferenceError.is(error, code as "shape"));

describe.for(["eagle", "eagle3", "mtp"] as const)("%s", (kind) => {
  let sequence: Sequence;
  let features: Matrix[];
  let tokens: Uint32Array;
  let states: Matrix;
  let logits: Matrix;
  beforeAll(async () => {
    const head = await loadDraftHead(folder(kind), folder(kind === "mtp" ? kind : "target"));
    if (head.kind !== kind) throw new Error(`expected ${kind}, got ${head.kind}`);
    const { model } = head;
    sequence = await model.createSequence();
    const stored = oracle.cases[kind];
    features = stored.features.map(matrixOf);
    tokens = Uint32Array.from(oracle.tokens);
    states = matrixOf(stored.states);
    logits = spread(matrixOf(stored.logits), stored.weights["d2t"]);
    return () => model.dispose();
  });

  const all: StepOptions = { logits: "all", taps: [1] };
  const empty = (): Promise<void> => sequence.keep(new Uint32Array(0));

  /** Logits of the target's whole vocabulary. */
  const spread = (full: Matrix, table: Stored | undefined): Matrix => {
    if (table === undefined) return full;
    const offsets = new BigInt64Array(Uint8Array.from(Buffer.from(table.data, "base64")).buffer);
    const wide = { data: new Float32Array(full.rows * 32).fill(-1e9), rows: full.rows, cols: 32 };
    for (const [i, value] of full.data.entries()) {
      const [row, id] = [Math.floor(i / full.cols), i % full.cols];
      wide.data[row * 32 + id + Number(offsets[id])] = value;
    }
    return wide;
  };
  const finite = (matrix: Matrix): Matrix => ({
    ...matrix,
    data: matrix.data.map((value) => (value === -Infinity ? -1e9 : value)),
  });

  test("says what the reference says, of the target's states and of its own", async () => {
    expect(sequence.info.reads).toEqual(kind === "eagle3" ? [2, 4, 5] : ["final"]);
    await empty();
    const output = await sequence.step({ tokens: tokens.subarray(0, 5), features }, all);
    expectClose(output.taps[0]!, rowsOf(states, 0, 5), 2e-4);
    expectClose(finite(output.logits!), rowsOf(logits, 0, 5), 2e-4);
    const own = [rowsOf(output.taps[0]!, 4)];
    const next = await sequence.step({ tokens: tokens.subarray(5), features: own }, all);
    expectClose(next.taps[0]!, rowsOf(states, 5), 2e-4);
    expectClose(finite(next.logits!), rowsOf(logits, 5), 2e-4);
  });

  test("says the same row by row, in a tree, and in few logits", async () => {
    await empty();
    const row = (i: number) => features.map((tap) => rowsOf(tap, i));
    for (let i = 0; i < 5; i++) {
      const block = { tokens: tokens.subarray(i, i + 1), features: row(i) };
      const { taps } = await sequence.step(block, { ...all, tapRows: "last" });
      expectClose(taps[0]!, rowsOf(states, i), 2e-4);
    }
    const twice = rowsOf(states, 4).data;
    const own = [{ data: Float32Array.of(...twice, ...twice), rows: 2, cols: 16 }];
    const block = { tokens: Uint32Array.of(1, tokens[5]!), features: own };
    const parents = Int32Array.of(-1, -1);
    const { top } = await sequence.step({ ...block, parents }, { logits: { top: 64 } });
    const k = kind === "eagle3" ? 12 : 32;
    expect([top!.rows, top!.k]).toEqual([2, k]);
    for (let i = k; i < 2 * k; i++) {
      expect(top!.values[i]).toBeCloseTo(logits.data[5 * 32 + top!.ids[i]!]!, 3);
    }
  });

  test("refuses rows without features, or with wrong ones", async () => {
    await empty();
    const block = { tokens: tokens.subarray(0, 5) };
    const narrow = features.map(({ data }) => ({ data: data.subarray(16), rows: 4, cols: 16 }));
    for (const wrong of [undefined, [], narrow, [...features, ...features]]) {
      const given = wrong && { features: wrong };
      await expect(sequence.step({ ...block, ...given }, all)).rejects.toEqual(isCode("shape"));
      expect(sequence.length).toBe(0);
    }
  });
});

describe("medusa", () => {
  test("says what the reference says, with heads and blocks of their own", async () => {
    const loaded = await loadDraftHead(folder("medusa"), folder("target"));
    if (loaded.kind !== "medusa") throw new Error("expected heads");
    const { heads } = loaded;
    expect([heads.count, heads.hiddenSize, heads.vocabSize]).toEqual([2, 16, 32]);
    const { features, logits } = oracle.cases.medusa;
    const state = rowsOf(matrixOf(features[0]!), 4).data;
    const { top } = await heads.guess(state, 100);
    expect([top.rows, top.k]).toEqual([2, 32]);
    const expected = matrixOf(logits);
    for (const [i, id] of top.ids.entries()) {
      expect(top.values[i]).toBeCloseTo(expected.data[Math.floor(i / 32) * 32 + id]!, 4);
    }
    await expect(heads.guess(state.subarray(1), 2)).rejects.toEqual(isCode("shape"));
    await expect(heads.guess(state, 0)).rejects.toEqual(isCode("range"));
    await heads.dispose();
    await expect(heads.guess(state, 1)).rejects.toEqual(isCode("state"));
  });

  test("takes the target's head where it has none, and no more heads than there are", async () => {
    const { config, weights } = oracle.cases.medusa;
    const blocks = Object.entries(weights).filter(([name]) => name.includes("linear"));
    await write("shared", { medusa_num_layers: 2 }, Object.fromEntries(blocks));
    const loaded = await loadDraftHead(folder("shared"), folder("target"));
    expect(loaded.kind === "medusa" && loaded.heads.count).toBe(2);
    await write("many", { ...config, medusa_num_heads: 3 }, weights);
    await expect(loadDraftHead(folder("many"), folder("target"))).rejects.toEqual(isCode("format"));
  });
});

describe("a head is refused", () => {
  test("if it is none, or that of another target", async () => {
    const { config, weights } = oracle.cases.eagle;
    await expect(loadDraftHead(folder("target"), folder("target"))).rejects.toEqual(
      isCode("format"),
    );
    for (const [field, value, code] of [
      ["vocab_size", 31, "shape"],
      ["hidden_size", 32, "shape"],
      ["num_hidden_layers", 2, "unsupported"],
      ["rms_norm_eps", -1, "format"],
    ] as const) {
      await write("other", { ...config, [field]: value }, weights);
      await expect(loadDraftHead(folder("other"), folder("target"))).rejects.toEqual(isCode(code));
    }
    const { "fc.weight": _, ...without } = weights;
    await write("other", config, without);
    await expect(loadDraftHead(folder("other"), folder("target"))).rejects.toEqual(
      isCode("format"),
    );
  });

  test("if its vocabulary leads out of the target's", async () => {
    const { config, weights } = oracle.cases.eagle3;
    const table = new BigInt64Array(12).fill(25n);
    const d2t = { dtype: "I64", shape: [12], data: Buffer.from(table.buffer).toString("base64") };
    await write("other", config, { ...weights, d2t: d2t as Stored });
    await expect(loadDraftHead(folder("other"), folder("target"))).rejects.toThrow(
      "d2t[7]: expected an id in [32, 32), got 32",
    );
  });
});
