import { InferenceError, type Matrix } from "@frugal/core";

import { matrixOf } from "../exported/exported-outputs.ts";
import { type EncoderInput, tensorOf, type VisionEncoder } from "../exported/vision-encoder.ts";
import type { VisionConfig } from "../load/vision-config.ts";
import type { InferenceSession, Ort, Tensor } from "../onnx/ort.ts";
import { runSession } from "../onnx/run-session.ts";
import { checkImages, checkNames } from "./vision-tower.ts";

/** What the rows of an image stand for, after some were merged or left out. */
export interface RowOrigins {
  /** The row at the entry whose place each row has, ascending: `keep` of a sequence plan. */
  readonly keep: Uint32Array;
  /** The row that each row of the entry went into; -1: none. */
  readonly source: Int32Array;
  /** How many rows each one counts as in attention. */
  readonly sizes: Float32Array;
}

/** What an encoder makes of one image. */
export interface ReducedImage {
  readonly rows: Matrix;
  /**
   * Null where every row is there, where rows are mixtures of all, or where the caller chose them. Of
   * `features` without a class token they count patches; else the class token is row 0. Of `pooled`
   * they are those of the rows that were pooled.
   */
  readonly origins: RowOrigins | null;
}

/** A {@link VisionEncoder} whose rows become fewer on the way. */
export interface ReducedTower extends VisionEncoder {
  /** The rows of each image by itself, and what they stand for. Inputs and errors as of `encode`. */
  encodeImages(inputs: Readonly<Record<string, EncoderInput>>): Promise<readonly ReducedImage[]>;
}

/**
 * A {@link ReducedTower} over a graph of `buildVisionEncoder` with `reduce`. Owns the session.
 *
 * Inputs: `pixel_values` `[n, channels, height, width]`; with `reduce: { method: "select" }` also
 * `keep` `[n, patches]`, those that enter the layers, ascending.
 *
 * @param output what rows are read from; default the graph's first output
 */
export function createReducedTower(
  ort: Ort,
  session: InferenceSession,
  config: VisionConfig,
  output: string = session.outputNames[0]!,
): ReducedTower {
  const inputs = [...session.inputNames];
  const reads = ["keep", "source", "sizes"].every((name) => session.outputNames.includes(name));
  const wanted = reads ? [output, "keep", "source", "sizes"] : [output];
  const patchesOnly = output === "features" && (config.projector?.patchesOnly ?? false);
  let disposed: Promise<void> | null = null;

  const run = async (
    given: Readonly<Record<string, EncoderInput>>,
  ): Promise<Record<string, Tensor>> => {
    if (disposed !== null) throw new InferenceError("state", "encoder: used after dispose");
    checkNames(given, inputs, inputs.length);
    checkImages(given["pixel_values"]!, [config.channels, ...config.imageSize!]);
    const images = given["pixel_values"]!.dims[0]!;
    const feeds: Record<string, Tensor> = {};
    for (const name of inputs) {
      const type = name === "keep" ? "int64" : "float32";
      feeds[name] = tensorOf(ort, name, type, given[name]!);
    }
    if (given["keep"] !== undefined) checkKeep(given["keep"], images, patchesOf(config));
    return runSession(session, feeds, wanted);
  };

  return {
    inputs,
    async encode(given) {
      return matrixOf((await run(given))[output]!);
    },
    async encodeImages(given) {
      const results = await run(given);
      const images = given["pixel_values"]!.dims[0]!;
      const all = matrixOf(results[output]!);
      return Array.from({ length: images }, (_, i): ReducedImage => {
        const origins = reads ? originsOf(results, i, images, patchesOnly) : null;
        return { rows: partOf(all, i, images), origins };
      });
    },
    async dispose() {
      disposed ??= session.release();
      await disposed;
    },
  };
}

function partOf({ data, rows, cols }: Matrix, i: number, images: number): Matrix {
  const count = rows / images;
  return { data: data.subarray(i * count * cols, (i + 1) * count * cols), rows: count, cols };
}

function originsOf(
  results: Record<string, Tensor>,
  i: number,
  images: number,
  patchesOnly: boolean,
): RowOrigins {
  const before = patchesOnly ? 1 : 0;
  const part = <T extends Int32Array | Float32Array>(data: T): T => {
    const count = data.length / images;
    return data.subarray(i * count + before, (i + 1) * count) as T;
  };
  const [keep, source] = ["keep", "source"].map((name) => part(results[name]!.data as Int32Array));
  return {
    keep: Uint32Array.from(keep!, (row) => row - before),
    source: source!.map((row) => Math.max(-1, row - before)),
    sizes: part(results["sizes"]!.data as Float32Array).slice(),
  };
}

function patchesOf({ imageSize, patchSize }: VisionConfig): number {
  return Math.floor(imageSize![0] / patchSize[0]) * Math.floor(imageSize![1] / patchSize[1]);
}

/** @throws {@link InferenceError} `shape` or `range` unless there is an ascending list per image. */
function checkKeep({ data, dims }: EncoderInput, images: number, patches: number): void {
  if (dims.length !== 2 || dims[0] !== images || dims[1] === 0) {
    throw new InferenceError(
      "shape",
      `keep: expected [${images}, patches], got [${dims.join(", ")}]`,
    );
  }
  const count = dims[1]!;
  for (const [i, patch] of data.entries()) {
    const previous = i % count === 0 ? -1 : data[i - 1]!;
    if (Number.isInteger(patch) && patch > previous && patch < patches) continue;
    throw new InferenceError(
      "range",
      `keep: expected ascending patches below ${patches}, got ${patch} after ${previous}`,
    );
  }
}
