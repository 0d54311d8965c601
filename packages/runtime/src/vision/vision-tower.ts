import { InferenceError, type Matrix } from "@frugal/core";

import { gridOf } from "../architectures/vision/vision-layout.ts";
import {
  createVisionEncoder,
  type EncoderInput,
  type VisionEncoder,
} from "../exported/vision-encoder.ts";
import type { PatchPositions, Size, VisionConfig } from "../load/vision-config.ts";
import type { InferenceSession, Ort } from "../onnx/ort.ts";
import { masked } from "../sequence/kv-store.ts";
import { fractionPositions, patchMask } from "./fraction-positions.ts";
import { type PatchGrid, rotatePatches } from "./patch-rotation.ts";
import { cutWindows } from "./patch-windows.ts";

type Inputs = Readonly<Record<string, EncoderInput>>;

/**
 * A {@link VisionEncoder} over a graph of `buildVisionEncoder`: checks images, and computes what the
 * graph needs besides them. Owns the session.
 *
 * Inputs: `pixel_values` `[n, channels, height, width]`, or `[batch, n, channels, height, width]`, of
 * which Idefics3 and SmolVLM leave out images that are all zeros, and take, if some
 * are padded, `pixel_attention_mask` `[.., height, width]`; of Qwen2-VL and Qwen2.5-VL
 * `[patches, channels * frames * height * width of a patch]` and `image_grid_thw` `[images, 3]`, whose
 * images run one after the other.
 *
 * @param output the output that rows are read from; default the graph's first
 */
export function createVisionTower(
  ort: Ort,
  session: InferenceSession,
  config: VisionConfig,
  output: string = session.outputNames[0]!,
): VisionEncoder {
  const graph = createVisionEncoder(ort, session, output);
  const { positions } = config;
  const tower = (
    inputs: readonly string[],
    needed: number,
    encode: (inputs: Inputs) => Promise<Matrix>,
  ): VisionEncoder => ({
    inputs,
    async encode(given) {
      checkNames(given, inputs, needed);
      return encode(given);
    },
    dispose: () => graph.dispose(),
  });

  if (graph.inputs.length === 0) return tower([], 0, () => graph.encode({}));
  if (positions.kind === "rotary") {
    return tower(["pixel_values", "image_grid_thw"], 2, async (inputs) => {
      const rows: Matrix[] = [];
      for (const part of cutImages(inputs, config, positions)) rows.push(await graph.encode(part));
      return stack(rows);
    });
  }
  const size = config.imageSize!;
  if (positions.kind === "table") {
    return tower(["pixel_values"], 1, async ({ pixel_values: pixels }) => {
      const images = withoutBatch(pixels!);
      checkImages(images, [config.channels, ...size]);
      return graph.encode({ pixel_values: images });
    });
  }
  return tower(["pixel_values", "pixel_attention_mask"], 1, async (inputs) => {
    const { pixels, masks } = dropEmpty(inputs, config.channels, size);
    return graph.encode({ pixel_values: pixels, ...placePatches(masks, config, positions.grid) });
  });
}

/** @throws {@link InferenceError} `shape` for inputs that are unknown, or missing among those needed. */
export function checkNames(given: Inputs, names: readonly string[], needed: number): void {
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  const missing = names.slice(0, needed).find((name) => given[name] === undefined);
  if (unknown === undefined && missing === undefined) return;
  const got = unknown ?? `no ${missing}`;
  throw new InferenceError("shape", `inputs: expected ${names.join(", ")}, got ${got}`);
}

/** Images of several texts one after the other. */
function withoutBatch({ data, dims }: EncoderInput): EncoderInput {
  return { data, dims: dims.length === 5 ? [dims[0]! * dims[1]!, ...dims.slice(2)] : dims };
}

/** @throws {@link InferenceError} `shape` unless the dimensions end so and the values are as many. */
export function checkImages({ data, dims }: EncoderInput, image: readonly number[]): void {
  const fits = dims.length === image.length + 1 && image.every((size, i) => dims[i + 1] === size);
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (fits && data.length === count) return;
  throw new InferenceError(
    "shape",
    `pixel_values: expected [n, ${image.join(", ")}], got [${dims.join(", ")}] ` +
      `with ${data.length} values`,
  );
}

/** Images without those that only pad a batch, and masks of their pixels; null: no pixel is padding. */
function dropEmpty(
  { pixel_values: given, pixel_attention_mask: mask }: Inputs,
  channels: number,
  size: Size,
): { readonly pixels: EncoderInput; readonly masks: readonly (EncoderInput["data"] | null)[] } {
  const { data, dims } = withoutBatch(given!);
  checkImages({ data, dims }, [channels, ...size]);
  const inBatches = given!.dims.length === 5;
  const area = size[0] * size[1];
  const [images, width] = [dims[0]!, channels * area];
  if (mask !== undefined && mask.data.length !== images * area) {
    throw new InferenceError(
      "shape",
      `pixel_attention_mask: expected ${images} masks of ${size.join(" x ")}, ` +
        `got [${mask.dims.join(", ")}] with ${mask.data.length} values`,
    );
  }
  const imageOf = (i: number) => data.subarray(i * width, (i + 1) * width);
  const kept = Array.from({ length: images }, (_, i) => i).filter(
    (i) => !inBatches || imageOf(i).some((value: number) => value !== 0),
  );
  const pixels = new Float32Array(kept.length * width);
  for (const [at, i] of kept.entries()) pixels.set(imageOf(i), at * width);
  return {
    pixels: { data: pixels, dims: [kept.length, channels, ...size] },
    masks: kept.map((i) => mask?.data.subarray(i * area, (i + 1) * area) ?? null),
  };
}

/** Rows of the table of positions, and the mask of patches that are padding. */
function placePatches(
  masks: readonly (EncoderInput["data"] | null)[],
  { imageSize, patchSize }: VisionConfig,
  table: Size,
): Record<string, EncoderInput> {
  const grid = gridOf(imageSize!, patchSize);
  const rows = grid[0] * grid[1];
  const patches = masks.map((mask) =>
    mask === null ? new Uint8Array(rows).fill(1) : patchMask(mask, imageSize!, patchSize),
  );
  const ids = new Int32Array(masks.length * rows);
  for (const [i, mask] of patches.entries()) {
    ids.set(fractionPositions(mask, grid, table), i * rows);
  }
  const bias = paddingBias(patches, rows);
  return {
    position_ids: { data: ids, dims: [masks.length, rows] },
    attention_bias: { data: bias, dims: [bias.length / rows ** 2, 1, rows, rows] },
  };
}

/** What hides padding from attention, `[n, 1, rows, rows]`; one mask for all where there is none. */
function paddingBias(masks: readonly Uint8Array[], rows: number): Float32Array {
  const isPadded = masks.some((mask) => mask.includes(0));
  const bias = new Float32Array((isPadded ? masks.length : 1) * rows * rows);
  if (!isPadded) return bias;
  for (const [i, mask] of masks.entries()) {
    const line = Float32Array.from(mask, (isImage) => (isImage === 0 ? masked : 0));
    for (let row = 0; row < rows; row++) bias.set(line, (i * rows + row) * rows);
  }
  return bias;
}

/** The inputs of the graph for one image after the other; with windows, for one frame. */
function cutImages(
  { pixel_values: pixels, image_grid_thw: given }: Inputs,
  { channels, frames, patchSize, heads, hiddenSize }: VisionConfig,
  { theta, merge, windows }: Extract<PatchPositions, { readonly kind: "rotary" }>,
): readonly Record<string, EncoderInput>[] {
  const width = channels * frames * patchSize[0] * patchSize[1];
  const grids = gridsOf(given!, merge);
  const patches = grids.reduce((sum, [t, h, w]) => sum + t * h * w, 0);
  const { data, dims } = pixels!;
  if (data.length !== patches * width || dims.at(-1) !== width) {
    throw new InferenceError(
      "shape",
      `pixel_values: expected [${patches}, ${width}] for image_grid_thw, got [${dims.join(", ")}] ` +
        `with ${data.length} values`,
    );
  }
  const dim = hiddenSize / heads;
  let at = 0;
  const runs = grids.flatMap(([t, h, w]): PatchGrid[] =>
    windows === null ? [[t, h, w]] : Array.from({ length: t }, () => [1, h, w]),
  );
  return runs.map((grid) => {
    const [t, h, w] = grid;
    const { cos, sin } = rotatePatches(grid, merge, dim, theta);
    const from = at;
    at += t * h * w * width;
    return {
      pixel_values: { data: data.subarray(from, at), dims: [t, h * w, width] },
      "cos.0": { data: cos, dims: [h * w, dim / 2] },
      "sin.0": { data: sin, dims: [h * w, dim / 2] },
      ...(windows !== null && windowFeeds(grid, merge, windows.side)),
    };
  });
}

function windowFeeds(grid: PatchGrid, merge: number, side: number): Record<string, EncoderInput> {
  const { rows, slots, bias } = cutWindows(grid, merge, side);
  const size = side * side;
  return {
    window_rows: { data: rows, dims: [rows.length] },
    window_slots: { data: slots, dims: [slots.length] },
    window_bias: { data: bias, dims: [rows.length / size, 1, size, size] },
  };
}

/** @throws {@link InferenceError} `shape` for grids that are no triples or do not merge. */
function gridsOf({ data, dims }: EncoderInput, merge: number): readonly PatchGrid[] {
  if (dims.length !== 2 || dims[1] !== 3 || data.length !== 3 * dims[0]! || data.length === 0) {
    throw new InferenceError(
      "shape",
      `image_grid_thw: expected [images, 3], got [${dims.join(", ")}] with ${data.length} values`,
    );
  }
  return Array.from({ length: data.length / 3 }, (_, i) => {
    const grid = [data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!] as const;
    const [t, h, w] = grid;
    const isWhole = [t, h / merge, w / merge].every((size) => Number.isInteger(size) && size > 0);
    if (isWhole) return grid;
    throw new InferenceError(
      "shape",
      `image_grid_thw[${i}]: expected rows and columns in multiples of ${merge}, ` +
        `got ${grid.join(" x ")}`,
    );
  });
}

function stack(parts: readonly Matrix[]): Matrix {
  if (parts.length === 1) return parts[0]!;
  const { cols } = parts[0]!;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const data = new Float32Array(rows * cols);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { data, rows, cols };
}
