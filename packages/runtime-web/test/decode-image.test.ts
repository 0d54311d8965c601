import { readSafetensors } from "@frugal/testkit";
import { expect, test } from "vitest";

import { decodeImage } from "../src/index.ts";

// Vite serves the repository.
const bytesAt = async (name: string): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await (await fetch(`/packages/runtime/test/image/${name}`)).arrayBuffer());

const { tensors } = readSafetensors(await bytesAt("oracles.safetensors"));

/** Decoders of JPEG round differently. Colors of transparent pixels are rounded on the way. */
test.for([
  ["rgb.png", 0],
  ["gray.png", 0],
  ["palette.png", 0],
  ["lossless.webp", 0],
  ["photo.jpg", 2],
  ["turned.jpg", 2],
] as const)("%s has the pixels that Pillow reads", async ([name, tolerance]) => {
  const { shape, data } = tensors.get(`decoded.${name}`)!;
  const bytes = await bytesAt(`files/${name}`);
  const image = await decodeImage(bytes);
  expect([image.height, image.width, 3]).toEqual(shape);
  const differences = Array.from(data, (level, i) => Math.abs(level - image.data[i]!));
  expect(Math.max(...differences)).toBeLessThanOrEqual(tolerance);
  expect(await decodeImage(new Blob([bytes]))).toEqual(image);
});

test("what is no picture is refused by its name", async () => {
  await expect(decodeImage(new File(["text"], "a.png"))).rejects.toMatchObject({
    name: "InferenceError",
    code: "format",
    message: expect.stringContaining("a.png: ") as string,
  });
  await expect(decodeImage(new Uint8Array(9))).rejects.toMatchObject({ code: "format" });
});
