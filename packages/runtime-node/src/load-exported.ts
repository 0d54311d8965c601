import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

import { InferenceError, type LanguageModel } from "@frugal/core";
import {
  addReducedLogits,
  createExportedModel,
  type DecoderSignature,
  decoderSignature,
  type ExportedConfigs,
  exportedFacts,
  type ExportedFacts,
  genaiNames,
  leastOpset,
  relocateWeights,
  type RunOptions,
  selfTest,
  summarizeModel,
} from "@frugal/runtime";

import type { Device } from "./devices.ts";
import { FolderFiles } from "./folder-files.ts";
import type { OnnxLayout } from "./model-layout.ts";
import { onPath } from "./on-path.ts";
import type { OrtNode } from "./ort-node.ts";
import {
  createFileSession,
  createSession,
  locateData,
  type Session,
  threadsFor,
} from "./session.ts";

/** Graphs from this size on are opened as files and left as they are, which spares a copy. */
const largestEdited = 2 ** 30;

/** How an exported model is opened and run. */
export interface ExportedOptions extends RunOptions {
  readonly device: Device;
  /** Default: by the size of the model. */
  readonly threads?: number;
}

/**
 * Opens graphs that other tools exported as a {@link LanguageModel}.
 *
 * The decoder is given outputs for reduced logits in memory; its file stays as it is.
 *
 * @throws {@link InferenceError} `format` for a broken graph or configuration; `unsupported` for a
 *   graph that is no decoder with a cache; `backend` if ONNX Runtime refuses it.
 */
export async function loadExported(
  ort: OrtNode,
  folder: string,
  layout: OnnxLayout,
  options: ExportedOptions,
): Promise<LanguageModel> {
  const configs = await readConfigs(folder);
  const { session: decoder, ...opened } = await openDecoder(ort, folder, layout, configs, options);
  const sessions = [decoder];
  try {
    let embedding: Session | null = null;
    if (layout.embedding !== null && opened.signature.embeddings !== null) {
      // A table look-up: nothing to share between threads.
      const single = { device: options.device, threads: 1 };
      embedding = await createFileSession(ort, folder, layout.embedding, single);
      sessions.push(embedding);
    }
    const { signature, facts, hasTop } = opened;
    const graphs = { decoder, embedding };
    const model = createExportedModel(ort, graphs, signature, facts, hasTop, options);
    if (model.capabilities.tree && model.capabilities.tokens) await selfTest(model);
    return model;
  } catch (error) {
    await Promise.all(sessions.map((session) => session.release()));
    throw error;
  }
}

interface OpenDecoder {
  readonly session: Session;
  readonly signature: DecoderSignature;
  readonly facts: ExportedFacts;
  readonly hasTop: boolean;
}

async function openDecoder(
  ort: OrtNode,
  folder: string,
  layout: OnnxLayout,
  configs: ExportedConfigs,
  { device, threads }: ExportedOptions,
): Promise<OpenDecoder> {
  const path = join(folder, layout.decoder);
  const rename = genaiNames(configs.genai);
  const { size } = await onPath(path, (file) => stat(file));
  if (size >= largestEdited) {
    const options = { device, threads: threads ?? 0 };
    const session = await createFileSession(ort, folder, layout.decoder, options);
    try {
      const signature = decoderSignature(session.inputMetadata, session.outputMetadata, rename);
      return { session, signature, facts: exportedFacts(signature, configs, 0), hasTop: false };
    } catch (error) {
      await session.release();
      throw error;
    }
  }
  const bytes = await onPath(path, (file) => readFile(file));
  const { opset, weights, locations, inputs, outputs } = summarizeModel(bytes);
  const signature = decoderSignature(inputs, outputs, rename);
  const facts = exportedFacts(signature, configs, weights);
  const hasTop = opset >= leastOpset;
  const data = await locateData(dirname(path), locations);
  const moved =
    locations.length === 0 ? bytes : relocateWeights(bytes, (name) => data.names.get(name)!);
  const edited = hasTop ? addReducedLogits(moved, signature, facts.info.vocabSize) : moved;
  const options = { device, threads: threads ?? threadsFor(weights) };
  const session = await createSession(ort, edited, data.folder, options);
  return { session, signature, facts, hasTop };
}

async function readConfigs(folder: string): Promise<ExportedConfigs> {
  const files = new FolderFiles(folder);
  const read = async (name: string): Promise<unknown> => {
    const text = await files.text(name);
    if (text === null) return null;
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new InferenceError("format", `${name}: not JSON`, { cause });
    }
  };
  return {
    model: await read("config.json"),
    generation: await read("generation_config.json"),
    genai: await read("genai_config.json"),
  };
}
