import { InferenceError } from "@frugal/core";

import { describeValue } from "../load/describe-value.ts";
import { duplicateKey } from "./duplicate-key.ts";

/** Bytes per element. */
const elementSize: ReadonlyMap<unknown, number> = /* @__PURE__ */ new Map([
  ["F64", 8],
  ["I64", 8],
  ["U64", 8],
  ["F32", 4],
  ["I32", 4],
  ["U32", 4],
  ["F16", 2],
  ["BF16", 2],
  ["I16", 2],
  ["U16", 2],
  ["I8", 1],
  ["U8", 1],
  ["BOOL", 1],
  ["F8_E4M3", 1],
  ["F8_E5M2", 1],
]);

/** Where a tensor lies in a safetensors file. */
export interface SafetensorsEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. */
  readonly offset: number;
  /** Length in bytes. */
  readonly length: number;
}

/** The directory of a safetensors file. */
export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format's own limit for the JSON header. */
const maxHeaderLength = 100_000_000;

/**
 * Length of the JSON header, from a file's first 8 bytes.
 *
 * @throws {@link InferenceError} `format` if the file is shorter than 8 bytes, or the length is
 *   over the format's limit of 100 MB or over the file's size.
 */
export function safetensorsHeaderLength(prefix: Uint8Array, fileSize: number): number {
  if (prefix.length < 8) {
    throw new InferenceError(
      "format",
      `safetensors: expected at least 8 bytes, got ${prefix.length}`,
    );
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, 8);
  const length = Number(view.getBigUint64(0, true));
  if (length < 2 || length > maxHeaderLength || 8 + length > fileSize) {
    throw new InferenceError(
      "format",
      `safetensors: the header claims ${length} bytes in a file of ${fileSize}`,
    );
  }
  return length;
}

/**
 * Reads the directory of a safetensors file: names, types, shapes and byte ranges.
 *
 * Checks what a hostile or truncated file could get wrong: every range lies inside the file and
 * fits its shape, ranges do not overlap and leave no gap, names are distinct, and nothing of the
 * directory is inherited from `Object.prototype`.
 *
 * @param json the header's text, without the 8 length bytes.
 * @param headerLength its length in bytes.
 * @param fileSize size of the whole file in bytes.
 * @throws {@link InferenceError} `format`, naming the tensor and the offending value.
 * @see huggingface/safetensors: README, "Format"
 */
export function parseSafetensorsHeader(
  json: string,
  headerLength: number,
  fileSize: number,
): SafetensorsHeader {
  const root = parseJson(json);
  const dataStart = 8 + headerLength;
  const tensors = new Map<string, SafetensorsEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(root)) {
    if (name === "__metadata__") metadata = readMetadata(value);
    else tensors.set(name, readEntry(name, value, dataStart, fileSize));
  }
  checkCoverage(tensors, dataStart, fileSize);
  return { tensors, metadata };
}

function parseJson(json: string): Record<string, unknown> {
  let root: unknown;
  try {
    root = JSON.parse(json);
  } catch (cause) {
    throw new InferenceError("format", `safetensors: the header is not JSON`, { cause });
  }
  if (typeof root !== "object" || root === null || Array.isArray(root)) {
    throw new InferenceError("format", "safetensors: expected the header to be an object");
  }
  const duplicate = duplicateKey(json);
  if (duplicate !== null) {
    throw new InferenceError("format", `safetensors: ${describeValue(duplicate)} appears twice`);
  }
  return root as Record<string, unknown>;
}

function readMetadata(value: unknown): Record<string, string> {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  const result: Record<string, string> = {};
  for (const [key, text] of entries) if (typeof text === "string") result[key] = text;
  return result;
}

function readEntry(
  name: string,
  value: unknown,
  dataStart: number,
  fileSize: number,
): SafetensorsEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const size = elementSize.get(dtype);
  if (typeof dtype !== "string" || size === undefined) {
    throw new InferenceError("format", `safetensors: ${name}: bad dtype ${describeValue(dtype)}`);
  }
  if (!isCounts(shape)) {
    throw new InferenceError("format", `safetensors: ${name}: bad shape ${describeValue(shape)}`);
  }
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw new InferenceError(
      "format",
      `safetensors: ${name}: bad data_offsets ${describeValue(offsets)}`,
    );
  }
  const [begin, end] = offsets as [number, number];
  const expected = shape.reduce((product, dim) => product * dim, size);
  if (end - begin !== expected) {
    throw new InferenceError(
      "format",
      `safetensors: ${name}: ${describeValue(shape)} of ${dtype} needs ${expected} bytes, ` +
        `data_offsets give ${end - begin}`,
    );
  }
  if (dataStart + end > fileSize) {
    throw new InferenceError(
      "format",
      `safetensors: ${name}: ends at byte ${dataStart + end} of a file of ${fileSize}: truncated?`,
    );
  }
  return { dtype, shape, offset: dataStart + begin, length: expected };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** Every byte of the data belongs to exactly one tensor, as the format demands. */
function checkCoverage(
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  dataStart: number,
  fileSize: number,
): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  let end = dataStart;
  for (const [name, entry] of sorted) {
    if (entry.offset !== end) {
      const what = entry.offset < end ? "overlaps the tensor before it" : "leaves a gap before it";
      throw new InferenceError("format", `safetensors: ${name}: ${what} at byte ${entry.offset}`);
    }
    end += entry.length;
  }
  if (end !== fileSize) {
    throw new InferenceError(
      "format",
      `safetensors: ${fileSize - end} bytes of the file belong to no tensor`,
    );
  }
}
