import { InferenceError } from "@frugal/core";
import { randomWeights, tinyConfig, writeSafetensors } from "@frugal/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { readSafetensors } from "../src/index.ts";
import { safetensorsPrefix } from "../src/weights/write-safetensors.ts";
import { MemoryFiles } from "./memory-files.ts";

const read = (bytes: Uint8Array) => readSafetensors(new MemoryFiles({ f: bytes }), "f");

/** A file with the given header and number of data bytes. */
function file(header: unknown, dataLength = 0): Uint8Array {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const json = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + json.length + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const tensor = (dtype: unknown, shape: unknown, ...offsets: unknown[]) => ({
  dtype,
  shape,
  data_offsets: offsets,
});

describe("readSafetensors", () => {
  test("finds types, shapes and bytes", async () => {
    const header = {
      __metadata__: { format: "pt" },
      "model.norm": tensor("F32", [2], 6, 14),
      embed: tensor("BF16", [1, 3], 0, 6),
      empty: tensor("I64", [0, 7], 14, 14),
      scalar: tensor("U8", [], 14, 15),
    };
    const start = 8 + JSON.stringify(header).length;
    const { tensors, metadata } = await read(file(header, 15));
    expect(Object.fromEntries(tensors)).toEqual({
      "model.norm": { dtype: "F32", shape: [2], offset: start + 6, length: 8 },
      embed: { dtype: "BF16", shape: [1, 3], offset: start, length: 6 },
      empty: { dtype: "I64", shape: [0, 7], offset: start + 14, length: 0 },
      scalar: { dtype: "U8", shape: [], offset: start + 14, length: 1 },
    });
    expect(metadata).toEqual({ format: "pt" });
  });

  test("reads a file without tensors", async () => {
    expect((await read(file({}))).tensors.size).toBe(0);
  });

  test("takes names as they are, those of Object.prototype too", async () => {
    const entry = JSON.stringify(tensor("U8", [1], 0, 1));
    const { tensors } = await read(file(`{"__proto__":${entry}}`, 1));
    expect([...tensors.keys()]).toEqual(["__proto__"]);
    expect(tensors.get("constructor")).toBeUndefined();
    const { metadata } = await read(file('{"__metadata__":{"__proto__":"x","a":1,"b":"y"}}'));
    expect(metadata).toEqual({ b: "y" });
    expect(({} as Record<string, unknown>)["b"]).toBeUndefined();
  });

  const one = (dtype: unknown, shape: unknown, ...offsets: unknown[]) =>
    file({ "bad.one": tensor(dtype, shape, ...offsets) }, 4);
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const raw = (fields: string) => file(`{"bad.one":{${fields}}}`, 4);

  test.for<[string, Uint8Array, string]>([
    ["an empty file", new Uint8Array(), "at least 8 bytes, got 0"],
    ["seven bytes", new Uint8Array(7), "at least 8 bytes, got 7"],
    ["a header of no bytes", new Uint8Array(8), "claims 0 bytes"],
    ["a header longer than the file", file({}).with(0, 3), "claims 3 bytes in a file of 10"],
    ["a header over the format's limit", file({}).with(4, 1), `claims ${2 ** 32 + 2} bytes`],
    ["the longest header", new Uint8Array(8).fill(255), "claims 18446744073709552000 bytes"],
    ["no JSON", file("{]"), "not JSON"],
    ["JSON that ends early", file('{"a":'), "not JSON"],
    ["invalid UTF-8", file("{}").with(8, 0xff), "not UTF-8"],
    ["an array", file("[]"), "to be an object"],
    ["null", file("null"), "to be an object"],
    ["a number", file("17"), "to be an object"],
    ["an entry that is null", file('{"bad.one":null}'), "bad.one: bad dtype undefined"],
    ["an entry that is text", file('{"bad.one":"x"}'), "bad.one: bad dtype undefined"],
    ["an unknown type", one("F31", [1], 0, 4), 'bad.one: bad dtype "F31"'],
    ["a type of Object.prototype", one("constructor", [1], 0, 4), 'bad dtype "constructor"'],
    ["a type that is an object", one({ toString: 1 }, [1], 0, 4), "bad dtype an object"],
    ["a negative dimension", one("F32", [-1], 0, 4), "bad.one: bad shape [-1]"],
    ["a fractional dimension", one("F32", [0.5], 0, 4), "bad shape [0.5]"],
    ["a dimension that is no number", one("F32", ["1"], 0, 4), 'bad shape ["1"]'],
    ["a dimension that is null", raw('"dtype":"F32","shape":[null]'), "bad shape [null]"],
    ["a dimension past every integer", raw('"dtype":"F32","shape":[1e999]'), "[Infinity]"],
    ["a dimension past the safe integers", one("F32", [2 ** 53], 0, 4), "bad shape"],
    ["no shape", raw('"dtype":"F32"'), "bad shape undefined"],
    ["a shape nested without end", raw(`"dtype":"F32","shape":${deep}`), "bad shape [[[[...]]]]"],
    ["a size past the safe integers", one("F32", [2 ** 30, 2 ** 30], 0, 4), "data_offsets give 4"],
    ["a size that wraps to zero", one("U8", [2 ** 32, 2 ** 32], 0, 0), "data_offsets give 0"],
    ["a size past every number", one("F64", Array(40).fill(2 ** 50), 0, 4), "needs Infinity"],
    ["a size that is not a number", one("F64", [...Array(40).fill(2 ** 50), 0], 0, 0), "NaN"],
    ["too few bytes", one("F32", [2], 0, 4), "[2] of F32 needs 8 bytes, data_offsets give 4"],
    ["too many bytes", one("F32", [1], 0, 5), "needs 4 bytes, data_offsets give 5"],
    ["an end before the begin", one("F32", [1], 4, 0), "data_offsets give -4"],
    ["a negative begin", one("F32", [1], -4, 0), "bad data_offsets [-4, 0]"],
    ["one offset", one("F32", [1], 0), "bad data_offsets [0]"],
    ["three offsets", one("F32", [1], 0, 4, 8), "bad data_offsets [0, 4, 8]"],
    ["offsets that are no array", raw('"dtype":"U8","shape":[],"data_offsets":7'), "offsets 7"],
    ["an end beyond the file", one("F32", [2], 0, 8), "truncated?"],
    ["a range far beyond the file", one("F32", [1], 2 ** 52, 2 ** 52 + 4), "truncated?"],
    ["bytes of no tensor at the end", one("F16", [1], 0, 2), "2 bytes of the file belong to no"],
    ["bytes of no tensor at the start", one("F16", [1], 2, 4), "bad.one: leaves a gap"],
    [
      "two tensors over each other",
      file({ a: tensor("F16", [2], 0, 4), "bad.one": tensor("F16", [1], 2, 4) }, 4),
      "bad.one: overlaps",
    ],
    [
      "the same bytes twice",
      file({ a: tensor("F32", [1], 0, 4), b: tensor("F32", [1], 0, 4) }, 4),
      "b: overlaps",
    ],
    ["a name twice", file('{"a":{"x":{"a":"\\\\"}},"b" : 1, "\\u0061" :{}}'), '"a" appears twice'],
  ])("refuses %s", async ([, bytes, message]) => {
    const start = Date.now();
    const error = await read(bytes).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "InferenceError", code: "format" });
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).toMatch(/^f: /);
    expect((error as Error).message.length).toBeLessThan(300);
    expect(Date.now() - start).toBeLessThan(5000);
  });

  test("refuses a file that is missing or shorter than it says", async () => {
    const error = { name: "InferenceError", code: "format" };
    await expect(readSafetensors(new MemoryFiles({}), "f")).rejects.toMatchObject(error);
    const whole = writeSafetensors(randomWeights(tinyConfig, 1));
    for (const length of [0, 7, 8, 9, 100, 2000, whole.length - 1]) {
      await expect(read(whole.subarray(0, length))).rejects.toMatchObject(error);
    }
  });

  test("gives an InferenceError or a directory for any damage", async () => {
    const whole = writeSafetensors(new Map([...randomWeights(tinyConfig, 1)].slice(0, 3)));
    const damage = fc.array(fc.tuple(fc.nat(420), fc.nat(255)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(damage, async (changes) => {
        const bytes = whole.slice();
        for (const [at, value] of changes) bytes[at] = value;
        await expectDirectoryOrError(bytes);
      }),
      { numRuns: 1500, seed: 1 },
    );
  });

  test("gives an InferenceError or a directory for any JSON", async () => {
    const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 4, 8, 2 ** 53));
    const entry = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          dtype: fc.oneof(fc.constantFrom("F32", "U8", "toString"), fc.jsonValue()),
          shape: fc.oneof(fc.array(number), fc.jsonValue()),
          data_offsets: fc.oneof(fc.array(number), fc.jsonValue()),
        },
        { requiredKeys: [] },
      ),
    );
    const header = fc.oneof(fc.jsonValue(), fc.dictionary(fc.string(), entry));
    await fc.assert(
      fc.asyncProperty(header, fc.nat(64), (value, size) =>
        expectDirectoryOrError(file(value, size)),
      ),
      { numRuns: 1500, seed: 1 },
    );
  });
});

async function expectDirectoryOrError(bytes: Uint8Array): Promise<void> {
  try {
    const { tensors } = await read(bytes);
    for (const { offset, length } of tensors.values()) {
      expect(offset + length).toBeLessThanOrEqual(bytes.length);
    }
  } catch (error) {
    if (!InferenceError.is(error, "format")) throw error;
  }
}

describe("safetensorsPrefix", () => {
  test("writes what the reader finds, aligned, for any names", { timeout: 30_000 }, async () => {
    const names = fc.uniqueArray(fc.string({ unit: "binary" }), { maxLength: 5 });
    const tensors = names.chain((list) =>
      fc.tuple(
        ...list
          .filter((name) => name !== "__metadata__" && name !== "__proto__")
          .map((name) =>
            fc.record({
              name: fc.constant(name),
              dtype: fc.constantFrom("F32", "F16", "BF16", "U8"),
              shape: fc.array(fc.nat(4), { maxLength: 3 }),
            }),
          ),
      ),
    );
    const size = { F32: 4, F16: 2, BF16: 2, U8: 1 };
    await fc.assert(
      fc.asyncProperty(tensors, fc.string(), async (list, note) => {
        const planned = list.map((entry) => ({
          ...entry,
          length: entry.shape.reduce((product, dim) => product * dim, size[entry.dtype]),
        }));
        const prefix = safetensorsPrefix(planned, { note });
        expect(prefix.length % 64).toBe(0);
        const total = planned.reduce((sum, { length }) => sum + length, prefix.length);
        const whole = new Uint8Array(total);
        whole.set(prefix);
        const header = await read(whole);
        expect(header.metadata).toEqual({ note });
        expect(new Set(header.tensors.keys())).toEqual(new Set(planned.map(({ name }) => name)));
        let at = prefix.length;
        for (const { name, dtype, shape, length } of planned) {
          expect(header.tensors.get(name)).toEqual({ dtype, shape, offset: at, length });
          at += length;
        }
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});
