import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceError } from "@frugal/core";
import { expect, test } from "vitest";
import { parseGgufMetadata, readGgufFile } from "../src/cli/gguf-file.ts";
import { writeGguf } from "./gguf-writer.ts";

const every = writeGguf({
  u8: [0, 255],
  i8: [1, -1],
  u16: [2, 65_535],
  i16: [3, -2],
  u32: [4, 4_294_967_295],
  i32: [5, -3],
  f32: [6, 0.5],
  bool: [7, 1],
  string: [8, "é😀"],
  strings: [9, [8, ["", "a"]]],
  integers: [9, [5, [1, -1]]],
  u64: [10, 2n ** 63n],
  i64: [11, -4n],
  f64: [12, 0.1],
});

test("reads values of every type", () => {
  expect(parseGgufMetadata(every, "file")).toEqual(
    new Map<string, unknown>([
      ["u8", 255],
      ["i8", -1],
      ["u16", 65_535],
      ["i16", -2],
      ["u32", 4_294_967_295],
      ["i32", -3],
      ["f32", 0.5],
      ["bool", true],
      ["string", "é😀"],
      ["strings", ["", "a"]],
      ["integers", [1, -1]],
      ["u64", 2n ** 63n],
      ["i64", -4n],
      ["f64", 0.1],
    ]),
  );
});

test("asks for more of a file that is cut anywhere", () => {
  for (let length = 0; length < every.length; length++) {
    expect(parseGgufMetadata(every.subarray(0, length), "file")).toBeNull();
  }
});

test("takes any bytes, or refuses them", () => {
  for (let at = 0; at < every.length; at++) {
    for (const byte of [0, 1, 9, 127, 255]) {
      const damaged = every.slice();
      damaged[at] = byte;
      expect(isHandled(damaged)).toBe(true);
    }
  }
});

/** Whether bytes are read, asked for more of, or refused as they should be. */
function isHandled(bytes: Uint8Array): boolean {
  try {
    const metadata = parseGgufMetadata(bytes, "file");
    return metadata === null || metadata instanceof Map;
  } catch (error) {
    return InferenceError.is(error);
  }
}

test.each([
  ["another file", new TextEncoder().encode("{}{}{}"), 'the mark GGUF, got "{}{}"'],
  ["version 1", writeGguf({}, 1), "GGUF of version 2 or 3, got 1"],
  ["an unknown type", every.map((byte, at) => (at === 34 ? 77 : byte)), "a type of value, got 77"],
  ["arrays of arrays", writeGguf({ a: [9, [9, [[8, ["x"]]]]] }), "a type of value, got 9"],
])("refuses %s", (_, bytes, message) => {
  expect(() => parseGgufMetadata(bytes, "file")).toThrow(message);
});

test("reads no more of a file than its metadata need, however long it is", async () => {
  const folder = await mkdtemp(join(tmpdir(), "frugal-gguf-"));
  try {
    const path = join(folder, "model.gguf");
    const long = "x".repeat(3_000_000);
    await writeFile(path, writeGguf({ long: [8, long], last: [4, 7] }));
    // A hole in place of the weights: more than memory holds.
    await truncate(path, 2 ** 40);
    expect(await readGgufFile(path)).toEqual(
      new Map<string, unknown>([
        ["long", long],
        ["last", 7],
      ]),
    );
    await truncate(path, 2_000_000);
    await expect(readGgufFile(path)).rejects.toThrow("got a file cut short");
  } finally {
    await rm(folder, { recursive: true });
  }
});
