import { readdir, readFile } from "node:fs/promises";

import type { Matrix } from "@frugal/core";
import {
  parseVisionConfig,
  type ReducedImage,
  type ReducedTower,
  type TokenReduction,
} from "@frugal/runtime";
import { expectClose, readSafetensors, type TensorMap } from "@frugal/testkit";
import {
  applyReduction,
  attentiveBlocks,
  type BipartiteMerge,
  clusterRows,
  earlyExit,
  followSources,
  mergeBipartite,
  mergeModulated,
  mergeSchedule,
  planBlocks,
  planSequence,
  pruneAndMerge,
  reconstructRows,
  rowSources,
  sizeBias,
  slimRows,
  TokenCanvas,
} from "@frugal/vision-tokens";
import { afterAll, describe, expect, test } from "vitest";

import { loadModel, loadVisionTower } from "../src/index.ts";
import { randomImages, type RandomVision, writeRandomVision } from "./random-vision.ts";
import { type AttendedRows, runVision, type VisionSteps } from "./reference-vision.ts";

const layers = [0, 1, 2, 3, 4];
const images = randomImages(2);
const inputs = { pixel_values: images };
const written: RandomVision[] = [];
const write = async (...args: Parameters<typeof writeRandomVision>) => {
  const vision = await writeRandomVision(...args);
  written.push(vision);
  return vision;
};
afterAll(async () => {
  for (const { remove } of written) await remove();
});
const plain = await write();

const pixelsOf = (i: number) => images.data.subarray(i * 3 * 24 * 24, (i + 1) * 3 * 24 * 24);

async function withTower<T>(
  folder: string,
  reduce: TokenReduction,
  output: string,
  use: (tower: ReducedTower) => Promise<T>,
): Promise<T> {
  const tower = await loadVisionTower(folder, { reduce, output });
  try {
    return await use(tower);
  } finally {
    await tower.dispose();
  }
}

const encodeImages = (reduce: TokenReduction, output: string, { folder } = plain) =>
  withTower(folder, reduce, output, (tower) => tower.encodeImages(inputs));

/** A reference run whose rows are merged, and what became of them after every layer. */
class Merging implements VisionSteps {
  sizes: Float32Array = new Float32Array(37).fill(1);
  keep: Uint32Array = Uint32Array.from({ length: 37 }, (_, row) => row);
  source: Int32Array = Int32Array.from(this.keep);
  readonly inside: NonNullable<VisionSteps["inside"]>;
  readonly bias: NonNullable<VisionSteps["bias"]>;

  constructor(
    merge: (
      layer: number,
      attended: Parameters<NonNullable<VisionSteps["inside"]>>[1],
      sizes: Float32Array,
    ) => BipartiteMerge & { readonly rows?: Matrix },
    proportional = true,
  ) {
    this.inside = (layer, attended) => {
      const { reduction, sizes, rows } = merge(layer, attended, this.sizes);
      this.sizes = sizes;
      this.keep = reduction.keep.map((row) => this.keep[row]!);
      this.source = followSources(this.source, rowSources(reduction));
      return rows ?? applyReduction(reduction, attended.rows);
    };
    this.bias = () => (proportional ? sizeBias(this.sizes) : null);
  }
}

/** Fails unless the graph says the same of its rows. */
function expectOrigins({ origins }: ReducedImage, { keep, source, sizes }: Merging): void {
  expect([...origins!.keep]).toEqual([...keep]);
  expect([...origins!.source]).toEqual([...source]);
  origins!.sizes.forEach((size, i) => expect(size).toBeCloseTo(sizes[i]!, 4));
}

/** Compares every hidden state, and at the end what rows stand for, with a reference run per image. */
async function compare(
  reduce: TokenReduction,
  stepsOf: () => VisionSteps,
  vision: RandomVision = plain,
): Promise<void> {
  const steps = [stepsOf(), stepsOf()];
  const expected = steps.map((step, i) =>
    runVision(vision.config, vision.tensors, pixelsOf(i), step),
  );
  for (const output of [...layers.map((layer) => `hidden.${layer}`), "hidden.final"]) {
    const results = await encodeImages(reduce, output, vision);
    for (const [i, result] of results.entries()) {
      const { hidden, final } = expected[i]!;
      const tap = output.slice("hidden.".length);
      expectClose(result.rows, tap === "final" ? final : hidden[Number(tap)]!, 1e-4);
      const step = steps[i]!;
      if (tap === "final" && step instanceof Merging) expectOrigins(result, step);
    }
  }
}

describe("the reference", () => {
  const oracles = new URL("oracles/vision-encoders/", import.meta.url);
  test.for(["vit", "clip-vision", "siglip"])("is %s of transformers", async (name) => {
    expect(await readdir(oracles)).toContain(name);
    const file = (path: string) => readFile(new URL(`${name}/${path}`, oracles));
    const config = parseVisionConfig(JSON.parse(String(await file("config.json"))));
    const { tensors } = readSafetensors(await file("model.safetensors"));
    const golden = readSafetensors(await file("golden.safetensors")).tensors;
    const pixels = golden.get("input0.pixel_values")!;
    const size = pixels.data.length / pixels.shape[0]!;
    const run = runVision(config, tensors, pixels.data.subarray(0, size), {});
    for (const [output, rows] of [
      ...run.hidden.map((state, l) => [`hidden.${l}`, state] as const),
      ["hidden.final", run.final] as const,
    ]) {
      const { data } = golden.get(`input0.${output}`)!;
      expectClose(rows, { ...rows, data: data.subarray(0, rows.data.length) }, 1e-4);
    }
  });
});

describe("tome", () => {
  const merging =
    (counts: readonly number[], proportional = true) =>
    () =>
      new Merging(
        (layer, { meanKeys }, sizes) =>
          mergeBipartite(meanKeys, counts[layer]!, { sizes, classToken: true }),
        proportional,
      );

  test.for([[8, 8, 8, 8], mergeSchedule(4, 5, -1), [0, 3, 0, 99]])(
    "merges %o",
    async (perLayer) => {
      await compare({ method: "tome", perLayer }, merging(perLayer));
    },
  );

  test("without proportional attention", async () => {
    const reduce = { method: "tome", perLayer: 6, proportional: false } as const;
    await compare(reduce, merging([6, 6, 6, 6], false));
  });

  test("of nothing changes nothing", async () => {
    const [result] = await encodeImages({ method: "tome", perLayer: 0 }, "hidden.final");
    expect(result!.origins).toBeNull();
    const { final } = runVision(plain.config, plain.tensors, pixelsOf(0), {});
    expectClose(result!.rows, final, 1e-4);
  });

  test("says of every hidden state what its own rows stand for", async () => {
    const [first] = await encodeImages({ method: "tome", perLayer: 4 }, "hidden.1");
    expect([first!.rows.rows, first!.origins!.keep.length]).toEqual([33, 33]);
    expect(first!.origins!.sizes.reduce((sum, size) => sum + size, 0)).toBe(37);
    const [entry] = await encodeImages({ method: "tome", perLayer: 4 }, "hidden.0");
    expect(entry!.origins).toBeNull();
  });

  test("joins equal rows from the lowest on", async () => {
    const equal = await write((tensors) => {
      const positions = tensors.get("embeddings.position_embeddings")!.data;
      positions.fill(0, 32);
    });
    const data = new Float32Array(3 * 24 * 24).fill(0.3);
    const uniform = { pixel_values: { data, dims: [1, 3, 24, 24] } };
    const reduce = { method: "tome", perLayer: [5, 0, 0, 0] } as const;
    const [image] = await withTower(equal.folder, reduce, "hidden.final", (tower) =>
      tower.encodeImages(uniform),
    );
    const steps = merging(reduce.perLayer)();
    const { final } = runVision(equal.config, equal.tensors, data, steps);
    expectOrigins(image!, steps);
    // Rows 2, 4, .. 10 join row 1, the first odd row.
    expect(image!.origins!.sizes[1]).toBe(6);
    // Counted by their size, equal rows that became one change nothing for any other.
    const whole = runVision(equal.config, equal.tensors, data, {});
    expectClose(image!.rows, pick(whole.final, image!.origins!.keep), 1e-4);
    expectClose(image!.rows, final, 1e-4);
  });
});

describe("pyra", () => {
  const counts = [5, 3, 0, 4];
  const trained = (tensors: TensorMap, add: (name: string, ...shape: number[]) => void) => {
    for (const [layer, count] of counts.entries()) {
      if (count === 0) continue;
      const prefix = `encoder.layer.${layer}.pyra_`;
      add(`${prefix}a`, count, 1);
      add(`${prefix}b`, 1, 32);
      add(`${prefix}norm.weight`, 32);
      add(`${prefix}norm.bias`, 32);
    }
    expect(tensors.get("encoder.layer.0.pyra_a")!.data.length).toBe(5);
  };

  test("modulates rows before it merges them", async () => {
    const vision = await write(trained);
    const of = (name: string) => vision.tensors.get(name)!.data;
    await compare(
      { method: "pyra", perLayer: counts },
      () =>
        new Merging((layer, { rows, meanKeys }, sizes) => {
          const options = { sizes, classToken: true };
          const prefix = `encoder.layer.${layer}.pyra_`;
          if (counts[layer] === 0) return mergeBipartite(meanKeys, 0, options);
          const norm = { weight: of(`${prefix}norm.weight`), bias: of(`${prefix}norm.bias`) };
          const params = { byRow: of(`${prefix}a`), byColumn: of(`${prefix}b`), norm };
          return mergeModulated(meanKeys, rows, params, options);
        }),
      vision,
    );
  });

  test("of zeros is tome, and asks for its tensors", async () => {
    const zeros = await write((tensors, add) => {
      trained(tensors, add);
      for (const [name, { data }] of tensors) if (name.endsWith("pyra_b")) data.fill(0);
    });
    const [pyra] = await encodeImages({ method: "pyra", perLayer: counts }, "hidden.final", zeros);
    const [tome] = await encodeImages({ method: "tome", perLayer: counts }, "hidden.final", zeros);
    expectClose(pyra!.rows, tome!.rows, 1e-6);
    await expect(encodeImages({ method: "pyra", perLayer: 2 }, "hidden.final")).rejects.toThrow(
      "encoder.layer.0.pyra_norm.weight: the checkpoint has no such tensor",
    );
    const other = encodeImages({ method: "pyra", perLayer: [6, 0, 0, 0] }, "hidden.final", zeros);
    await expect(other).rejects.toMatchObject({ code: "shape" });
  });
});

describe("diffrate", () => {
  const stepping = (prune: readonly number[], merge: readonly number[]) => () =>
    new Merging((layer, { rows, firstAttention }, sizes) => {
      const counts = { pruned: prune[layer]!, merged: merge[layer]! };
      return pruneAndMerge(rows, firstAttention.subarray(1), counts, sizes);
    });

  test.for([
    [
      [37, 30, 22, 9],
      [35, 26, 20, 5],
    ],
    [
      [33, 40, 20, 3],
      [30, 38, 12, 3],
    ],
    [
      [20, 20, 10, 10],
      [20, 20, 10, 10],
    ],
  ])("prunes to %o and merges to %o", async ([prune, merge]) => {
    const reduce = { method: "diffrate", prune: prune!, merge: merge! } as const;
    await compare(reduce, stepping(prune!, merge!));
  });

  test("with a full schedule is the plain encoder", async () => {
    const full = [37, 99, 37, 37];
    const reduce = { method: "diffrate", prune: full, merge: full } as const;
    const [result] = await encodeImages(reduce, "hidden.final");
    const { final } = runVision(plain.config, plain.tensors, pixelsOf(0), {});
    expectClose(result!.rows, final, 1e-4);
  });

  test("that only prunes is the same as masking what it leaves out", async () => {
    const counts = [30, 21, 21, 8];
    const reduce = { method: "diffrate", prune: counts, merge: counts } as const;
    const left: Uint32Array[] = [];
    for (const layer of layers.slice(1)) {
      const [result] = await encodeImages(reduce, `hidden.${layer}`);
      left.push(result!.origins!.keep);
    }
    const masked = runVision(plain.config, plain.tensors, pixelsOf(0), {
      bias: (layer) => (layer === 0 ? null : maskOf(left[layer - 1]!)),
    });
    const [result] = await encodeImages(reduce, "hidden.final");
    expectClose(result!.rows, pick(masked.final, left.at(-1)!), 1e-4);
  });

  test("leaves out the higher of equally important rows", async () => {
    const equal = await write((tensors) => {
      tensors.get("embeddings.position_embeddings")!.data.fill(0, 32);
    });
    const data = new Float32Array(3 * 24 * 24).fill(0.3);
    const counts = { prune: [20, 12, 12, 12], merge: [16, 12, 12, 12] };
    const reduce = { method: "diffrate", ...counts } as const;
    const [image] = await withTower(equal.folder, reduce, "hidden.1", (tower) =>
      tower.encodeImages({ pixel_values: { data, dims: [1, 3, 24, 24] } }),
    );
    const rows = (count: number) => Array.from({ length: count }, (_, row) => row);
    expect([...image!.origins!.keep]).toEqual(rows(16));
    const expected = [...rows(16), 1, 1, 1, 1, ...Array<number>(17).fill(-1)];
    expect([...image!.origins!.source]).toEqual(expected);
  });
});

describe("expedit", () => {
  test.for([
    { from: 1, to: 3, clusters: [3, 3], temperature: 0.05, neighbours: 4 },
    { from: 0, clusters: [4, 5], window: 3, iterations: 2 },
    { from: 2, to: 4, clusters: [2, 3], window: 1, iterations: 0 },
  ] as const)("clusters and reconstructs: %o", async (options) => {
    const { from, clusters, ...rest } = options;
    const {
      to = 4,
      temperature = 0.01,
      iterations = 5,
      window = 5,
      neighbours = 20,
    } = rest as Partial<Record<string, number>>;
    const steps = (): VisionSteps => {
      let patches: Matrix;
      let centres: Matrix;
      return {
        before(layer, rows) {
          if (layer === from) {
            patches = pick(rows, upTo(rows.rows).slice(1));
            const size = { rows: clusters[0], cols: clusters[1] };
            const how = { iterations, temperature, window };
            centres = clusterRows(patches, { rows: 6, cols: 6 }, size, how);
            return behindClass(rows, centres);
          }
          if (layer !== to) return rows;
          const after = pick(rows, upTo(rows.rows).slice(1));
          const how = { temperature, neighbours: Math.min(neighbours, centres.rows) };
          return behindClass(rows, reconstructRows(patches, centres, after, how));
        },
      };
    };
    await compare({ method: "expedit", ...options }, steps);
  });
});

describe("sit", () => {
  test("mixes rows by the checkpoint's weights", async () => {
    const vision = await write((_, add) => {
      for (const [i, count] of [9, 4].entries()) {
        for (const [name, ...shape] of [
          ["weight.0.weight", 32],
          ["weight.0.bias", 32],
          ["weight.1.weight", 16, 32],
          ["weight.1.bias", 16],
          ["weight.3.weight", count, 16],
          ["weight.3.bias", count],
          ["scale", 1, 1, 1],
        ] as const) {
          add(`tsm.${i}.${name}`, ...shape);
        }
      }
    });
    const of = (name: string) => vision.tensors.get(name)!;
    const linear = (name: string) => {
      const { data, shape } = of(`${name}.weight`);
      return {
        weight: { data, rows: shape[0]!, cols: shape[1]! },
        bias: of(`${name}.bias`).data,
      };
    };
    const before = [1, 3];
    await compare(
      { method: "sit", before },
      () => ({
        before(layer, rows) {
          const i = before.indexOf(layer);
          if (i < 0) return rows;
          const [weight, bias] = ["weight", "bias"].map((part) => of(`tsm.${i}.weight.0.${part}`));
          const slimmed = slimRows(pick(rows, upTo(rows.rows).slice(1)), {
            norm: { weight: weight!.data, bias: bias!.data },
            down: linear(`tsm.${i}.weight.1`),
            scores: linear(`tsm.${i}.weight.3`),
            scale: of(`tsm.${i}.scale`).data[0]!,
          });
          return behindClass(rows, slimmed);
        },
      }),
      vision,
    );
    await expect(encodeImages({ method: "sit", before: [1, 2, 3] }, "hidden.0", vision))
      .rejects //
      .toThrow("tsm.2.weight.1.weight: missing");
  });
});

describe("select", () => {
  test("lets only the given patches enter, which is the same as masking the others", async () => {
    const scores = randomImages(1, 9).data.subarray(0, 72);
    const kept = [0, 1].map((i) =>
      attentiveBlocks(scores.slice(36 * i, 36 * i + 36), { rows: 6, cols: 6 }, 0.4),
    );
    const keep = {
      data: Int32Array.from(kept.flatMap((list) => [...list])),
      dims: [2, kept[0]!.length],
    };
    const results = await withTower(plain.folder, { method: "select" }, "hidden.final", (tower) => {
      expect(tower.inputs).toEqual(["pixel_values", "keep"]);
      return tower.encodeImages({ ...inputs, keep });
    });
    for (const [i, { rows, origins }] of results.entries()) {
      const entered = Uint32Array.of(0, ...kept[i]!.map((patch) => patch + 1));
      const masked = runVision(plain.config, plain.tensors, pixelsOf(i), {
        bias: () => maskOf(entered),
      });
      expectClose(rows, pick(masked.final, entered), 1e-4);
      expect(origins).toBeNull();
    }
  });

  test("refuses lists that are none", async () => {
    await withTower(plain.folder, { method: "select" }, "hidden.final", async (tower) => {
      const given = (data: Int32Array, ...dims: number[]) =>
        tower.encode({ ...inputs, keep: { data, dims } });
      await expect(tower.encode(inputs)).rejects.toThrow("got no keep");
      await expect(given(Int32Array.of(1, 2), 1, 2)).rejects.toThrow("keep: expected [2, patches]");
      await expect(given(Int32Array.of(1, 36), 2, 1)).rejects.toThrow(
        "keep: expected ascending patches below 36, got 36 after -1",
      );
      await expect(given(Int32Array.of(3, 3, 1, 2), 2, 2)).rejects.toThrow("got 3 after 3");
    });
  });
});

describe("what selections look at", () => {
  test("keys and the attention of the class token, of a layer and of all", async () => {
    const seen: AttendedRows[] = [];
    const inside = (_: number, attended: AttendedRows) => {
      seen.push(attended);
      return attended.rows;
    };
    runVision(plain.config, plain.tensors, pixelsOf(0), { inside });
    const image = { pixel_values: { data: pixelsOf(0), dims: [1, 3, 24, 24] } };
    const encode = async (output: string) => {
      const tower = await loadVisionTower(plain.folder, { output });
      const rows = await tower.encode(image);
      await tower.dispose();
      return rows;
    };
    const attentionOf = (layer: number) => seen[layer]!.firstAttention.subarray(1);
    for (const layer of [0, 3]) {
      expectClose(await encode(`keys.${layer}`), seen[layer]!.meanKeys, 1e-4);
      const expected = { data: attentionOf(layer), rows: 1, cols: 36 };
      expectClose(await encode(`class_attention.${layer}`), expected, 1e-5);
    }
    const sums = attentionOf(0).map((_, patch) =>
      seen.reduce((sum, { firstAttention }) => sum + firstAttention[patch + 1]! / 4, 0),
    );
    const mean = await encode("class_attention");
    expectClose(mean, { data: sums, rows: 1, cols: 36 }, 1e-5);
    expect(attentiveBlocks(mean.data, { rows: 6, cols: 6 }, 0.5).length).toBe(20);
  });

  test("of merged rows count by their size", async () => {
    const reduce = { method: "tome", perLayer: 4 } as const;
    const [image] = await encodeImages(reduce, "class_attention.2");
    expect(image!.rows.cols).toBe(37 - 8 - 1);
    const seen: Float32Array[] = [];
    const steps = new Merging((_, { meanKeys, firstAttention }, sizes) => {
      seen.push(firstAttention);
      return mergeBipartite(meanKeys, 4, { sizes, classToken: true });
    });
    runVision(plain.config, plain.tensors, pixelsOf(0), steps);
    const expected = { ...image!.rows, data: seen[2]!.subarray(1) };
    expectClose(image!.rows, expected, 1e-5);
    await expect(encodeImages(reduce, "class_attention")).rejects.toMatchObject({ code: "range" });
  });
});

describe("ranges of layers", () => {
  test("one after the other are the whole, also with fewer rows in between", async () => {
    const open = (from: number, to: number) =>
      loadVisionTower(plain.folder, { layers: [from, to] });
    const stages = [await open(0, 2), await open(2, 3), await open(3, 4)] as const;
    expect(stages.map((stage) => stage.inputs)).toEqual([["pixel_values"], ["hidden"], ["hidden"]]);
    const image = { pixel_values: { data: pixelsOf(0), dims: [1, 3, 24, 24] } };
    const first = await stages[0].encode(image);
    const asInput = ({ data, rows, cols }: Matrix) => ({ hidden: { data, dims: [1, rows, cols] } });
    const whole = runVision(plain.config, plain.tensors, pixelsOf(0), {});
    const all = await stages[2].encode(asInput(await stages[1].encode(asInput(first))));
    expectClose(all, whole.final, 1e-4);

    // A head that is sure of half of the patches lets some of them go, the class token never.
    const canvas = new TokenCanvas(36, 32);
    const confidence = Float32Array.from({ length: 36 }, (_, i) => (i % 2 === 0 ? 0.95 : 0.4));
    const { exit, keep } = earlyExit(confidence, new Uint32Array(36), { keepPerClass: 4 });
    canvas.finish(pick(first, upTo(37).slice(1)), exit);
    const left = Uint32Array.of(0, ...keep.map((patch) => patch + 1));
    expect(left.length).toBe(37 - 14);
    const second = await stages[1].encode(asInput(pick(first, left)));
    const masked = runVision(plain.config, plain.tensors, pixelsOf(0), {
      bias: (layer) => (layer < 2 ? null : maskOf(left)),
    });
    expectClose(second, pick(masked.hidden[3]!, left), 1e-4);
    const last = await stages[2].encode(asInput(second));
    expectClose(last, pick(masked.final, left), 1e-4);
    const rest = pick(last, upTo(last.rows).slice(1));
    canvas.finish(rest, upTo(rest.rows));
    expect(canvas.left.length).toBe(0);
    for (const stage of stages) await stage.dispose();
  });

  test("can reduce from the first layer on, and nothing else", async () => {
    const reduce = { method: "tome", perLayer: 4 } as const;
    const half = await loadVisionTower(plain.folder, { layers: [0, 2], reduce });
    const [image] = await half.encodeImages(inputs);
    await half.dispose();
    const [whole] = await encodeImages(reduce, "hidden.2");
    expectClose(image!.rows, whole!.rows, 1e-5);
    expect(image!.origins).toEqual(whole!.origins);
    await expect(loadVisionTower(plain.folder, { layers: [1, 2], reduce })).rejects.toThrow(
      "layers: expected to begin with 0 for reduce",
    );
    await expect(loadVisionTower(plain.folder, { layers: [2, 5] })).rejects.toThrow("got [2,5]");
  });
});

describe("full models", () => {
  const oracles = new URL("oracles/vision-encoders/", import.meta.url);
  const cases = ["vit", "clip", "siglip"].flatMap((name) => [
    [name, { method: "tome", perLayer: 1 }, 3] as const,
    [name, { method: "expedit", from: 1, clusters: [2, 2] }, 0] as const,
  ]);
  const schedule = { prune: [9, 8, 6], merge: [9, 6, 4] } as const;
  test.for<readonly [string, TokenReduction, number]>([
    ...cases,
    ["vit", { method: "diffrate", ...schedule }, 6],
  ])("%s with %o has %i rows fewer", async ([name, reduce, fewer]) => {
    const golden = readSafetensors(await readFile(new URL(`${name}/golden.safetensors`, oracles)));
    const { data, shape } = golden.tensors.get("input0.pixel_values")!;
    const given = { pixel_values: { data, dims: shape } };
    const tower = await loadVisionTower(new URL(`${name}/`, oracles), { reduce });
    const [image] = await tower.encodeImages(given);
    const entered = golden.tensors.get("input0.hidden.0")!.shape[1]!;
    expect(image!.rows.data.every(Number.isFinite)).toBe(true);
    expect(image!.rows.rows).toBe(entered - fewer);
    expect(image!.origins?.keep.length ?? entered).toBe(entered - fewer);
    expect(image!.origins?.source.length ?? entered).toBe(entered);
    expect((await tower.encode(given)).rows).toBe(shape[0]! * image!.rows.rows);
    await tower.dispose();
  });

  test("without a class token have no importance", async () => {
    const loading = loadVisionTower(new URL("siglip/", oracles), {
      reduce: { method: "diffrate", ...schedule },
    });
    await expect(loading).rejects.toThrow("expected an encoder with a class token");
  });

  test("pools the class token of merged rows", async () => {
    const golden = readSafetensors(await readFile(new URL("vit/golden.safetensors", oracles)));
    const { data, shape } = golden.tensors.get("input0.pixel_values")!;
    const options = { output: "pooled", reduce: { method: "tome", perLayer: 0 } } as const;
    const tower = await loadVisionTower(new URL("vit/", oracles), options);
    const pooled = await tower.encode({ pixel_values: { data, dims: shape } });
    const expected = golden.tensors.get("input0.pooled")!.data;
    expectClose(pooled, { ...pooled, data: expected }, 1e-4);
    await tower.dispose();
    await expect(tower.encode({ pixel_values: { data, dims: shape } })).rejects.toThrow("dispose");
  });
});

describe("LLaVA", () => {
  const llava = new URL("oracles/vision-language/llava/", import.meta.url);
  const open = (reduce: TokenReduction, output?: string) =>
    loadVisionTower(llava, { reduce, ...(output !== undefined && { output }) });

  test("gives its decoder the rows that are left, and a plan their places", async () => {
    const golden = readSafetensors(await readFile(new URL("golden.safetensors", llava)));
    const { data, shape } = golden.tensors.get("input1.pixel_values")!;
    const given = { pixel_values: { data, dims: shape } };
    const none = await open({ method: "tome", perLayer: 0 });
    const all = await none.encode(given);
    expectClose(all, { ...all, data: golden.tensors.get("input1.features")!.data }, 1e-4);
    await none.dispose();

    // The projector reads what enters the last layer: what that merges does not matter.
    const reduce = { method: "tome", perLayer: [2, 1, 4] } as const;
    const [tower, encoder] = [await open(reduce), await open(reduce, "hidden.2")];
    const [image] = await tower.encodeImages(given);
    const [whole] = await encoder.encodeImages(given);
    const { keep, source, sizes } = image!.origins!;
    expect(image!.rows.rows).toBe(9 - 3);
    const before = whole!.origins!;
    expect(keep).toEqual(before.keep.slice(1).map((row) => row - 1));
    expect(source).toEqual(before.source.slice(1).map((row) => row - 1));
    expect(sizes).toEqual(before.sizes.slice(1));
    await tower.dispose();
    await encoder.dispose();

    const ids = Uint32Array.of(1, ...Array<number>(9).fill(95), 7, 8);
    const options = { placeholder: 95, positions: { kind: "linear" } } as const;
    const plan = planSequence(ids, [{ rows: 9, keep }], options);
    const model = await loadModel(llava, { inline: true });
    const sequence = await model.createSequence({ positions: "absolute" });
    let logits: Matrix | null = null;
    for (const block of planBlocks(plan, image!.rows)) {
      ({ logits } = await sequence.step(block, { logits: "last" }));
    }
    expect(sequence.length).toBe(ids.length - 3);
    expect(logits!.data.every(Number.isFinite)).toBe(true);
    await sequence.dispose();
    await model.dispose();
  });

  test("of several layers has no rows to project", async () => {
    const several = new URL("oracles/vision-language/llava-siglip/", import.meta.url);
    const loading = loadVisionTower(several, { reduce: { method: "tome", perLayer: 1 } });
    await expect(loading).rejects.toMatchObject({ code: "range" });
  });
});

test.for<[TokenReduction, string, string]>([
  [{ method: "tome", perLayer: [1, 2] }, "shape", "perLayer: expected an entry for each of 4"],
  [{ method: "tome", perLayer: -1 }, "range", "perLayer: expected an integer >= 0, got -1"],
  [{ method: "diffrate", prune: [1, 1, 1, 1], merge: [1, 1, 1, 1] }, "range", "prune: expected"],
  [
    { method: "expedit", from: 4, clusters: [2, 2] },
    "range",
    "from: expected an integer in [0, 3]",
  ],
  [{ method: "expedit", from: 1, to: 1, clusters: [2, 2] }, "range", "to: expected"],
  [{ method: "expedit", from: 1, clusters: [7, 2] }, "range", "clusters: expected"],
  [{ method: "expedit", from: 1, clusters: [2, 2], window: 4 }, "range", "window: expected an odd"],
  [{ method: "expedit", from: 1, clusters: [2, 2], temperature: 0 }, "range", "temperature"],
  [{ method: "sit", before: [2, 1] }, "range", "before: expected an integer in [3, 3], got 1"],
  [{ method: "mean" } as unknown as TokenReduction, "unsupported", 'unknown method "mean"'],
])("%o is refused: %s, %s", async ([reduce, code, part]) => {
  await expect(loadVisionTower(plain.folder, { reduce })).rejects.toMatchObject({
    code,
    message: expect.stringContaining(part) as string,
  });
});

function upTo(end: number): Uint32Array {
  return Uint32Array.from({ length: end }, (_, i) => i);
}

function pick({ data, cols }: Matrix, rows: Uint32Array): Matrix {
  const out = new Float32Array(rows.length * cols);
  for (const [i, row] of rows.entries()) {
    out.set(data.subarray(row * cols, (row + 1) * cols), i * cols);
  }
  return { data: out, rows: rows.length, cols };
}

/** Rows behind the class token's of others. */
function behindClass(from: Matrix, { data, rows, cols }: Matrix): Matrix {
  return {
    data: Float32Array.from([...from.data.subarray(0, cols), ...data]),
    rows: rows + 1,
    cols,
  };
}

/** What hides all rows but these from attention, of 37. */
function maskOf(kept: Uint32Array): Float32Array {
  const mask = new Float32Array(37).fill(-1e9);
  for (const row of kept) mask[row] = 0;
  return mask;
}
