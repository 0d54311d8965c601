/**
 * Runs a model under a policy on the CPU and on WebGPU, in a process of its own: the driver is chosen
 * by the environment, and is none of the tests' business.
 *
 * Arguments: a model folder and a policy as JSON. Prints the largest difference of logits, and on
 * standard error, at ONNX Runtime's own wish, where it placed which node.
 */
import { buildDecoder, readModelFolder, selectiveAttention } from "@frugal/runtime";
import * as ort from "onnxruntime-node";

import { FolderFiles, loadModel } from "../../src/index.ts";

const [folder, json] = process.argv.slice(2) as [string, string];
const attention = JSON.parse(json);

const logits: number[][] = [];
for (const device of ["cpu", "webgpu"] as const) {
  const model = await loadModel(folder, { inline: true, device, attention });
  const sequence = await model.createSequence();
  const rows: number[] = [];
  let sparse = false;
  for (let i = 0; i < 5; i++) {
    const tokens = Uint32Array.from({ length: 11 }, (_, j) => ((i * 11 + j) * 7) % 32);
    await sequence.step({ tokens }, { logits: "none" });
  }
  for (let i = 0; i < 6; i++) {
    const output = await sequence.step({ tokens: Uint32Array.of(i * 5) }, { logits: "last" });
    rows.push(...output.logits!.data);
    sparse ||= output.sparse === true;
  }
  if (!sparse) throw new Error("no step was sparse");
  logits.push(rows);
  await model.dispose();
}
const difference = Math.max(...logits[0]!.map((x, i) => Math.abs(x - logits[1]![i]!)));

const { config, weights } = await readModelFolder(new FolderFiles(folder));
const checkpoint = { weights, quantization: null };
const profile = selectiveAttention(attention);
const graph = buildDecoder(config, checkpoint, profile, undefined, "portable");
const session = await ort.InferenceSession.create(graph, {
  executionProviders: ["webgpu"],
  logSeverityLevel: 0,
  extra: { session: { model_external_initializers_file_folder_path: folder } },
});
await session.release();
process.stdout.write(`${JSON.stringify({ difference })}\n`);
