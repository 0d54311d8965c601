import { readFileSync } from "node:fs";

import { readSafetensors } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import {
  createImageProcessor,
  cropImage,
  cutTiles,
  type Filter,
  fromRgba,
  type ImagePlan,
  padToSquare,
  resizeImage,
  type RgbImage,
  toPatches,
  toPixelValues,
} from "../../src/index.ts";

const oracles = readSafetensors(readFileSync(new URL("oracles.safetensors", import.meta.url)));
const { resizes, processors } = JSON.parse(
  readFileSync(new URL("oracles.json", import.meta.url), "utf8"),
) as {
  resizes: { picture: string; width: number; height: number; filter: Filter }[];
  processors: { pictures: string[]; config: Record<string, unknown> }[];
};

function imageAt(name: string): RgbImage {
  const { shape, data } = oracles.tensors.get(name)!;
  return { data: Uint8Array.from(data), width: shape[1]!, height: shape[0]! };
}

const picture = (name: string): RgbImage => imageAt(`picture.${name}`);

describe("resizeImage", () => {
  test.for(resizes.map((each, i) => ({ ...each, i })))(
    "$picture to $width by $height, $filter, as Pillow does",
    ({ picture: name, width, height, filter, i }) => {
      expect(resizeImage(picture(name), width, height, filter)).toEqual(imageAt(`resized.${i}`));
    },
  );

  test("returns an image that has the size", () => {
    const image = picture("tall");
    expect(resizeImage(image, image.width, image.height)).toBe(image);
  });

  test.for([
    [0, 5],
    [5, 1.5],
    [Number.NaN, 1],
    [2 ** 16, 1],
  ])("refuses %d by %d pixels", ([width, height]) => {
    expect(() => resizeImage(picture("tiny"), width!, height!)).toThrow(
      expect.objectContaining({ code: "range", message: expect.stringContaining(`${width} by`) }),
    );
  });

  test("refuses other filters and data of another length", () => {
    const { data, ...size } = picture("tiny");
    expect(() => resizeImage({ data, ...size }, 3, 3, "nearest" as Filter)).toThrow(
      "filter: expected one of bilinear, bicubic, lanczos, got nearest",
    );
    expect(() => resizeImage({ data: data.subarray(1), ...size }, 3, 3)).toThrow(
      "image: expected 60 bytes for 5 by 4 pixels, got 59",
    );
  });
});

/** What the reference resized the pictures to, where it did not cut them to one size. */
function planOf(i: number, names: readonly string[]): ImagePlan {
  const grids = oracles.integers.get(`processed.${i}.image_grid_thw`)?.data ?? [];
  return (width) => {
    const n = names.findIndex((name) => picture(name).width === width);
    return { width: 4 * grids[3 * n + 2]!, height: 4 * grids[3 * n + 1]! };
  };
}

describe("createImageProcessor", () => {
  test.for(
    processors.map((each, i) => ({ ...each, i, type: each.config["image_processor_type"] })),
  )("$i: $type of $pictures, as transformers does", ({ pictures, config, i }) => {
    const { inputs } = createImageProcessor(config, planOf(i, pictures))(pictures.map(picture));
    const prefix = `processed.${i}.`;
    const names = [...oracles.tensors.keys(), ...oracles.integers.keys()].filter((name) =>
      name.startsWith(prefix),
    );
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const { shape, data } = oracles.tensors.get(name) ?? oracles.integers.get(name)!;
      const input = inputs[name.slice(prefix.length)]!;
      expect(input.dims).toEqual(shape);
      const differences = Array.from(data, (x, at) => Math.abs(x - input.data[at]!));
      expect(Math.max(...differences)).toBeLessThan(1e-6);
    }
  });

  test.for<[Record<string, unknown>, string, string]>([
    [{ image_processor_type: "DonutImageProcessor" }, "unsupported", '"DonutImageProcessor"'],
    [{}, "unsupported", "got undefined"],
    [{ image_processor_type: "Qwen2VLImageProcessor" }, "range", "plan: expected one"],
    [
      { image_processor_type: "CLIPImageProcessor", image_mean: [1, 2], image_std: [1, 1, 1] },
      "format",
      "image_mean: expected three numbers",
    ],
    [
      { image_processor_type: "ViTImageProcessor", do_normalize: false, size: { width: -3 } },
      "format",
      "width: expected an integer of 1 to 65535, got -3",
    ],
    [
      { image_processor_type: "ViTImageProcessor", resample: 7 },
      "unsupported",
      "resample: expected 1, 2 or 3, got 7",
    ],
  ])("refuses %j", ([config, code, message]) => {
    expect(() => createImageProcessor(config)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) as string }),
    );
  });
});

describe("parts", () => {
  const image = picture("tiny");

  test("cut together again are the image", () => {
    const tiles = cutTiles(resizeImage(image, 6, 4), 3, 2);
    expect(tiles).toHaveLength(6);
    const whole = resizeImage(image, 6, 4);
    for (const [i, tile] of tiles.entries()) {
      const left = 2 * (i % 3);
      const top = 2 * Math.floor(i / 3);
      expect(cropImage(whole, { left, top, width: 2, height: 2 })).toEqual(tile);
    }
    expect(() => cutTiles(image, 2, 2)).toThrow("that 2 by 2 tiles divide, got 5 by 4");
  });

  test("outside of the image have one color", () => {
    const square = padToSquare(image, [1, 2, 3]);
    expect([square.width, square.height]).toEqual([5, 5]);
    expect(square.data.subarray(60)).toEqual(
      Uint8Array.from({ length: 15 }, (_, i) => 1 + (i % 3)),
    );
    expect(square.data.subarray(0, 60)).toEqual(image.data);
    const beyond = cropImage(image, { left: 9, top: -9, width: 2, height: 1 }, [7, 8, 9]);
    expect(beyond.data).toEqual(Uint8Array.of(7, 8, 9, 7, 8, 9));
  });

  test("opacity is dropped", () => {
    const rgba = Uint8ClampedArray.of(1, 2, 3, 4, 5, 6, 7, 8);
    expect(fromRgba(rgba, 2, 1).data).toEqual(Uint8Array.of(1, 2, 3, 5, 6, 7));
  });

  test("refuse what does not fit", () => {
    const normalization = { mean: [0, 0, 0], std: [1, 1, 1] };
    expect(() => toPixelValues([], normalization)).toThrow("images: expected one, got none");
    expect(() => toPixelValues([image, picture("tall")], normalization)).toThrow(
      "expected one size, got 5 by 4 and 20 by 47",
    );
    expect(() => toPixelValues([image], { mean: [0], std: [1] })).toThrow("three numbers each");
    expect(() => toPatches([image], normalization)).toThrow("that 28 divides, got 5 by 4");
  });
});
