import { readFile } from "node:fs/promises";

import { createLanguageModel, planDecoder, readModelFolder } from "@frugal/runtime";
import { type ReferenceConfig, testLanguageModel, tinyConfig } from "@frugal/testkit";
import * as ort from "onnxruntime-node";

import { FolderFiles } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

// The profile of devices, on the processor: the operators are the same, and quick.
const grouped: ReferenceConfig = { ...tinyConfig, heads: 6, kvHeads: 2 };
const random = await writeRandomModel(grouped);

testLanguageModel(
  "a model with shared attention",
  async () => {
    const { config, weights } = await readModelFolder(new FolderFiles(random.folder));
    const data = await readFile(`${random.folder}/model.safetensors`);
    const checkpoint = { weights, quantization: null };
    const { part, graph, moveRows } = planDecoder(config, checkpoint, {
      keepsOutputs: true,
      device: "webgpu",
    });
    const externalData = [{ path: "model.safetensors", data }];
    const session = await ort.InferenceSession.create(graph, { externalData });
    const options = {
      chunk: 16,
      clock: () => performance.now(),
      pause: () => new Promise<void>((resolve) => setImmediate(resolve)),
      moveRows: await ort.InferenceSession.create(moveRows!),
    };
    return createLanguageModel(ort, session, config, options, part);
  },
  { reference: random.reference },
);
