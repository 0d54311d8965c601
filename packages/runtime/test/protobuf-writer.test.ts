import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { ProtobufWriter } from "../src/onnx/protobuf-writer.ts";

describe("ProtobufWriter", () => {
  // The examples of the protobuf encoding guide, and the ends of the range.
  test.for<[number, number, number[]]>([
    [1, 0, [0x08, 0x00]],
    [1, 150, [0x08, 0x96, 0x01]],
    [1, 127, [0x08, 0x7f]],
    [1, 128, [0x08, 0x80, 0x01]],
    [16, 1, [0x80, 0x01, 0x01]],
    [1, -1, [0x08, ...ones(9), 0x01]],
    [1, -2, [0x08, 0xfe, ...ones(8), 0x01]],
    [1, 2 ** 32, [0x08, 0x80, 0x80, 0x80, 0x80, 0x10]],
    [1, Number.MAX_SAFE_INTEGER, [0x08, ...ones(7), 0x0f]],
  ])("writes field %i with the integer %d", ([field, value, bytes]) => {
    expect(written((writer) => writer.int(field, value))).toEqual(bytes);
  });

  test("writes strings as UTF-8", () => {
    expect(written((writer) => writer.string(2, "testing"))).toEqual([
      0x12, 7, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67,
    ]);
    expect(written((writer) => writer.string(1, "é€😀"))).toEqual([
      0x0a, 9, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80,
    ]);
  });

  test("writes floats little-endian", () => {
    expect(written((writer) => writer.float(2, 1))).toEqual([0x15, 0, 0, 0x80, 0x3f]);
  });

  test("writes embedded messages with their length", () => {
    expect(written((writer) => writer.message(3, (inner) => inner.int(1, 150)))).toEqual([
      0x1a, 3, 0x08, 0x96, 0x01,
    ]);
    expect(written((writer) => writer.message(3, () => {}))).toEqual([0x1a, 0]);
  });

  test("keeps what it has written when it grows", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 8 }), (parts) => {
        const bytes = written((writer) => {
          for (const part of parts) writer.bytes(1, part);
        });
        const expected = parts.flatMap((part) => [0x0a, ...varint(part.length), ...part]);
        expect(bytes).toEqual(expected);
      }),
      { numRuns: 50, seed: 1 },
    );
  });
});

function written(write: (writer: ProtobufWriter) => void): number[] {
  const writer = new ProtobufWriter();
  write(writer);
  return [...writer.finish()];
}

function ones(count: number): number[] {
  return Array.from({ length: count }, () => 0xff);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}
