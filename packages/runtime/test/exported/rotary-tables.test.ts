import { float16ToFloat32 } from "@frugal/core";
import { describe, expect, test } from "vitest";

import type { DecoderSignature } from "../../src/exported/decoder-signature.ts";
import { float32ToFloat16 } from "../../src/exported/float16.ts";
import { fitFrequencies, readRotaryTables } from "../../src/exported/rotary-tables.ts";
import type { GraphConstant } from "../../src/onnx/read-constant.ts";
import type { GraphNode } from "../../src/onnx/read-nodes.ts";

const rows = 2048;
const frequencies = Array.from({ length: 32 }, (_, i) => 500_000 ** (-i / 32));

/** A table over all positions of `of` the angle. */
function table(of: (angle: number) => number, turn = (row: number, f: number) => row * f) {
  const values = Float32Array.from({ length: rows * 32 }, (_, i) =>
    of(turn(Math.floor(i / 32), frequencies[i % 32]!)),
  );
  return { values, rows, cols: 32 };
}

/** The largest error of an angle anywhere in the table. */
const worst = (found: Float64Array | null): number =>
  Math.max(...frequencies.map((frequency, i) => Math.abs(found![i]! - frequency) * rows));

describe("fitFrequencies", () => {
  test("finds what the angles are multiples of", () => {
    expect(worst(fitFrequencies(table(Math.cos), table(Math.sin)))).toBeLessThan(1e-3);
    const scale = (of: (angle: number) => number) => (angle: number) => 1.3 * of(angle);
    expect(worst(fitFrequencies(table(scale(Math.cos)), table(scale(Math.sin))))).toBeLessThan(
      1e-3,
    );
  });

  test("finds it in half precision", () => {
    const half = (of: (angle: number) => number) => {
      const whole = table(of);
      const bits = new Uint16Array(whole.values.length);
      float32ToFloat16(whole.values, bits);
      float16ToFloat32(bits, whole.values);
      return whole;
    };
    expect(worst(fitFrequencies(half(Math.cos), half(Math.sin)))).toBeLessThan(5e-3);
  });

  test("says so where there is nothing of the kind", () => {
    const bent = (row: number, f: number) => f * Math.sqrt(row);
    expect(fitFrequencies(table(Math.cos, bent), table(Math.sin, bent))).toBeNull();
    const long = (row: number, f: number) => (row < 1000 ? row * f : row * f * 1.5);
    expect(fitFrequencies(table(Math.cos, long), table(Math.sin, long))).toBeNull();
    const one = { values: new Float32Array(4), rows: 1, cols: 4 };
    expect(fitFrequencies(one, one)).toBeNull();
  });
});

describe("readRotaryTables", () => {
  const signature = {
    cache: [0, 1].map((layer) => ({ name: `past.${layer}`, layer, side: "key" })),
  } as unknown as DecoderSignature;
  const node = (
    layer: number,
    ints: Record<string, number>,
    tables = ["cos", "sin"],
  ): GraphNode => ({
    type: "GroupQueryAttention",
    inputs: ["q", "k", "v", `past.${layer}`, "", "n", "t", ...tables],
    inner: [],
    outputs: ["out"],
    ints: new Map(Object.entries(ints)),
  });
  const bytes = (of: (angle: number) => number) => new Uint8Array(table(of).values.buffer);
  const constant = (name: string, data: GraphConstant["data"]): [string, GraphConstant] => [
    name,
    { name, type: 1, dims: [rows, 32], data },
  ];
  const constants = new Map([
    constant("cos", bytes(Math.cos)),
    constant("sin", { location: "model.onnx.data", offset: 7, length: rows * 128 }),
  ]);
  const read = async () => bytes(Math.sin);

  test("reads tables inside of the graph and beside it, each once", async () => {
    const nodes = [node(0, { do_rotary: 1 }), node(1, { do_rotary: 1 })];
    const found = await readRotaryTables({ nodes, constants }, signature, read);
    expect(found!.map(worst).every((error) => error < 1e-3)).toBe(true);
    expect(found![0]).toBe(found![1]);
  });

  test("tells operators that do not rotate from those that do it otherwise", async () => {
    const of = (nodes: readonly GraphNode[]) =>
      readRotaryTables({ nodes, constants }, signature, read);
    expect(await of([node(0, {}), node(1, {})])).toBeUndefined();
    expect(await of([])).toBeUndefined();
    const joint = {
      cache: [{ name: "past_0", layer: 0, side: null }],
    } as unknown as DecoderSignature;
    expect(await readRotaryTables({ nodes: [], constants }, joint, read)).toBeUndefined();
    const interleaved = { do_rotary: 1, rotary_interleaved: 1 };
    expect(await of([node(0, interleaved), node(1, interleaved)])).toBeNull();
    const computed = ["cos", "made"];
    expect(await of([0, 1].map((l) => node(l, { do_rotary: 1 }, computed)))).toBeNull();
  });
});
