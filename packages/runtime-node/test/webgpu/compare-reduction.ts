/**
 * Runs a vision encoder that makes its rows fewer on the CPU and on WebGPU, in a process of its own: the
 * driver is chosen by the environment, and is none of the tests' business.
 *
 * Arguments: an encoder's folder and a reduction as JSON. Prints the largest difference of rows and
 * whether both say the same of them, for images of noise and for one without any, whose rows all tie;
 * and on standard error, at ONNX Runtime's own wish, where it placed which node.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import {
  buildVisionEncoder,
  type ReducedImage,
  parseVisionConfig,
  readWeights,
} from "@frugal/runtime";
import * as ort from "onnxruntime-node";

import { FolderFiles, loadVisionTower } from "../../src/index.ts";
import { randomImages } from "../random-vision.ts";

const [folder, json] = process.argv.slice(2) as [string, string];
const reduce = JSON.parse(json);

const noise = randomImages(2);
const images = { dims: [3, 3, 24, 24], data: new Float32Array(3 * 3 * 24 * 24).fill(0.3) };
images.data.set(noise.data);
const inputs = {
  pixel_values: images,
  ...(reduce.method === "select" && {
    keep: { data: Int32Array.of(0, 5, 7, 1, 2, 35, 3, 4, 5), dims: [3, 3] },
  }),
};
const results: (readonly ReducedImage[])[] = [];
for (const device of ["cpu", "webgpu"] as const) {
  const tower = await loadVisionTower(folder, { device, reduce });
  results.push(await tower.encodeImages(inputs));
  await tower.dispose();
}
const [expected, actual] = results as [readonly ReducedImage[], readonly ReducedImage[]];
const differences = expected.map(({ rows }, i) =>
  rows.data.reduce((most, x, at) => Math.max(most, Math.abs(x - actual[i]!.rows.data[at]!)), 0),
);
const isSame = expected.every(({ origins }, i) => {
  const other = actual[i]!.origins;
  const text = (value: typeof other) =>
    JSON.stringify(value && [[...value.keep], [...value.source]]);
  return text(origins) === text(other);
});

const config = parseVisionConfig(JSON.parse(await readFile(join(folder, "config.json"), "utf8")));
const { weights } = await readWeights(new FolderFiles(folder));
const graph = buildVisionEncoder(config, weights, "portable", { reduce });
const session = await ort.InferenceSession.create(graph, {
  executionProviders: ["webgpu"],
  logSeverityLevel: 0,
  extra: { session: { model_external_initializers_file_folder_path: folder } },
});
await session.release();
process.stdout.write(`${JSON.stringify({ difference: Math.max(...differences), isSame })}\n`);
