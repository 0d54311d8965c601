import { readFile } from "node:fs/promises";

import { readSafetensors } from "@frugal/testkit";
import { expect, test } from "vitest";

import { decodeImage } from "../src/index.ts";

const folder = new URL("../../runtime/test/image/", import.meta.url);
const { tensors } = readSafetensors(await readFile(new URL("oracles.safetensors", folder)));

/** Decoders of JPEG round differently. */
test.for([
  ["rgb.png", 0],
  ["gray.png", 0],
  ["palette.png", 0],
  ["alpha.png", 0],
  ["lossless.webp", 0],
  ["photo.jpg", 2],
  ["turned.jpg", 2],
] as const)("%s has the pixels that Pillow reads", async ([name, tolerance]) => {
  const { shape, data } = tensors.get(`decoded.${name}`)!;
  const url = new URL(`files/${name}`, folder);
  const image = await decodeImage(url);
  expect([image.height, image.width, 3]).toEqual(shape);
  const differences = Array.from(data, (level, i) => Math.abs(level - image.data[i]!));
  expect(Math.max(...differences)).toBeLessThanOrEqual(tolerance);
  expect(await decodeImage(await readFile(url))).toEqual(image);
});

test("what is no picture is refused by its name", async () => {
  const text = new URL("oracles.json", folder);
  await expect(decodeImage(text)).rejects.toMatchObject({
    name: "InferenceError",
    code: "format",
    message: expect.stringContaining("oracles.json: ") as string,
  });
  const cut = (await readFile(new URL("files/rgb.png", folder))).subarray(0, 200);
  await expect(decodeImage(cut)).rejects.toMatchObject({ code: "format" });
  await expect(decodeImage("no such file.png")).rejects.toMatchObject({
    code: "backend",
    message: expect.stringContaining("no such file.png") as string,
  });
});
