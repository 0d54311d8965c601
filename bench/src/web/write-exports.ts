import { mkdir, open, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

import {
  type ModelFiles,
  quantizeCheckpoint,
  readModelFolder,
  readSafetensors,
} from "@frugal/runtime";
import { exportDecoder } from "@frugal/testkit/export-decoder";
import type { BlockWeight } from "@frugal/testkit/export-weights";
import { loadReferenceWeights } from "@frugal/testkit/reference-weights";

import type { ExportKind } from "./page/transformers-worker.ts";

/** As optimum exports a model, and as the builder of onnxruntime-genai does. */
const styles = {
  optimum: { attention: "concat" },
  grouped: { attention: "grouped", fusedNorms: true },
} as const;

/**
 * Writes the model of a folder as ONNX graphs in the layout that transformers.js reads, in float32
 * and in blocks of 4 bits, to `<target>/<kind>/<name>/`. The weights are the very ones that Frugal
 * runs: widened, or quantized by its own code with its own options for `"q4"`.
 */
export async function writeExports(folder: string, target: string, name: string): Promise<void> {
  const json = await readFile(join(folder, "config.json"), "utf8");
  const bytes = await readFile(join(folder, "model.safetensors"));
  const { config, tensors } = loadReferenceWeights(json, bytes);
  const weights = { fp32: undefined, q4: await quantize(folder) };
  for (const kind of Object.keys(styles) as ExportKind[]) {
    const home = join(target, kind, name);
    await mkdir(join(home, "onnx"), { recursive: true });
    // Nothing ends a text before its length: no id does.
    const endless = { ...(JSON.parse(json) as object), eos_token_id: null };
    await writeFile(join(home, "config.json"), JSON.stringify(endless));
    for (const [type, blocks] of Object.entries(weights)) {
      const stem = type === "fp32" ? "model" : `model_${type}`;
      const dataFile = `${stem}.onnx_data`;
      const style = { ...styles[kind], dataFile, ...(blocks && { blocks }) };
      const { decoder, files } = exportDecoder(config, tensors, style);
      await writeFile(join(home, "onnx", `${stem}.onnx`), decoder);
      for (const file of files) await writeFile(join(home, "onnx", file.name), file.data);
    }
  }
}

/** The projections of a model in blocks, as `quantize: "q4"` makes them. */
async function quantize(folder: string): Promise<ReadonlyMap<string, BlockWeight>> {
  const files = filesOf(folder);
  const { config, weights } = await readModelFolder(files);
  const parts: Uint8Array[] = [];
  await quantizeCheckpoint(
    config,
    weights,
    { bits: 4 },
    ({ location, offset, length }) => files.read(location, offset, length),
    async (bytes) => void parts.push(bytes.slice()),
  );
  const all = Buffer.concat(parts);
  const { tensors } = await readSafetensors(inMemory(all), "blocks.safetensors");
  const bytesOf = (name: string): Uint8Array => {
    const { offset, length } = tensors.get(name)!;
    return all.subarray(offset, offset + length);
  };
  const blockSize = 32;
  const blocks = new Map<string, BlockWeight>();
  for (const [name, { shape }] of tensors) {
    if (!name.endsWith(".weight.quantized")) continue;
    const [outputs, count, width] = shape as [number, number, number];
    blocks.set(name.slice(0, -".weight.quantized".length), {
      bits: (width * 8) / blockSize,
      blockSize,
      outputs,
      inputs: count * blockSize,
      quantized: bytesOf(name),
      scales: bytesOf(name.replace(".quantized", ".scales")),
    });
  }
  return blocks;
}

function filesOf(folder: string): ModelFiles {
  return {
    text: (name) => readFile(join(folder, name), "utf8").catch(() => null),
    size: (name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => null,
      ),
    async read(name, offset, length) {
      const file = await open(join(folder, name));
      try {
        const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, offset);
        return buffer.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    },
  };
}

function inMemory(bytes: Uint8Array): ModelFiles {
  return {
    text: async () => null,
    size: async () => bytes.length,
    read: async (_, offset, length) => bytes.subarray(offset, offset + length),
  };
}
